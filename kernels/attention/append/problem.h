#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention/format.cuh"
#include "kernels/family.h"
#include "kernels/qoq/kv_cache.h"

namespace qoq::attention {

/// One step that moves keys and values into a paged cache, or out of it:
///   append kv4 batch=64 heads=8 dh=128 ctx=1536 [tokens=1] [rope=1] [page=64] [in=bf16]
///   gather kv4 batch=64 heads=8 dh=128 ctx=1536 [page=64] [out=bf16]
/// `ctx` is the number of cached tokens a sequence, after the append: one number for all, or a ragged list of `batch`
/// numbers ("1,63,64,65"). Without `page` the page size is free: a parameter of the space.
struct CacheProblem {
  enum class Op { Append, Gather };
  Op op = Op::Append;
  Scheme scheme = Scheme::Kv4;
  Element element = Element::F16;  ///< of the 16-bit side, and of a kv16 cache
  int batch = 1;
  int kv_heads = 1;
  int head_dim = 128;
  std::vector<int> lengths;  ///< [batch], each 1 … 131,072 and at least `tokens`
  int page = 0;              ///< 0: free
  int tokens = 1;            ///< append: new ones of every sequence; token i goes to position length − tokens + i
  bool rope = false;         ///< append: keys are rotated by their position

  bool appends() const { return op == Op::Append; }
  int longest() const;
  int64_t total_tokens() const;  ///< Σ lengths
  KvShape shape(int page_size) const { return {kv_heads, head_dim, page_size, bits(scheme)}; }

  /// Throws Fault::Input with a sentence.
  static CacheProblem parse(const Problem& problem);
  /// The canonical text form's fields; defaults are left out.
  Problem problem() const;
};

}  // namespace qoq::attention
