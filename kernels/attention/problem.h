#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/attention/format.cuh"
#include "kernels/family.h"
#include "kernels/qoq/kv_cache.h"

namespace qoq::attention {

/// One decode step of attention over a paged cache:
///   attention kv4 batch=64 heads=32/8 dh=128 ctx=1536 [page=64] [q=1] [window=W] [scale=S] [cap=C] [out=bf16] [lse=1]
/// `ctx` is the number of cached tokens a sequence, the new ones included: one number for all, or a ragged list of
/// `batch` numbers ("1,63,64,65"). Without `page` the page size is free: a parameter of the space.
struct AttentionProblem {
  Scheme scheme = Scheme::Kv4;
  Element element = Element::F16;
  int batch = 1;
  int q_heads = 1, kv_heads = 1;
  int head_dim = 128;
  std::vector<int> lengths;  ///< [batch], each 1 … 131,072 and at least q_len
  int page = 0;              ///< 0: free
  int q_len = 1;             ///< new tokens, 1 … 8, causal among themselves
  int window = 0;            ///< a query sees at most this many tokens, itself included; 0: all
  double scale = 0;          ///< of the softmax; 0: Dh^-1/2
  int cap = 0;               ///< logits become cap · tanh(logit / cap); 0: no cap
  bool lse = false;          ///< the natural logarithm of each row's sum of exponentials is an output too

  int group() const { return q_heads / kv_heads; }
  int rows() const { return group() * q_len; }  ///< query rows that share a KV head
  double softmax_scale() const;
  int longest() const;
  int64_t tokens() const;  ///< Σ lengths
  /// Tokens that some query row of a sequence sees: those that must be read.
  int seen(int length) const { return window > 0 && window + q_len - 1 < length ? window + q_len - 1 : length; }
  int64_t seen_tokens() const;  ///< Σ over the sequences
  KvShape shape(int page_size) const { return {kv_heads, head_dim, page_size, bits(scheme)}; }

  /// Throws Fault::Input with a sentence: an unknown field or scheme, a ratio beyond 16, Dh that is not 64, 128 or 256,
  /// a length beyond 131,072 …
  static AttentionProblem parse(const Problem& problem);
  /// The canonical text form's fields; defaults are left out.
  Problem problem() const;
};

std::string_view name(Scheme);
std::string_view name(Element);

}  // namespace qoq::attention
