#pragma once
#include "kernels/attention/decode/point.h"

namespace qoq::attention {

/// What any decode step must do: every cached token once; both products on the tensor cores.
Work decode_work(const AttentionProblem& problem);

/// What one variant does: the cache once for each row block, padding of rows, splits' partial results.
Traffic decode_traffic(const DecodeVariant& variant, const AttentionProblem& problem, const Device& device);

/// Rows of partial results that the splits exchange: each Dh floats, and a maximum and a sum.
size_t partial_rows(const DecodeVariant& variant, const AttentionProblem& problem, const Splits& splits);

}  // namespace qoq::attention
