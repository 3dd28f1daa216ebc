#pragma once
#include <span>

#include "kernels/accuracy/numerics.h"
#include "kernels/llama/weights.h"

namespace qoq::accuracy {

/// Attention as an engine decodes, every row a decode step of its own: keys and values of the row's earlier tokens come
/// from a cache of `cache_bits`, quantised a token and head by quantize_kv; its own as `newest_exact` says. Queries,
/// keys and values are rounded to fp16 first. The arithmetic is that of kernels/attention/reference.h: fp64 on
/// (code − z)·s. Outputs are rounded to fp16. Shapes as llama::attend has them.
llama::Matrix attend_cached(const llama::Config& config, const Numerics& numerics, const llama::Matrix& q,
                            const llama::Matrix& k, const llama::Matrix& v, std::span<const int> starts, int threads);

}  // namespace qoq::accuracy
