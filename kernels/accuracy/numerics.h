#pragma once

namespace qoq::accuracy {

/// Which of a decoder's numbers are held in few bits. What is not is fp32, but for outputs of GEMMs and of attention,
/// queries, keys and values: those are rounded to fp16 always, as kernels write them.
struct Numerics {
  bool weights = true;      ///< of the layers' linears, in 4 bits; embedding and head never are
  bool activations = true;  ///< the linears' inputs, in 8 bits a token
  int cache_bits = 4;       ///< of keys and values: 4, 8 or 16
  /// A token's own key and value are used as they were computed; those of earlier tokens come from the cache (QServe:
  /// the newest token is attended to before it is stored). Otherwise its own come from the cache too, as our decode
  /// kernel reads them.
  bool newest_exact = true;
  bool operator==(const Numerics&) const = default;
};

inline constexpr Numerics w4a8kv4{};
inline constexpr Numerics fp16{false, false, 16, true};

}  // namespace qoq::accuracy
