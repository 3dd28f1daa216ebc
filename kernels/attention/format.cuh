// The formats of the paged KV cache and of attention's inputs: shared by kernels and host.
#pragma once

namespace qoq::attention {

/// How K and V are stored. Kv4, Kv8: per token and KV head an fp16 scale s and zero z, x = (code − z)·s.
enum class Scheme { Kv4, Kv8, Kv16 };

/// The 16-bit type of queries, outputs and of a kv16 cache.
enum class Element { F16, BF16 };

/// How one page's keys or values lie in memory; kernels/qoq/kv_cache.h has the formulas.
enum class Layout {
  QServe,    ///< token rows, then all scales, then all zeros (QServe's pages, byte for byte)
  Fragment,  ///< each lane's tensor-core fragments side by side, scale and zero of a token too
};

constexpr int bits(Scheme scheme) { return scheme == Scheme::Kv4 ? 4 : scheme == Scheme::Kv8 ? 8 : 16; }

}  // namespace qoq::attention
