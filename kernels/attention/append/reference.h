#pragma once
#include "kernels/attention/append/case.h"

namespace qoq::attention {

/// The plain definition: every new row, keys rotated where there is rope (x·cos − y·sin and y·cos + x·sin for the pair
/// x = channel i, y = channel i + Dh/2, each product and sum rounded to fp32), quantised by quantize_kv() and written
/// by write_kv_row(). All else in the pools stays.
void append_rows(const AppendCase& c, int page, KvLayout layout, PagePools& pools);

/// Compares pools after a kernel with the reference's, byte for byte.
Check compare_pools(const AppendCase& c, int page, KvLayout layout, std::span<const std::byte> k,
                    std::span<const std::byte> v);

/// What any append must move, and what this one's layout makes of it (the fragments that new tokens share with old ones
/// are read first).
Work append_work(const CacheProblem& problem);
Traffic append_traffic(const CacheProblem& problem, Layout layout);

}  // namespace qoq::attention
