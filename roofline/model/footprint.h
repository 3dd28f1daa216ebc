#pragma once
#include <array>
#include <cstdint>

#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

/// What predict() needs of a kernel's machine code, and no more: some hundred bytes where an EntryCode holds every
/// instruction, so that the candidates of a search can be kept and predicted again on changed rates.
struct Footprint {
  /// Warp-level instructions of a stretch of code.
  struct Counts {
    std::array<int, kPipes> pipes{};
    int issued = 0;    ///< all but fillers
    int barriers = 0;  ///< of the whole CTA
    int64_t shared_bytes = 0;

    int operator[](Pipe pipe) const { return pipes[static_cast<size_t>(pipe)]; }
  };

  int registers = 0;                ///< per thread
  int64_t static_shared_bytes = 0;  ///< declared by the kernel
  bool mma_sync = true;             ///< its MMAs are mma.sync's: no wgmma, no tcgen05
  bool loops = false;               ///< `body` is a loop that holds MMAs; else it is the whole kernel
  Counts body;                      ///< one trip of the main loop
  Counts outside;  ///< everything else, once; without other loops of MMAs beside the main one: copies for tails, whose
                   ///< trips the MMA count has
};

Footprint footprint_of(const EntryCode& code);

}  // namespace qoq::roofline
