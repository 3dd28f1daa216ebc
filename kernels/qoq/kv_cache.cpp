#include "kernels/qoq/kv_cache.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/float16.h"

namespace qoq {

namespace {

constexpr size_t unit_tokens = 16;
constexpr size_t piece_bytes = 512;
constexpr std::array<size_t, 4> channel_order{0, 2, 1, 3};

/// Where a lane's 32-bit word stands in its unit.
size_t word_at(size_t lane, size_t word) { return word / 4 * piece_bytes + 16 * lane + 4 * (word % 4); }

/// Calls visit(channel, byte in the unit, shift in that byte) for a key row's codes in fragment order.
template <int Bits, class Visit>
void visit_key(size_t head_dim, size_t slot, const Visit& visit) {
  const size_t g = slot % 8, upper = slot % unit_tokens / 8;
  for (size_t j = 0; j < head_dim / 16; ++j) {
    for (size_t t = 0; t < 4; ++t) {
      const size_t lane = 4 * g + t, first = 16 * j + 4 * t;
      for (size_t i = 0; i < 4; ++i) {
        if constexpr (Bits == 4) visit(first + channel_order[i], word_at(lane, j) + i, 4 * upper);
        if constexpr (Bits == 8) visit(first + channel_order[i], word_at(lane, 2 * j + upper) + i, 0);
        if constexpr (Bits == 16) visit(first + i, word_at(lane, 4 * j + i / 2 * 2 + upper) + i % 2 * 2, 0);
      }
    }
  }
}

/// The same for a value row.
template <int Bits, class Visit>
void visit_value(size_t head_dim, size_t slot, const Visit& visit) {
  const size_t upper = slot % unit_tokens / 8, t = slot % 8 / 2, odd = slot % 2;
  const size_t byte = 2 * odd + upper;  // this token among 2t, 2t+8, 2t+1, 2t+9
  for (size_t g = 0; g < 8; ++g) {
    const size_t lane = 4 * g + t, first = head_dim / 8 * g;
    for (size_t j = 0; j < head_dim / 16; ++j) {
      for (size_t e = 0; e < 2; ++e) {
        const size_t channel = first + 2 * j + e;
        if constexpr (Bits == 4) visit(channel, word_at(lane, j) + byte, 4 * e);
        if constexpr (Bits == 8) visit(channel, word_at(lane, 2 * j + e) + byte, 0);
        if constexpr (Bits == 16) visit(channel, word_at(lane, 4 * j + 2 * upper + e) + 2 * odd, 0);
      }
    }
  }
}

/// The bytes of one side of a page where a row's things begin.
struct Place {
  size_t codes;  ///< QServe: the row; Fragment: the row's unit
  size_t scale, zero;
};

Place place_of(const KvShape& shape, KvLayout layout, size_t head, size_t slot) {
  const size_t page = static_cast<size_t>(shape.page), heads = static_cast<size_t>(shape.kv_heads);
  const size_t row = head * page + slot;
  if (layout == KvLayout::QServe) {
    const size_t parameters = heads * page * shape.row_bytes();
    return {row * shape.row_bytes(), parameters + 2 * row, parameters + 2 * (heads * page + row)};
  }
  const size_t first = head * shape.head_bytes(), parameters = first + page * shape.row_bytes() + 4 * slot;
  return {first + slot / unit_tokens * unit_tokens * shape.row_bytes(), parameters, parameters + 2};
}

template <int Bits, class Visit>
void visit_row(const KvShape& shape, KvLayout layout, KvSide side, size_t slot, const Visit& visit) {
  const size_t head_dim = static_cast<size_t>(shape.head_dim);
  if (layout == KvLayout::QServe) {
    for (size_t channel = 0; channel < head_dim; ++channel) {
      visit(channel, channel * Bits / 8, Bits == 4 ? channel % 2 * 4 : size_t{0});
    }
  } else if (side == KvSide::Key) {
    visit_key<Bits>(head_dim, slot, visit);
  } else {
    visit_value<Bits>(head_dim, slot, visit);
  }
}

template <int Bits>
void write_codes(std::byte* codes, const KvShape& shape, KvLayout layout, KvSide side, size_t slot,
                 std::span<const uint16_t> from) {
  visit_row<Bits>(shape, layout, side, slot, [&](size_t channel, size_t at, size_t shift) {
    if constexpr (Bits == 16) std::memcpy(codes + at, &from[channel], 2);
    if constexpr (Bits == 8) codes[at] = static_cast<std::byte>(from[channel]);
    if constexpr (Bits == 4) {
      const auto others = codes[at] & static_cast<std::byte>(0xf0 >> shift);
      codes[at] = others | static_cast<std::byte>((from[channel] & 15) << shift);
    }
  });
}

template <int Bits>
void read_codes(const std::byte* codes, const KvShape& shape, KvLayout layout, KvSide side, size_t slot,
                std::vector<uint16_t>& to) {
  visit_row<Bits>(shape, layout, side, slot, [&](size_t channel, size_t at, size_t shift) {
    if constexpr (Bits == 16) std::memcpy(&to[channel], codes + at, 2);
    if constexpr (Bits == 8) to[channel] = static_cast<uint16_t>(codes[at]);
    if constexpr (Bits == 4) to[channel] = static_cast<uint16_t>(std::to_integer<int>(codes[at]) >> shift & 15);
  });
}

/// Calls work<bits>().
template <class Work>
void with_bits(int bits, const Work& work) {
  if (bits == 4) return work.template operator()<4>();
  if (bits == 8) return work.template operator()<8>();
  work.template operator()<16>();
}

}  // namespace

KvRow quantize_kv(std::span<const float> x, int bits) {
  const float most = bits == 4 ? 15.0f : 255.0f;
  float low = std::numeric_limits<float>::infinity(), high = -low;
  for (const float value : x) {  // fmin and fmax pass over a NaN
    low = std::fmin(low, value);
    high = std::fmax(high, value);
  }
  if (low > high) low = high = 0;  // no number at all
  low += 0.0f, high += 0.0f;       // −0 counts as +0: which of the two fmin gives is open
  const float largest = std::fmax(std::fabs(low), std::fabs(high));
  KvRow row;
  row.scale = float_to_half(std::fmax((high - low) / most, std::fmax(largest / 32768.0f, 0x1p-14f)));
  const float scale = half_to_float(row.scale);
  row.zero = float_to_half(-low / scale);
  const float zero = half_to_float(row.zero);
  row.codes.reserve(x.size());
  for (const float value : x) {
    const float code = std::rint(value / scale + zero);
    row.codes.push_back(static_cast<uint16_t>(std::fmin(std::fmax(code, 0.0f), most)));  // fmax(NaN, 0) is 0
  }
  return row;
}

std::vector<float> dequantize_kv(const KvRow& row, int bits, bool bfloat) {
  std::vector<float> x;
  x.reserve(row.codes.size());
  const float scale = half_to_float(row.scale), zero = half_to_float(row.zero);
  for (const uint16_t code : row.codes) {
    if (bits == 16) {
      x.push_back(bfloat ? bfloat16_to_float(code) : half_to_float(code));
    } else {
      x.push_back((static_cast<float>(code) - zero) * scale);
    }
  }
  return x;
}

void write_kv_row(std::span<std::byte> page, const KvShape& shape, KvLayout layout, KvSide side, int head, int slot,
                  std::span<const uint16_t> codes, uint16_t scale, uint16_t zero) {
  const Place place = place_of(shape, layout, static_cast<size_t>(head), static_cast<size_t>(slot));
  with_bits(shape.bits, [&]<int Bits>() {
    write_codes<Bits>(page.data() + place.codes, shape, layout, side, static_cast<size_t>(slot), codes);
  });
  if (shape.bits == 16) return;
  std::memcpy(page.data() + place.scale, &scale, 2);
  std::memcpy(page.data() + place.zero, &zero, 2);
}

void write_kv_row(std::span<std::byte> page, const KvShape& shape, KvLayout layout, KvSide side, int head, int slot,
                  const KvRow& row) {
  write_kv_row(page, shape, layout, side, head, slot, row.codes, row.scale, row.zero);
}

KvRow read_kv_row(std::span<const std::byte> page, const KvShape& shape, KvLayout layout, KvSide side, int head,
                  int slot) {
  const Place place = place_of(shape, layout, static_cast<size_t>(head), static_cast<size_t>(slot));
  KvRow row;
  row.codes.resize(static_cast<size_t>(shape.head_dim));
  with_bits(shape.bits, [&]<int Bits>() {
    read_codes<Bits>(page.data() + place.codes, shape, layout, side, static_cast<size_t>(slot), row.codes);
  });
  if (shape.bits == 16) return row;
  std::memcpy(&row.scale, page.data() + place.scale, 2);
  std::memcpy(&row.zero, page.data() + place.zero, 2);
  return row;
}

void convert_kv_page(std::span<const std::byte> from, KvLayout from_layout, std::span<std::byte> to, KvLayout to_layout,
                     const KvShape& shape, KvSide side) {
  for (int head = 0; head < shape.kv_heads; ++head) {
    for (int slot = 0; slot < shape.page; ++slot) {
      write_kv_row(to, shape, to_layout, side, head, slot, read_kv_row(from, shape, from_layout, side, head, slot));
    }
  }
}

}  // namespace qoq
