#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/family.h"
#include "kernels/runtime/plan.h"
#include "roofline/gpu/gpu.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "roofline/model/ceilings.h"
#include "roofline/model/footprint.h"

namespace qoq::roofline {

/// How many CTAs of a kernel one SM holds, and what stops the next one.
struct Occupancy {
  int blocks_per_sm = 0;  ///< 0: not even one fits
  int warps_per_sm = 0;   ///< of those CTAs
  std::string limiter;    ///< "registers", "shared memory", "threads", "blocks"
};
Occupancy occupancy(const Device& device, const Footprint& code, const Launch& launch);
inline Occupancy occupancy(const Device& device, const EntryCode& code, const Launch& launch) {
  return occupancy(device, footprint_of(code), launch);
}

/// A launch's predicted time and why. The parts are what each resource alone would take, in µs, summed over the
/// generations of CTAs; the total is not their sum, because they overlap (README.md says how).
struct Prediction {
  double total_us = 0;

  double dram_us = 0;       ///< bytes at DRAM bandwidth
  double l2_us = 0;         ///< all CTAs' loads at L2 bandwidth
  double in_flight_us = 0;  ///< the same loads at what the bytes in flight allow: bytes · latency / in flight
  double same_line_us = 0;  ///< requests that queue for one and the same line of L2
  double tensor_us = 0;     ///< the busiest SM's MMAs, padding included
  double alu_us = 0;        ///< … its integer and logic instructions
  double fma_us = 0;        ///< … its FFMA, IMAD and HFMA2 instructions
  double xu_us = 0;         ///< … its conversions and transcendentals
  double shared_us = 0;     ///< … its shared-memory bytes and load/store instructions
  double issue_us = 0;      ///< … its issue slots
  double chain_us = 0;      ///< one warp's instructions one after the other, trip after trip
  double barrier_us = 0;    ///< barriers and the way from shared memory into an MMA, where no other CTA fills the time
  double ramp_us = 0;       ///< CTA starts, first tile's latency, epilogue
  double merge_us = 0;      ///< putting split sums together behind the main loop
  double launch_us = 0;

  Occupancy residency;
  double blocks = 0;           ///< CTAs launched
  double waves = 0;            ///< CTAs / (SMs · resident CTAs)
  double tail_efficiency = 1;  ///< mean SM's CTAs / busiest SM's CTAs
  double speed_of_light_us = 0;
  std::string limiter;  ///< name of the largest part: "dram", "tensor", "chain", …

  /// The µs parts by name, for rows and reports.
  std::vector<std::pair<std::string_view, double>> parts() const;
};

/// Predicts one launch. `code` is the launch's entry; `traffic` and `work` say what that launch does. Deterministic.
/// By the measured DRAM bandwidth where the sheet has one, or the listed one. A kernel of which not one CTA fits on an
/// SM gets an infinite total. Throws Fault::Input when the GPU has no rate for the arithmetic.
Prediction predict(const Gpu& gpu, const Footprint& code, const Launch& launch, const Traffic& traffic,
                   const Work& work, bool measured_bandwidth = true);
inline Prediction predict(const Gpu& gpu, const EntryCode& code, const Launch& launch, const Traffic& traffic,
                          const Work& work, bool measured_bandwidth = true) {
  return predict(gpu, footprint_of(code), launch, traffic, work, measured_bandwidth);
}

}  // namespace qoq::roofline
