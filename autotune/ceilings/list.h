#pragma once
#include <string>
#include <vector>

#include "autotune/measure/modes.h"
#include "kernels/runtime/device.h"
#include "roofline/gpu/gpu.h"

namespace qoq::ceilings {

/// How a kernel's time becomes a rate.
enum class Per {
  Second,         ///< GB/s: bytes that must move
  Clock,          ///< B/clk: bytes read from L2, of the whole chip
  ClockSm,        ///< threads/clk/SM: a thread's instructions
  SharedClockSm,  ///< B/clk/SM: the same, 16 bytes each
  Tera,           ///< TOPS: multiplications and additions of the tensor cores
  Run,            ///< us: the time itself, less what the sheet says one CTA's start and end take
};

/// A kernel to try: "ceiling read mb=1024", "read.t256.u8.x4".
struct Try {
  std::string problem, variant;
};

/// One rate of a GPU and how it is measured.
struct Ceiling {
  std::string name;   ///< the sheet's key, or mma_sync.int8 (roofline::with_measured knows both); else our own
  std::string sheet;  ///< the sheet's key that it is held against
  std::string unit;
  Per per = Per::Second;
  measure::Modes modes;
  std::vector<Try> tries;  ///< the fastest counts
};

/// What is measured on a GPU, in the order of the table. Grids give each SM the same number of warps, once.
std::vector<Ceiling> ceilings_of(const Device& device);

}  // namespace qoq::ceilings
