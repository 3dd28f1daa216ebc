#include "kernels/attention/append/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>

#include "kernels/attention/append/config.cuh"
#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"

namespace qoq::attention {

namespace {

float to_float(Element element, uint16_t bits) {
  return element == Element::F16 ? half_to_float(bits) : bfloat16_to_float(bits);
}

void rotate(std::vector<float>& row, const float* cosine, const float* sine) {
  const size_t half = row.size() / 2;
  for (size_t i = 0; i < half; ++i) {
    const float x = row[i], y = row[i + half];
    row[i] = x * cosine[i] - y * sine[i];
    row[i + half] = y * cosine[i] + x * sine[i];
  }
}

KvRow encode(const CacheProblem& p, const std::vector<float>& x) {
  if (p.scheme != Scheme::Kv16) return quantize_kv(x, bits(p.scheme));
  KvRow row;
  for (const float value : x)
    row.codes.push_back(p.element == Element::F16 ? float_to_half(value) : float_to_bfloat16(value));
  return row;
}

/// All heads of one new token.
void append_token(const AppendCase& c, int page, KvLayout layout, size_t sequence, int token, PagePools& pools) {
  const CacheProblem& p = c.problem;
  const KvShape shape = p.shape(page);
  const size_t head_dim = static_cast<size_t>(p.head_dim);
  const int position = p.lengths[sequence] - p.tokens + token;
  const auto entry = sequence * static_cast<size_t>(pools.width) + static_cast<size_t>(position / page);
  const size_t first = static_cast<size_t>(pools.table[entry]) * shape.page_bytes();
  std::vector<float> row(head_dim);
  for (int head = 0; head < p.kv_heads; ++head) {
    const size_t number =
        (sequence * static_cast<size_t>(p.tokens) + static_cast<size_t>(token)) * static_cast<size_t>(p.kv_heads) +
        static_cast<size_t>(head);
    for (const KvSide side : {KvSide::Key, KvSide::Value}) {
      const uint16_t* from = (side == KvSide::Key ? c.k : c.v).data() + number * head_dim;
      for (size_t i = 0; i < head_dim; ++i) row[i] = to_float(p.element, from[i]);
      if (p.rope && side == KvSide::Key) {
        const size_t angles = static_cast<size_t>(position) * head_dim / 2;
        rotate(row, c.cosine.data() + angles, c.sine.data() + angles);
      }
      std::vector<std::byte>& pool = side == KvSide::Key ? pools.k : pools.v;
      write_kv_row(std::span(pool).subspan(first, shape.page_bytes()), shape, layout, side, head, position % page,
                   encode(p, row));
    }
  }
}

/// Where in a pool of pages a byte lies, in words.
std::string place(const CacheProblem& p, int page, KvLayout layout, size_t at) {
  const KvShape shape = p.shape(page);
  const size_t in_page = at % shape.page_bytes();
  std::string text = fmt::format("page {}, byte {}", at / shape.page_bytes(), in_page);
  if (layout == KvLayout::Fragment) text += fmt::format(" (head {})", in_page / shape.head_bytes());
  return text;
}

/// Bytes of new rows of one side of one head as 16-bit floats.
double row_bytes(const CacheProblem& p) { return 2.0 * p.head_dim; }

}  // namespace

void append_rows(const AppendCase& c, int page, KvLayout layout, PagePools& pools) {
  // Sequences share no page.
  run_parallel(c.problem.lengths.size(), 0, [&](size_t sequence) {
    for (int token = 0; token < c.problem.tokens; ++token) append_token(c, page, layout, sequence, token, pools);
  });
}

Check compare_pools(const AppendCase& c, int page, KvLayout layout, std::span<const std::byte> k,
                    std::span<const std::byte> v) {
  PagePools expected = draw_page_pools(c, page);
  append_rows(c, page, layout, expected);
  for (const bool keys : {true, false}) {
    const std::span<const std::byte> got = keys ? k : v;
    const std::vector<std::byte>& want = keys ? expected.k : expected.v;
    if (got.size() != want.size()) return {false, 1, "a pool has the wrong size"};
    const auto [at, wanted] = std::ranges::mismatch(got, want);
    if (at == got.end()) continue;
    const auto first = static_cast<size_t>(at - got.begin());
    size_t wrong = 0;
    for (size_t i = first; i < got.size(); ++i) wrong += got[i] != want[i] ? 1 : 0;
    return {false, 1,
            fmt::format("{} of {} bytes of {} pages differ, first in {}: {:#04x}, not {:#04x}", wrong, got.size(),
                        keys ? "key" : "value", place(c.problem, page, layout, first), std::to_integer<int>(*at),
                        std::to_integer<int>(*wanted))};
  }
  return {true, 0, ""};
}

Work append_work(const CacheProblem& p) {
  const KvShape shape = p.shape(16);
  const double new_tokens = 1.0 * p.batch * p.tokens, rows = 2.0 * new_tokens * p.kv_heads;
  Work work;
  work.ops = 2.0 * rows * p.head_dim;  // one multiplication and one addition a channel, however they are done
  work.arithmetic = "fp16";
  work.read_bytes = rows * row_bytes(p) + (p.rope ? new_tokens * p.head_dim * 4.0 : 0);
  work.write_bytes = rows * static_cast<double>(shape.row_bytes() + shape.parameter_bytes());
  return work;
}

Traffic append_traffic(const CacheProblem& p, Layout layout) {
  const Work work = append_work(p);
  Traffic traffic;
  traffic.dram_read_bytes = work.read_bytes;
  traffic.dram_write_bytes = work.write_bytes;
  // Each head reads the angles anew, from L2.
  traffic.l2_read_bytes = work.read_bytes + (p.rope ? (p.kv_heads - 1.0) * p.batch * p.tokens * p.head_dim * 4.0 : 0);
  if (layout == Layout::QServe) return traffic;
  const double unit = 16.0 * static_cast<double>(p.shape(16).row_bytes());
  double read = 0, extra = 0;
  for (const int length : p.lengths) {
    for (int at = (length - p.tokens) / unit_tokens * unit_tokens; at < length; at += unit_tokens) {
      const int first = std::max(0, length - p.tokens - at), last = std::min(unit_tokens, length - at);
      if (last - first == unit_tokens) continue;
      std::bitset<8> key_lanes, value_lanes;  // rows of lanes g, and columns t, that hold new tokens
      for (int slot = first; slot < last; ++slot) key_lanes.set(slot % 8), value_lanes.set(slot % 8 / 2);
      const double touched =
          unit * (static_cast<double>(key_lanes.count()) / 8 + static_cast<double>(value_lanes.count()) / 4);
      read += touched;
      extra += touched - 2 * unit * (last - first) / 16;
    }
  }
  traffic.dram_read_bytes += read * p.kv_heads;
  traffic.l2_read_bytes += read * p.kv_heads;
  traffic.dram_write_bytes += extra * p.kv_heads;
  return traffic;
}

}  // namespace qoq::attention
