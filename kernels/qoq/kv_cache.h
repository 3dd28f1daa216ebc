#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace qoq {

/// A KV cache of pages. Keys and values lie in two pools; a page id names the same slot of both. `bits`: 4, 8 or 16.
struct KvShape {
  int kv_heads = 0;
  int head_dim = 0;  ///< Dh: 64, 128 or 256
  int page = 0;      ///< tokens a page: 16, 32, 64 or 128
  int bits = 4;

  size_t row_bytes() const { return static_cast<size_t>(head_dim) * static_cast<size_t>(bits) / 8; }
  /// Scale and zero, 4 bytes a token and head; none at 16 bits.
  size_t parameter_bytes() const { return bits == 16 ? 0 : 4; }
  /// One side (keys or values) of one head of one page.
  size_t head_bytes() const { return static_cast<size_t>(page) * (row_bytes() + parameter_bytes()); }
  size_t page_bytes() const { return static_cast<size_t>(kv_heads) * head_bytes(); }
};

enum class KvLayout { QServe, Fragment };
enum class KvSide { Key, Value };

/// One token's keys (or values) of one head as stored: `codes` 0 … 15 or 0 … 255, or 16-bit floats as bits (then scale
/// and zero are unused).
struct KvRow {
  std::vector<uint16_t> codes;  ///< [Dh]
  uint16_t scale = 0;           ///< fp16
  uint16_t zero = 0;            ///< fp16, not a whole number
  bool operator==(const KvRow&) const = default;
};

/// Quantises one row to 4 or 8 bits; n = 15 or 255. Every operation is rounded to fp32 in this order (kernels keep it):
///   low = min x, high = max x (both 0 if there is no number; −0 becomes +0), largest = max(|low|, |high|)
///   s = fp16(max((high − low) / n, largest / 32768, 2^-14)),  z = fp16(−low / s)
///   code = clamp(rint(x / s + z), 0, n)
/// The two floors keep z finite and a row of equal values exact to fp16's precision. A NaN becomes code 0.
/// (QServe computes z = −n·low / (high − low), divides by zero where high == low, and lets code 16 wrap to 0.)
KvRow quantize_kv(std::span<const float> x, int bits);

/// What a row stands for: fp32((float(code) − z) · s), two roundings; 16-bit floats are fp16, or bfloat16 if `bfloat`.
std::vector<float> dequantize_kv(const KvRow& row, int bits, bool bfloat = false);

/// Reads and writes one token's row inside one side of one page (`page`: page_bytes() long). `slot` is the token's
/// place in the page. Writing touches no other token's values.
///
/// QServe:   codes [head][slot][Dh·bits/8] (4 bits: element 2i in the low nibble of byte i), then fp16 scales
///           [head][slot], then fp16 zeros [head][slot].
/// Fragment: per head: codes, then [slot] of {scale, zero}. Codes come in units of 16 tokens (slot/16); a unit is
///           Dh·bits/256 pieces of [32 lanes][16 bytes]. With g = lane/4, t = lane%4 and order[4] = {0, 2, 1, 3}:
///   keys    k-step j covers channels 16j … 16j+15; a lane has its channels 16j+4t … +3 of tokens g and g+8.
///     4 bits   word j of the lane (4 a piece): byte i = channel 16j+4t+order[i]; low nibble token g, high nibble g+8
///     8 bits   words 2j, 2j+1: tokens g, g+8; byte i = channel 16j+4t+order[i]
///     16 bits  words 4j … 4j+3: (g; channels +0, +1), (g+8; +0, +1), (g; +2, +3), (g+8; +2, +3), low half first
///   values  m-tile j covers, of each lane, channels d = (Dh/8)·g+2j and d+1, of tokens 2t, 2t+1, 2t+8, 2t+9.
///     4 bits   word j: byte i = token i of {2t, 2t+8, 2t+1, 2t+9}; low nibble d, high nibble d+1
///     8 bits   words 2j, 2j+1: channels d, d+1; byte i = token i of {2t, 2t+8, 2t+1, 2t+9}
///     16 bits  words 4j … 4j+3: (d; tokens 2t, 2t+1), (d+1; 2t, 2t+1), (d; 2t+8, 2t+9), (d+1; 2t+8, 2t+9)
///   A lane's word w stands in piece w/4 at byte 16·lane + 4·(w%4).
void write_kv_row(std::span<std::byte> page, const KvShape&, KvLayout, KvSide, int head, int slot, const KvRow&);
/// The same from codes that lie elsewhere.
void write_kv_row(std::span<std::byte> page, const KvShape&, KvLayout, KvSide, int head, int slot,
                  std::span<const uint16_t> codes, uint16_t scale, uint16_t zero);
KvRow read_kv_row(std::span<const std::byte> page, const KvShape&, KvLayout, KvSide, int head, int slot);

/// Converts every token of one side of one page.
void convert_kv_page(std::span<const std::byte> from, KvLayout from_layout, std::span<std::byte> to, KvLayout to_layout,
                     const KvShape&, KvSide);

}  // namespace qoq
