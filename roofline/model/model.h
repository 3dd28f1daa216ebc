#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/family.h"
#include "kernels/runtime/plan.h"
#include "roofline/gpu/gpu.h"
#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

/// How many CTAs of a kernel one SM holds, and what stops the next one.
struct Occupancy {
  int blocks_per_sm = 0;  ///< 0: not even one fits
  int warps_per_sm = 0;
  std::string limiter;    ///< "registers", "shared memory", "threads", "blocks"
};
Occupancy occupancy(const Device& device, const EntryCode& code, const Launch& launch);

/// A kernel's predicted time and why. Parts are what each resource alone would take, in µs; the total is not their sum.
struct Prediction {
  double total_us = 0;

  double dram_us = 0;      ///< bytes at DRAM bandwidth
  double l2_us = 0;        ///< all CTAs' loads at L2 bandwidth
  double in_flight_us = 0; ///< the same loads at what the bytes in flight allow (Little's law)
  double tensor_us = 0;    ///< the busiest SM's MMAs, padding included
  double alu_us = 0;       ///< … its integer and logic instructions
  double fma_us = 0;       ///< … its FMA, IMAD and HFMA2 instructions
  double shared_us = 0;    ///< … its shared-memory bytes and LSU instructions
  double issue_us = 0;     ///< … its issue slots
  double chain_us = 0;     ///< one CTA after the other on one SM: trips × what a trip takes when nothing overlaps it
  double ramp_us = 0;      ///< first tile's latency, CTA starts, epilogue
  double launch_us = 0;

  Occupancy residency;
  double blocks = 0;            ///< CTAs launched
  double waves = 0;             ///< CTAs / (SMs · resident CTAs)
  double tail_efficiency = 1;   ///< mean SM's CTAs / busiest SM's CTAs
  double speed_of_light_us = 0;
  std::string limiter;          ///< name of the largest part: "dram", "tensor", "chain", …

  /// The µs parts by name, for rows and reports.
  std::vector<std::pair<std::string_view, double>> parts() const;
};

/// Predicts one launch. `code` is the launch's entry, `traffic` and `work` what that launch does. Deterministic.
/// Assumptions are in model/README.md. Throws Fault::Input when the arithmetic is one the GPU has no rate for.
/// A kernel that does not fit on an SM gets an infinite total.
Prediction predict(const Gpu& gpu, const EntryCode& code, const Launch& launch, const Traffic& traffic,
                   const Work& work, bool measured_bandwidth = true);

/// Least time the problem can take: max(bytes / DRAM bandwidth, operations / tensor rate).
/// By the measured bandwidth where the sheet has one, or the listed one.
double speed_of_light_us(const Gpu& gpu, const Work& work, bool measured_bandwidth = true);

/// A roofline's ceiling. Memory ceilings are GB/s, the others operations per second · 1e-12.
struct Ceiling {
  std::string name;  ///< "DRAM (listed)", "DRAM (measured)", "L2", "int8", "int8 mma.sync", "CUDA cores fp32"
  enum class Kind { Memory, Tensor, CudaCore } kind = Kind::Memory;
  double value = 0;
  std::string source;
};
std::vector<Ceiling> ceilings(const Gpu& gpu);

/// TOPS attainable at an arithmetic intensity (operations per DRAM byte) under one memory and one compute ceiling.
double attainable_tops(const Ceiling& memory, const Ceiling& compute, double ops_per_byte);
/// A problem's arithmetic intensity: operations per byte that must move.
double intensity(const Work& work);

}  // namespace qoq::roofline
