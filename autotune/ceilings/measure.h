#pragma once
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/ceilings/list.h"
#include "autotune/compile/compiler.h"
#include "autotune/measure/sample.h"
#include "autotune/worker/worker.h"

namespace qoq::ceilings {

/// What became of one ceiling.
struct CeilingResult {
  std::string name, unit;
  double value = 0;        ///< 0 where it failed
  double sheet_value = 0;  ///< in the same unit; 0 not known
  double share = 0;        ///< of the sheet (launch: the reverse, less is better); 0 not known
  bool flagged = false;    ///< less than roofline::least_share of the sheet: doubted, never used
  std::string problem, variant;
  measure::Modes modes;
  measure::Sample sample;
  double clock_mhz = 0;          ///< that a rate per clock was made with
  std::string clock_from;        ///< "samples", "sheet"; empty where no clock was needed
  std::string failure;           ///< why there is no value; empty where there is one
  std::vector<std::string> out;  ///< tries that did not count, "variant: why"
};

/// A time as a rate. Its clock is `sm_mhz`, or the sheet's. Nothing when there is neither and one is needed.
struct Rated {
  double value = 0, clock_mhz = 0;
  std::string clock_from;
};
std::optional<Rated> rate(const Ceiling& ceiling, const Try& tried, const Device& device, const roofline::Gpu* sheet,
                          double median_us, double sm_mhz);

/// Who measures: the GPU, a compiler for its architecture, what the driver says of it, and its product's sheet or null.
struct Bench {
  worker::Gpu& gpu;
  compile::Compiler& compiler;
  Device device;
  const roofline::Gpu* sheet = nullptr;
  uint64_t seed = 1;  ///< of the operands that kernels are proven on
};

/// Compiles everything, then proves and times each try; `done` is told of each ceiling as it is finished. A try that
/// does not compile, is wrong or has no time costs itself alone. Throws what the GPU throws when it is lost.
std::vector<CeilingResult> measure_ceilings(const Bench& bench, const std::vector<Ceiling>& ceilings,
                                            const std::function<void(const CeilingResult&)>& done = {},
                                            std::stop_token stop = {});

}  // namespace qoq::ceilings
