#pragma once
#include <array>
#include <optional>
#include <string>

#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

/// What one warp does from a kernel's start to its end: Σ over instructions of how often each runs.
///
/// A loop runs as often as its code proves (Loop::trips). The main loop, where nothing is proven, runs as often as the
/// warp's MMAs ask for. Any other loop is taken to run once, and `assumed_loops` and `assumed_share` say how much rests
/// on that: epilogue and merge loops over sizes that only the launch knows. What stands behind a kernel's EXIT and the
/// untaken sides of branches count once too (Mix says why).
struct WholeKernel {
  std::array<double, kPipes> pipes{};  ///< warp instructions
  double nops = 0;
  double shared_bytes = 0;  ///< read and written
  double global_bytes = 0;  ///< loaded, without generic loads and bulk copies
  double bulk_copies = 0;

  double main_trips = 0;     ///< 0: there is no main loop
  bool proven = false;       ///< main_trips comes from the code, not from the MMAs asked for
  int assumed_loops = 0;     ///< loops taken to run once each time they are entered
  double assumed_share = 0;  ///< of issued instructions, those that stand in such loops outside the main loop

  double operator[](Pipe pipe) const { return pipes[static_cast<size_t>(pipe)]; }
  double mmas() const { return (*this)[Pipe::Tensor]; }
  double total() const;
  double issued() const { return total() - nops; }
  double cuda_core() const;  ///< as Mix::cuda_core()
  /// Warp instructions of a pipe per MMA; 0 without MMAs.
  double per_mma(Pipe pipe) const { return mmas() > 0 ? (*this)[pipe] / mmas() : 0; }
};

/// `mmas_per_warp`: MMAs that a warp issues in all, on average over the launch's warps (Traffic::mma_instructions /
/// warps). Without a main loop everything runs once, whatever it says.
WholeKernel whole_kernel(const EntryCode& code, double mmas_per_warp);

/// What one weight costs over the whole kernel: instructions of a thread per weight that its warp dequantises, prologue
/// and epilogue included. `weights_per_mma` as for per_weight(Loop). Nothing when there are no MMAs.
std::optional<PerWeight> per_weight(const WholeKernel& whole, double weights_per_mma);

/// A few lines for people: a warp's instructions by pipe over the whole kernel, in all and per MMA, and what rests on
/// assumed trips.
std::string describe(const WholeKernel& whole);

}  // namespace qoq::roofline
