#include "roofline/model/ceilings.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/error.h"

namespace qoq::roofline {
namespace {

std::string cite(const Rate& rate) { return fmt::format("{}: {}", text(rate.ground), rate.source); }

}  // namespace

std::vector<Ceiling> ceilings(const Gpu& gpu) {
  using enum Ceiling::Kind;
  std::vector<Ceiling> all = {{Memory, "DRAM (listed)", gpu.dram_bandwidth.value, cite(gpu.dram_bandwidth)}};
  if (gpu.measured_dram_bandwidth)
    all.push_back({Memory, "DRAM (measured)", gpu.measured_dram_bandwidth->value, cite(*gpu.measured_dram_bandwidth)});
  all.push_back({Memory, "L2", gpu.l2_bandwidth.value * gpu.clock_ghz.value, cite(gpu.l2_bandwidth)});
  for (const auto& [arithmetic, rate] : gpu.tensor) {
    const double tops = gpu.tensor_ops(arithmetic) * 1e-12;
    all.push_back({Tensor, arithmetic, tops, cite(rate.listed)});
    if (gpu.mma_sync_fraction.value < 1)
      all.push_back(
          {Tensor, arithmetic + ", mma.sync", tops * gpu.mma_sync_fraction.value, cite(gpu.mma_sync_fraction)});
  }
  all.push_back({CudaCore, "CUDA cores, fp32", gpu.cuda_core_ops() * 1e-12, cite(gpu.pipes.fma)});
  return all;
}

double attainable_tops(const Ceiling& memory, const Ceiling& compute, double intensity) {
  return std::min(compute.value, memory.value * intensity * 1e-3);
}

double ridge_ops_per_byte(const Ceiling& memory, const Ceiling& compute) { return compute.value / memory.value * 1e3; }

double ops_per_byte(const Work& work) { return work.ops / (work.read_bytes + work.write_bytes); }

std::string tensor_arithmetic(const Gpu& gpu, const Work& work) {
  return !gpu.tensor.contains(work.arithmetic) && !work.fallback.empty() ? work.fallback : work.arithmetic;
}

double speed_of_light_us(const Gpu& gpu, const Work& work, bool measured_bandwidth) {
  const double rate = gpu.tensor_ops(tensor_arithmetic(gpu, work));
  if (work.ops > 0 && rate == 0) bad_input("{} has no tensor rate for '{}'", gpu.id, work.arithmetic);
  const double memory_us = (work.read_bytes + work.write_bytes) / gpu.dram_gbps(measured_bandwidth) * 1e-3;
  return work.ops > 0 ? std::max(memory_us, work.ops / rate * 1e6) : memory_us;
}

}  // namespace qoq::roofline
