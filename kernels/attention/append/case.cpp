#include "kernels/attention/append/case.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"
#include "kernels/base/random.h"

namespace qoq::attention {

namespace {

constexpr size_t spare_pages = 2;

uint16_t rounded(Element element, float value) {
  return element == Element::F16 ? float_to_half(value) : float_to_bfloat16(value);
}

enum class Kind { Plain, Constant, Zeros, Tiny, Huge, Far, Ties, Outlier, NotANumber, Count };

/// Multiples of 7/2 from 0 to 7n: the scale is 7, and every other channel lies halfway between two codes. (By 1/7
/// rounded some come out beside that.)
float tie(Random& random, int bits, int channel) {
  const int most = 2 * ((1 << bits) - 1);
  return 3.5f * static_cast<float>(channel == 0 ? 0 : channel == 1 ? most : random.between(0, most));
}

void draw_row(Random& random, const CacheProblem& p, Kind kind, uint16_t* row) {
  const Element element = p.element;
  const int head_dim = p.head_dim;
  const float middle = random.uniform(-2, 2), spread = random.uniform(0.1f, 3.0f);
  for (int i = 0; i < head_dim; ++i) {
    float x = middle + random.uniform(-spread, spread);
    if (kind == Kind::Constant) x = middle;
    if (kind == Kind::Zeros) x = random.next() % 2 == 0 ? 0.0f : -0.0f;
    if (kind == Kind::Tiny) x *= 0x1p-20f;
    if (kind == Kind::Huge) x *= 10000;
    if (kind == Kind::Far) x += 500 * middle;  // the zero's own rounding moves codes beyond both ends
    if (kind == Kind::Ties) x = tie(random, std::min(bits(p.scheme), 8), i);
    row[i] = rounded(element, x);
  }
  const auto any = static_cast<size_t>(random.between(0, head_dim - 1));
  if (kind == Kind::Outlier) row[any] = rounded(element, 300 * middle);
  if (kind == Kind::NotANumber) row[any] = rounded(element, std::numeric_limits<float>::quiet_NaN());
}

std::vector<uint16_t> draw_rows(const CacheProblem& p, uint64_t seed) {
  const size_t head_dim = static_cast<size_t>(p.head_dim), heads = static_cast<size_t>(p.kv_heads);
  const size_t tokens = static_cast<size_t>(p.batch) * static_cast<size_t>(p.tokens);
  std::vector<uint16_t> rows(tokens * heads * head_dim);
  run_parallel(tokens, 0, [&](size_t token) {
    Random random(seed + token * 0x9e3779b97f4a7c15u);
    for (size_t head = 0; head < heads; ++head) {
      auto kind = static_cast<Kind>(random.between(0, 3 * static_cast<int>(Kind::Count)));
      const bool kept = p.scheme == Scheme::Kv16 && kind == Kind::NotANumber;
      if (kind >= Kind::Count || kept) kind = Kind::Plain;
      draw_row(random, p, kind, rows.data() + (token * heads + head) * head_dim);
    }
  });
  return rows;
}

/// The angles of RoPE with base 10,000.
void make_angles(AppendCase& c) {
  const size_t half = static_cast<size_t>(c.problem.head_dim) / 2;
  const size_t positions = static_cast<size_t>(c.problem.longest());
  c.cosine.resize(positions * half);
  c.sine.resize(positions * half);
  run_parallel(half, 0, [&](size_t i) {
    const double step = std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
    for (size_t position = 0; position < positions; ++position) {
      const double angle = static_cast<double>(position) * step;
      c.cosine[position * half + i] = static_cast<float>(std::cos(angle));
      c.sine[position * half + i] = static_cast<float>(std::sin(angle));
    }
  });
}

}  // namespace

AppendCase make_append_case(const CacheProblem& problem, uint64_t seed) {
  AppendCase c;
  c.problem = problem;
  c.seed = seed;
  Random random(seed);
  c.k = draw_rows(problem, random.next());
  c.v = draw_rows(problem, random.next());
  if (problem.rope) make_angles(c);
  return c;
}

PagePools draw_page_pools(const AppendCase& c, int page) {
  const CacheProblem& p = c.problem;
  const auto pages_of = [&](int length) { return static_cast<size_t>((length + page - 1) / page); };
  PagePools pools;
  pools.width = static_cast<int>(pages_of(p.longest()));
  size_t pages = spare_pages;
  for (const int length : p.lengths) pages += pages_of(length);

  Random random(c.seed ^ static_cast<uint64_t>(page));
  std::vector<int32_t> order(pages);
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = pages; i > 1; --i) std::swap(order[i - 1], order[random.next() % i]);
  pools.table.assign(p.lengths.size() * static_cast<size_t>(pools.width), -1);
  size_t next = 0;
  for (size_t sequence = 0; sequence < p.lengths.size(); ++sequence) {
    for (size_t i = 0; i < pages_of(p.lengths[sequence]); ++i)
      pools.table[sequence * static_cast<size_t>(pools.width) + i] = order[next++];
  }
  const auto byte = [](uint8_t value) { return std::byte{value}; };
  pools.k = random.bytes<std::byte>(pages * p.shape(page).page_bytes(), byte);
  pools.v = random.bytes<std::byte>(pages * p.shape(page).page_bytes(), byte);
  return pools;
}

}  // namespace qoq::attention
