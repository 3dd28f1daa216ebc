#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "kernels/checkpoint/safetensors_header.h"

namespace qoq {

/// A tensor's elements as fp32, in their order: exact from F16, BF16 and F32. Throws Fault::Input, naming the tensor:
/// another element type, NaN or an infinity (with its place), `values` of another size than the tensor's.
void read_floats(const Tensor& tensor, std::span<float> values);
std::vector<float> read_floats(const Tensor& tensor);

/// fp32 as a tensor's bytes: F16 and BF16 by rounding to nearest even, F32 as it is. `bytes` is as long as
/// element_bytes(dtype) · values.size(). Throws Fault::Input, with the place, for a value that is not finite or that
/// `dtype` cannot hold (beyond ±65504 in F16), and for another element type.
void write_floats(std::span<const float> values, DType dtype, std::span<std::byte> bytes);
std::vector<std::byte> write_floats(std::span<const float> values, DType dtype);

}  // namespace qoq
