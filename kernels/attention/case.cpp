#include "kernels/attention/case.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/attention/reference.h"
#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"
#include "kernels/base/random.h"

namespace qoq::attention {

namespace {

uint16_t round_to(Element element, float value) {
  return element == Element::F16 ? float_to_half(value) : float_to_bfloat16(value);
}

/// Evenly spaced 16-bit floats from −2 to 2, for a kv16 cache: drawing an index is much faster than rounding a float.
std::vector<uint16_t> element_table(Element element) {
  std::vector<uint16_t> table(1 << 12);
  for (size_t i = 0; i < table.size(); ++i) {
    table[i] = round_to(element, (static_cast<float>(i) + 0.5f) * 0x1p-10f - 2.0f);
  }
  return table;
}

/// One side of a case: keys or values.
struct Side {
  std::vector<uint16_t>&codes, &scale, &zero;
};

/// Draws rows `first` … `first + count − 1`.
void draw_rows(const AttentionProblem& p, const std::vector<uint16_t>& table, uint64_t seed, size_t first, size_t count,
               const Side& side) {
  Random random(seed);
  const size_t head_dim = static_cast<size_t>(p.head_dim);
  uint16_t* code = side.codes.data() + first * head_dim;
  const int width = p.scheme == Scheme::Kv16 ? 12 : bits(p.scheme), step = p.scheme == Scheme::Kv16 ? 16 : width;
  const uint64_t mask = (uint64_t{1} << width) - 1;
  const size_t drawn = 64 / static_cast<size_t>(step);  // codes in eight random bytes; divides Dh
  for (size_t i = 0; i < count * head_dim; i += drawn) {
    uint64_t random_bits = random.next();
    for (size_t j = i; j < i + drawn; ++j, random_bits >>= step) code[j] = static_cast<uint16_t>(random_bits & mask);
  }
  if (p.scheme == Scheme::Kv16) {
    for (size_t i = 0; i < count * head_dim; ++i) code[i] = table[code[i]];
    return;
  }
  // Codes are uniform, so that x has a spread of about 1 and a mean within ±0.9.
  const float finer = p.scheme == Scheme::Kv4 ? 1.0f : 17.0f;  // 255 / 15
  for (size_t row = first; row < first + count; ++row) {
    side.scale[row] = float_to_half(random.uniform(0.15f, 0.35f) / finer);
    side.zero[row] = float_to_half(random.uniform(5.0f, 10.0f) * finer);
  }
}

/// Query rows of one sequence. Logits spread by about a row's magnitude.
void draw_queries(const AttentionProblem& p, uint64_t seed, size_t sequence, std::vector<uint16_t>& q) {
  Random random(seed);
  const size_t rows = static_cast<size_t>(p.q_len) * static_cast<size_t>(p.q_heads);
  const size_t head_dim = static_cast<size_t>(p.head_dim);
  for (size_t row = sequence * rows; row < (sequence + 1) * rows; ++row) {
    const float bound = random.uniform(0.5f, 3.0f) * std::sqrt(3.0f);  // of a uniform distribution: spread · √3
    for (size_t d = 0; d < head_dim; ++d) q[row * head_dim + d] = round_to(p.element, random.uniform(-bound, bound));
  }
}

/// Fisher and Yates: 0 … count − 1 in random order.
std::vector<int32_t> shuffled(size_t count, uint64_t seed) {
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  Random random(seed);
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.next() % i]);
  return order;
}

/// A shuffled table over a pool that is not filled yet.
PagedCache page_table(const AttentionProblem& p, uint64_t seed, int page) {
  PagedCache cache;
  cache.table_width = (p.longest() + page - 1) / page;
  size_t used = 0;
  for (const int length : p.lengths) used += static_cast<size_t>((length + page - 1) / page);
  const std::vector<int32_t> order = shuffled(used + spare_pages, seed ^ static_cast<uint64_t>(page));
  cache.pages = static_cast<int>(order.size());
  auto next = order.begin();
  for (const int length : p.lengths) {
    for (int slot = 0; slot < cache.table_width; ++slot) cache.table.push_back(slot * page < length ? *next++ : -1);
  }
  return cache;
}

/// Writes the tokens of one page of one sequence: `first_row` is the first token's first row, `tokens` how many there
/// are.
void fill_page(const AttentionCase& c, const KvShape& shape, KvLayout layout, size_t first_row, int tokens,
               std::span<std::byte> k, std::span<std::byte> v) {
  const size_t head_dim = static_cast<size_t>(shape.head_dim);
  const bool scaled = shape.bits != 16;
  size_t row = first_row;
  for (int slot = 0; slot < tokens; ++slot) {
    for (int head = 0; head < shape.kv_heads; ++head, ++row) {
      write_kv_row(k, shape, layout, KvSide::Key, head, slot, {c.k_codes.data() + row * head_dim, head_dim},
                   scaled ? c.k_scale[row] : uint16_t{0}, scaled ? c.k_zero[row] : uint16_t{0});
      write_kv_row(v, shape, layout, KvSide::Value, head, slot, {c.v_codes.data() + row * head_dim, head_dim},
                   scaled ? c.v_scale[row] : uint16_t{0}, scaled ? c.v_zero[row] : uint16_t{0});
    }
  }
}

}  // namespace

const std::vector<double>& AttentionCase::output(bool ablated) const {
  const size_t kind = ablated ? 1 : 0;
  if (output_[kind].empty()) compute_reference(*this, ablated, output_[kind], log_sum_[kind]);
  return output_[kind];
}

const std::vector<double>& AttentionCase::log_sum(bool ablated) const {
  output(ablated);
  return log_sum_[ablated ? 1 : 0];
}

AttentionCase make_attention_case(const AttentionProblem& p, uint64_t seed, int threads) {
  AttentionCase c;
  c.problem = p;
  c.seed = seed;
  const size_t batch = static_cast<size_t>(p.batch), kv_heads = static_cast<size_t>(p.kv_heads);
  const size_t head_dim = static_cast<size_t>(p.head_dim), rows = static_cast<size_t>(p.tokens()) * kv_heads;
  c.q.resize(batch * static_cast<size_t>(p.q_len * p.q_heads) * head_dim);
  c.k_codes.resize(rows * head_dim);
  c.v_codes.resize(rows * head_dim);
  if (p.scheme != Scheme::Kv16) {
    for (auto* values : {&c.k_scale, &c.k_zero, &c.v_scale, &c.v_zero}) values->resize(rows);
  }
  int64_t first = 0;
  for (const int length : p.lengths) {
    c.first_token.push_back(first);
    first += length;
  }
  // A seed for each piece of work, so that results do not depend on the threads.
  Random random(seed);
  std::vector<uint64_t> seeds(3 * batch);
  for (uint64_t& one : seeds) one = random.next();
  const std::vector<uint16_t> table = element_table(p.element);
  run_parallel(3 * batch, threads, [&](size_t piece) {
    const size_t sequence = piece / 3;
    const size_t first_row = static_cast<size_t>(c.first_token[sequence]) * kv_heads;
    const size_t count = static_cast<size_t>(p.lengths[sequence]) * kv_heads;
    if (piece % 3 == 0) draw_queries(p, seeds[piece], sequence, c.q);
    if (piece % 3 == 1) draw_rows(p, table, seeds[piece], first_row, count, {c.k_codes, c.k_scale, c.k_zero});
    if (piece % 3 == 2) draw_rows(p, table, seeds[piece], first_row, count, {c.v_codes, c.v_scale, c.v_zero});
  });
  return c;
}

PagedCache page_cache(const AttentionCase& c, int page, KvLayout layout) {
  const AttentionProblem& p = c.problem;
  const KvShape shape = p.shape(page);
  PagedCache cache = page_table(p, c.seed, page);
  cache.k.assign(static_cast<size_t>(cache.pages) * shape.page_bytes(), std::byte{0xff});
  cache.v = cache.k;
  run_parallel(cache.table.size(), 0, [&](size_t i) {
    if (cache.table[i] < 0) return;
    const size_t sequence = i / static_cast<size_t>(cache.table_width);
    const int first = static_cast<int>(i % static_cast<size_t>(cache.table_width)) * page;  // token of the sequence
    const size_t at = static_cast<size_t>(cache.table[i]) * shape.page_bytes();
    const size_t first_row = static_cast<size_t>((c.first_token[sequence] + first) * p.kv_heads);
    fill_page(c, shape, layout, first_row, std::min(page, p.lengths[sequence] - first),
              std::span(cache.k).subspan(at, shape.page_bytes()), std::span(cache.v).subspan(at, shape.page_bytes()));
  });
  return cache;
}

PagedCache repeated_cache(const AttentionProblem& problem, uint64_t seed, int page, KvLayout layout) {
  AttentionProblem one = problem;
  one.batch = 1;
  one.lengths = {drawn_tokens};  // whole pages
  const PagedCache drawn = page_cache(make_attention_case(one, seed), page, layout);
  PagedCache cache = page_table(problem, seed, page);
  const auto bytes = static_cast<ptrdiff_t>(problem.shape(page).page_bytes());
  for (const ptrdiff_t index : drawn.table) {  // the spare ones are left out
    cache.k.insert(cache.k.end(), drawn.k.begin() + index * bytes, drawn.k.begin() + (index + 1) * bytes);
    cache.v.insert(cache.v.end(), drawn.v.begin() + index * bytes, drawn.v.begin() + (index + 1) * bytes);
  }
  return cache;
}

}  // namespace qoq::attention
