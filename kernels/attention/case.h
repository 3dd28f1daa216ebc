#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/attention/problem.h"
#include "kernels/family.h"

namespace qoq::attention {

/// Random operands of one decode step. Values are drawn per token and head so that softmax is neither flat nor one-hot.
struct AttentionCase : Case {
  AttentionProblem problem;
  uint64_t seed = 0;
  std::vector<uint16_t> q;  ///< [batch][q_len][q_heads][Dh] in the problem's element
  /// Stored keys and values, row = (sequence's first token + token)·kv_heads + head.
  std::vector<uint16_t> k_codes, v_codes;                  ///< [row][Dh] (4 and 8 bits: codes; 16: element bits)
  std::vector<uint16_t> k_scale, k_zero, v_scale, v_zero;  ///< [row] fp16
  std::vector<int64_t> first_token;                        ///< [batch] Σ of the lengths before

  /// The fp64 reference, computed at first use and kept (not thread-safe): outputs [batch][q_len][q_heads][Dh] and
  /// natural-log sums [batch][q_len][q_heads]. `ablated`: of the no-dequant ablation (reference.h).
  const std::vector<double>& output(bool ablated) const;
  const std::vector<double>& log_sum(bool ablated) const;

  mutable std::vector<double> output_[2], log_sum_[2];
};

/// `threads`: 0 for one a core; the case does not depend on it.
AttentionCase make_attention_case(const AttentionProblem& problem, uint64_t seed, int threads = 0);

/// Pages of a pool that no sequence has.
inline constexpr int spare_pages = 3;

/// The cache as pages of `page` tokens in a layout, with a shuffled block table. Slots that hold no token, and pages
/// that no sequence has, are filled with 0xff: NaN to whoever reads them.
struct PagedCache {
  std::vector<std::byte> k, v;  ///< [pages] × page_bytes
  std::vector<int32_t> table;   ///< [batch][table_width]; −1 where a sequence has no page
  int pages = 0;
  int table_width = 0;  ///< pages of the longest sequence
};
PagedCache page_cache(const AttentionCase& c, int page, KvLayout layout);

/// The table of such a cache, and a few pages full of tokens instead of all: repeated, they fill the pool.
PagedCache repeated_cache(const AttentionProblem& problem, uint64_t seed, int page, KvLayout layout);

/// Tokens that repeated_cache() draws.
inline constexpr int drawn_tokens = 4096;

}  // namespace qoq::attention
