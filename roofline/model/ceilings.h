#pragma once
#include <string>
#include <vector>

#include "kernels/family.h"
#include "roofline/gpu/gpu.h"

namespace qoq::roofline {

/// One ceiling of a roofline plot.
struct Ceiling {
  enum class Kind { Memory, Tensor, CudaCore };
  Kind kind = Kind::Memory;
  std::string name;    ///< "DRAM (listed)", "DRAM (measured)", "L2", "int8", "int8, mma.sync", "CUDA cores, fp32"
  double value = 0;    ///< GB/s of a memory ceiling, TOPS of the others
  std::string source;  ///< "datasheet: NVIDIA H200 …"
};
/// Memory ceilings first (listed, then measured DRAM, L2), then tensor, then CUDA cores.
std::vector<Ceiling> ceilings(const Gpu& gpu);

/// TOPS attainable at an arithmetic intensity (operations per byte) under a memory and a compute ceiling.
double attainable_tops(const Ceiling& memory, const Ceiling& compute, double ops_per_byte);
/// The arithmetic intensity at which the two meet.
double ridge_ops_per_byte(const Ceiling& memory, const Ceiling& compute);
/// A problem's arithmetic intensity: its operations per byte that must move.
double ops_per_byte(const Work& work);

/// The tensor rate that bounds the work on this GPU: its arithmetic, or its fallback where the GPU has no such rate.
std::string tensor_arithmetic(const Gpu& gpu, const Work& work);

/// Least time the problem can take, µs: max(bytes / DRAM bandwidth, operations / tensor rate), by the measured
/// bandwidth where the sheet has one, or the listed one. Throws Fault::Input when the GPU has no rate for the
/// arithmetic.
double speed_of_light_us(const Gpu& gpu, const Work& work, bool measured_bandwidth = true);

}  // namespace qoq::roofline
