#pragma once
#include <span>
#include <string>
#include <string_view>

namespace qoq::roofline {

/// How a served model stores its weights and caches and which kernels it runs.
struct ServingScheme {
  std::string_view name;      ///< "w4a8-g128 kv4"
  std::string_view gemm;      ///< scheme of its GEMM problems; "fp16": no kernel of ours, estimated
  std::string_view kv;        ///< scheme of its attention problems
  double weight_bits;         ///< a weight with its group's scale and zero
  double kv_parameter_bytes;  ///< scale and zero of one token's head
  int kv_bits;
  double activation_bytes;  ///< an element that a GEMM reads
  bool ours;                ///< what the design proposes; the others are what it is compared with

  /// Of one cached element, with its share of scale and zero.
  double kv_bytes(int head_dim) const { return kv_bits / 8.0 + kv_parameter_bytes / head_dim; }
};

/// The table: fp16, w8a8 with kv8, w4a16 with kv16 and with kv8, w4a8 per channel and by groups with kv4.
std::span<const ServingScheme> serving_schemes();
/// Throws Fault::Input, with the names there are.
const ServingScheme& serving_scheme(std::string_view name);

}  // namespace qoq::roofline
