#include "roofline/instruction_mix/whole_kernel.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace qoq::roofline {
namespace {

/// How often each instruction runs while the main loop does one trip each time it is entered.
std::vector<double> single_trips(const EntryCode& code) {
  std::vector<double> times(code.instructions.size(), 1);
  for (const Loop& loop : code.loops) {
    if (&loop == code.main() || !loop.trips) continue;
    for (int i = loop.begin; i <= loop.end; ++i) times[static_cast<size_t>(i)] *= static_cast<double>(*loop.trips);
  }
  return times;
}

}  // namespace

double WholeKernel::total() const { return std::accumulate(pipes.begin(), pipes.end(), 0.0); }

double WholeKernel::cuda_core() const {
  const WholeKernel& whole = *this;
  return whole[Pipe::Alu] + whole[Pipe::Fma] + whole[Pipe::FmaHeavy] + whole[Pipe::Fp16] + whole[Pipe::Xu];
}

WholeKernel whole_kernel(const EntryCode& code, double mmas_per_warp) {
  WholeKernel whole;
  std::vector<double> times = single_trips(code);
  const Loop* main = code.main();
  if (main) {
    double inside = 0, outside = 0;
    for (size_t i = 0; i < code.instructions.size(); ++i) {
      if (code.instructions[i].pipe != Pipe::Tensor) continue;
      const bool in_main = static_cast<int>(i) >= main->begin && static_cast<int>(i) <= main->end;
      (in_main ? inside : outside) += times[i];
    }
    whole.proven = main->trips.has_value();
    whole.main_trips =
        whole.proven ? static_cast<double>(*main->trips) : std::max(0.0, mmas_per_warp - outside) / inside;
    for (int i = main->begin; i <= main->end; ++i) times[static_cast<size_t>(i)] *= whole.main_trips;
  }
  std::vector<bool> assumed(code.instructions.size());
  for (const Loop& loop : code.loops) {
    if (loop.trips || &loop == main) continue;
    ++whole.assumed_loops;
    for (int i = loop.begin; i <= loop.end; ++i)
      assumed[static_cast<size_t>(i)] =
          !main || i < main->begin || i > main->end || (loop.begin >= main->begin && loop.end <= main->end);
  }
  double rests_on_that = 0;
  for (size_t i = 0; i < code.instructions.size(); ++i) {
    const Instruction& one = code.instructions[i];
    const bool nop = one.name == "NOP";
    whole.pipes[static_cast<size_t>(one.pipe)] += times[i];
    whole.nops += nop ? times[i] : 0;
    whole.shared_bytes += times[i] * one.shared_bytes;
    whole.global_bytes += times[i] * one.global_bytes;
    whole.bulk_copies += one.bulk ? times[i] : 0;
    if (assumed[i] && !nop) rests_on_that += times[i];
  }
  if (whole.issued() > 0) whole.assumed_share = rests_on_that / whole.issued();
  return whole;
}

std::optional<PerWeight> per_weight(const WholeKernel& whole, double weights_per_mma) {
  if (whole.mmas() <= 0 || weights_per_mma <= 0) return std::nullopt;
  const double scale = 32 / (whole.mmas() * weights_per_mma);
  return PerWeight{scale * whole[Pipe::Alu], scale * (whole[Pipe::Fma] + whole[Pipe::FmaHeavy] + whole[Pipe::Fp16]),
                   scale * whole.cuda_core(), scale * whole.issued()};
}

}  // namespace qoq::roofline
