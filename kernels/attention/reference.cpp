#include "kernels/attention/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"

namespace qoq::attention {

namespace {

constexpr size_t block = 64;  ///< tokens dequantised at a time: whole units of 16

float to_float(Element element, uint16_t bits) {
  return element == Element::F16 ? half_to_float(bits) : bfloat16_to_float(bits);
}

/// logits[j] = Σ_d q[d] · keys[d][j]
__attribute__((target_clones("avx2", "default"))) void add_products(const double* q, const double* keys,
                                                                    size_t head_dim, double* logits) {
  std::fill_n(logits, block, 0.0);
  for (size_t d = 0; d < head_dim; ++d) {
    for (size_t j = 0; j < block; ++j) logits[j] += q[d] * keys[d * block + j];
  }
}

/// sum[d] += weight · value[d]
__attribute__((target_clones("avx2", "default"))) void add_weighted(double weight, const double* value, size_t head_dim,
                                                                    double* sum) {
  for (size_t d = 0; d < head_dim; ++d) sum[d] += weight * value[d];
}

/// One sequence's keys and values of one head, as numbers.
class Cache {
 public:
  Cache(const AttentionCase& c, bool ablated, size_t sequence, size_t head)
      : c_(c),
        ablated_(ablated),
        heads_(static_cast<size_t>(c.problem.kv_heads)),
        head_dim_(static_cast<size_t>(c.problem.head_dim)),
        length_(static_cast<size_t>(c.problem.lengths[sequence])),
        first_row_(static_cast<size_t>(c.first_token[sequence]) * heads_ + head) {}

  size_t length() const { return length_; }

  /// Keys of tokens first … first+63 (those that exist), [Dh][64].
  void read_keys(size_t first, std::vector<double>& keys) const {
    for (size_t token = first; token < std::min(first + block, length_); ++token) {
      for (size_t d = 0; d < head_dim_; ++d) {
        keys[d * block + token - first] =
            scaled(c_.k_scale, c_.k_zero, token, ablated_ ? ablated_key(token, d) : stored(c_.k_codes, token, d));
      }
    }
  }

  /// Values, [64][Dh].
  void read_values(size_t first, std::vector<double>& values) const {
    for (size_t token = first; token < std::min(first + block, length_); ++token) {
      for (size_t d = 0; d < head_dim_; ++d) {
        values[(token - first) * head_dim_ + d] =
            scaled(c_.v_scale, c_.v_zero, token, ablated_ ? ablated_value(token, d) : stored(c_.v_codes, token, d));
      }
    }
  }

 private:
  size_t row(size_t token) const { return first_row_ + token * heads_; }
  int code(const std::vector<uint16_t>& codes, size_t token, size_t d) const {
    return codes[row(token) * head_dim_ + d];
  }

  double stored(const std::vector<uint16_t>& codes, size_t token, size_t d) const {
    const int bits = code(codes, token, d);
    return c_.problem.scheme == Scheme::Kv16 ? to_float(c_.problem.element, static_cast<uint16_t>(bits)) : bits;
  }

  double scaled(const std::vector<uint16_t>& scale, const std::vector<uint16_t>& zero, size_t token, double x) const {
    if (c_.problem.scheme == Scheme::Kv16) return x;
    return (x - half_to_float(zero[row(token)])) * half_to_float(scale[row(token)]);
  }

  /// Of four channels the first two's bits serve twice; kv4's fifth bit is the lowest of the other nibble's code: that
  /// of token g + 8 (keys) or of channel d + 1 (values).
  double ablated_key(size_t token, size_t d) const {
    const size_t channel = d / 4 * 4 + d % 2;
    if (c_.problem.scheme == Scheme::Kv8) return code(c_.k_codes, token, channel);
    const size_t lower = token / 16 * 16 + token % 8, upper = lower + 8;
    const int fifth = upper < length_ ? code(c_.k_codes, upper, channel) & 1 : 1;
    return (code(c_.k_codes, lower, channel) + 16 * fifth) * (token == upper ? 0.0625 : 1.0);
  }

  double ablated_value(size_t token, size_t d) const {
    const size_t lower = token / 16 * 16 + token % 8;
    if (c_.problem.scheme == Scheme::Kv8) return code(c_.v_codes, lower, d);
    const size_t even = d / 2 * 2;
    const int five_bits = code(c_.v_codes, lower, even) + 16 * (code(c_.v_codes, lower, even + 1) & 1);
    return five_bits * (d == even ? 1.0 : 0.0625);
  }

  const AttentionCase& c_;
  bool ablated_;
  size_t heads_, head_dim_, length_, first_row_;
};

/// One query row and what it has summed so far, relative to its largest logit.
struct Row {
  std::vector<double> q, sum;
  size_t begin = 0, end = 0;  ///< the tokens it sees
  double largest = -std::numeric_limits<double>::infinity();
  double weight = 0;
};

void add_block(const AttentionProblem& p, Row& row, size_t first, const std::vector<double>& keys,
               const std::vector<double>& values) {
  const size_t begin = std::max(row.begin, first), end = std::min(row.end, first + block);
  if (begin >= end) return;
  const size_t head_dim = row.q.size();
  std::array<double, block> logits;
  add_products(row.q.data(), keys.data(), head_dim, logits.data());
  double largest = row.largest;
  for (size_t j = begin - first; j < end - first; ++j) {
    logits[j] *= p.softmax_scale();
    if (p.cap != 0) logits[j] = p.cap * std::tanh(logits[j] / p.cap);
    largest = std::max(largest, logits[j]);
  }
  if (largest > row.largest) {
    const double shrink = std::exp(row.largest - largest);
    row.weight *= shrink;
    for (double& sum : row.sum) sum *= shrink;
    row.largest = largest;
  }
  for (size_t j = begin - first; j < end - first; ++j) {
    const double weight = std::exp(logits[j] - largest);
    row.weight += weight;
    add_weighted(weight, values.data() + j * head_dim, head_dim, row.sum.data());
  }
}

/// Index of a query row in [batch][q_len][q_heads].
size_t row_index(const AttentionProblem& p, size_t sequence, int token, int head) {
  return (sequence * static_cast<size_t>(p.q_len) + static_cast<size_t>(token)) * static_cast<size_t>(p.q_heads) +
         static_cast<size_t>(head);
}

/// Query row r of those that share a KV head.
size_t shared_row_index(const AttentionProblem& p, size_t sequence, size_t kv_head, int r) {
  return row_index(p, sequence, r / p.group(), static_cast<int>(kv_head) * p.group() + r % p.group());
}

std::vector<Row> read_rows(const AttentionCase& c, size_t sequence, size_t kv_head) {
  const AttentionProblem& p = c.problem;
  const size_t head_dim = static_cast<size_t>(p.head_dim);
  std::vector<Row> rows(static_cast<size_t>(p.rows()));
  for (int r = 0; r < p.rows(); ++r) {
    Row& row = rows[static_cast<size_t>(r)];
    const size_t from = shared_row_index(p, sequence, kv_head, r) * head_dim;
    for (size_t d = 0; d < head_dim; ++d) row.q.push_back(to_float(p.element, c.q[from + d]));
    row.sum.resize(head_dim);
    const int end = p.lengths[sequence] - p.q_len + r / p.group() + 1;
    row.begin = static_cast<size_t>(p.window == 0 ? 0 : std::max(0, end - p.window));
    row.end = static_cast<size_t>(end);
  }
  return rows;
}

/// The outputs beside the reference, worst place first.
class Worst {
 public:
  /// `relative` = error over what it is measured by.
  void add(double error, double scale, double tolerance, size_t index, double got, double want) {
    if (!std::isfinite(got)) error = HUGE_VAL;
    const double relative = error == 0 ? 0 : error / scale;
    wrong_ += relative <= tolerance ? 0 : 1;
    ++count_;
    if (relative > relative_) {
      relative_ = relative;
      index_ = index;
      got_ = got;
      want_ = want;
    }
  }
  size_t count() const { return count_; }
  size_t wrong() const { return wrong_; }
  double relative() const { return relative_; }
  size_t index() const { return index_; }
  std::string values() const { return fmt::format("{} instead of {} ({:.2e} of the scale)", got_, want_, relative_); }

 private:
  size_t count_ = 0, wrong_ = 0, index_ = 0;
  double relative_ = 0, got_ = 0, want_ = 0;
};

std::string row_name(const AttentionProblem& p, size_t row) {
  const size_t heads = static_cast<size_t>(p.q_heads), tokens = static_cast<size_t>(p.q_len);
  return fmt::format("sequence {} token {} head {}", row / heads / tokens, row / heads % tokens, row % heads);
}

Worst compare_outputs(const AttentionCase& c, const std::vector<double>& want, std::span<const std::byte> out) {
  const AttentionProblem& p = c.problem;
  const size_t head_dim = static_cast<size_t>(p.head_dim);
  const double tolerance = p.element == Element::F16 ? 1e-3 : 8e-3;
  Worst worst;
  for (size_t sequence = 0; sequence < p.lengths.size(); ++sequence) {
    for (int head = 0; head < p.q_heads; ++head) {
      double scale = 0;
      for (const bool measure : {true, false}) {
        for (int token = 0; token < p.q_len; ++token) {
          const size_t first = row_index(p, sequence, token, head) * head_dim;
          for (size_t i = first; i < first + head_dim; ++i) {
            if (measure) {
              scale = std::max(scale, std::abs(want[i]));
              continue;
            }
            uint16_t bits;
            std::memcpy(&bits, out.data() + 2 * i, 2);
            const double got = to_float(p.element, bits);
            worst.add(std::abs(got - want[i]), scale, tolerance, i, got, want[i]);
          }
        }
      }
    }
  }
  return worst;
}

Worst compare_log_sums(const std::vector<double>& want, std::span<const std::byte> lse) {
  Worst worst;
  for (size_t i = 0; i < want.size(); ++i) {
    float got;
    std::memcpy(&got, lse.data() + 4 * i, 4);
    worst.add(std::abs(got - want[i]), std::max(1.0, std::abs(want[i])), 1e-3, i, got, want[i]);
  }
  return worst;
}

}  // namespace

void compute_reference(const AttentionCase& c, bool ablated, std::vector<double>& output, std::vector<double>& log_sum,
                       int threads) {
  const AttentionProblem& p = c.problem;
  if (ablated && p.scheme == Scheme::Kv16) fail("a kv16 cache is not dequantised: it has no ablation");
  const size_t head_dim = static_cast<size_t>(p.head_dim), kv_heads = static_cast<size_t>(p.kv_heads);
  const size_t rows = p.lengths.size() * static_cast<size_t>(p.q_len * p.q_heads);
  output.assign(rows * head_dim, 0);
  log_sum.assign(rows, 0);
  run_parallel(p.lengths.size() * kv_heads, threads, [&](size_t i) {
    const size_t sequence = i / kv_heads, head = i % kv_heads;
    const Cache cache(c, ablated, sequence, head);
    std::vector<Row> shared = read_rows(c, sequence, head);
    std::vector<double> keys(head_dim * block), values(head_dim * block);
    for (size_t first = shared.front().begin / block * block; first < cache.length(); first += block) {
      cache.read_keys(first, keys);
      cache.read_values(first, values);
      for (Row& row : shared) add_block(p, row, first, keys, values);
    }
    for (int r = 0; r < p.rows(); ++r) {
      const Row& row = shared[static_cast<size_t>(r)];
      const size_t at = shared_row_index(p, sequence, head, r);
      for (size_t d = 0; d < head_dim; ++d) output[at * head_dim + d] = row.sum[d] / row.weight;
      log_sum[at] = row.largest + std::log(row.weight);
    }
  });
}

void ablate_codes(std::span<std::byte> page, const KvShape& shape) {
  const size_t codes = static_cast<size_t>(shape.page) * shape.row_bytes();
  const auto kept = static_cast<std::byte>(shape.bits == 4 ? 0x1f : 0xff);
  for (size_t head = 0; head < static_cast<size_t>(shape.kv_heads); ++head) {
    for (size_t at = head * shape.head_bytes(), end = at + codes; at < end; at += 2) {
      page[at] &= kept;
      page[at + 1] = std::byte{0};
    }
  }
}

Check compare(const AttentionCase& c, bool ablated, std::span<const std::byte> out, std::span<const std::byte> lse) {
  const AttentionProblem& p = c.problem;
  const std::vector<double>& want = c.output(ablated);
  const std::vector<double>& want_lse = c.log_sum(ablated);
  if (out.size() != 2 * want.size())
    return {false, 0, fmt::format("the output has {} bytes, the reference {}", out.size(), 2 * want.size())};
  if (p.lse && lse.size() != 4 * want_lse.size())
    return {false, 0, fmt::format("the log-sums have {} bytes, the reference {}", lse.size(), 4 * want_lse.size())};
  const Worst outputs = compare_outputs(c, want, out);
  const Worst sums = p.lse ? compare_log_sums(want_lse, lse) : Worst{};
  Check check{outputs.wrong() + sums.wrong() == 0, std::max(outputs.relative(), sums.relative()), ""};
  if (outputs.wrong() != 0) {
    const size_t head_dim = static_cast<size_t>(p.head_dim);
    check.message = fmt::format("{} of {} outputs are wrong, worst {} channel {}: {}", outputs.wrong(), outputs.count(),
                                row_name(p, outputs.index() / head_dim), outputs.index() % head_dim, outputs.values());
  } else if (sums.wrong() != 0) {
    check.message = fmt::format("{} of {} log-sums are wrong, worst {}: {}", sums.wrong(), sums.count(),
                                row_name(p, sums.index()), sums.values());
  }
  return check;
}

}  // namespace qoq::attention
