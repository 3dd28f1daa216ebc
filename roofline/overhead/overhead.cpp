#include "roofline/overhead/overhead.h"

#include "kernels/base/error.h"

namespace qoq::roofline {

namespace {

constexpr double lanes = 32;

CudaCoreCost cost_of(double cuda_core, double issued, double elements, double taken) {
  return {.per_element = lanes * cuda_core / elements,
          .per_taken = lanes * cuda_core / taken,
          .share_of_issue = issued > 0 ? cuda_core / issued : 0};
}

}  // namespace

Executed executed(const EntryCode& code, double mma_instructions, double warps) {
  if (!(warps > 0)) fail("{}: a launch without warps executes nothing", code.name);
  const auto once = [&](const Mix& mix) {
    return Executed{warps * mix.cuda_core(), warps * mix[Pipe::Alu], warps * mix.issued()};
  };
  const Loop* loop = code.main();
  if (loop == nullptr || loop->mma() == 0 || !(mma_instructions > 0)) return once(code.mix);
  const double trips = mma_instructions / warps / loop->mma();
  const Executed all = once(code.mix), body = once(loop->mix);
  return {all.cuda_core + (trips - 1) * body.cuda_core, all.alu + (trips - 1) * body.alu,
          all.issued + (trips - 1) * body.issued};
}

Overhead overhead(const Executed& kernel, const std::optional<Executed>& ablation, double elements, double taken) {
  if (!(elements > 0) || !(taken > 0)) fail("no weights or cached elements to spread the instructions over");
  Overhead result{cost_of(kernel.cuda_core, kernel.issued, elements, taken), std::nullopt};
  if (ablation) result.dequantisation = cost_of(kernel.cuda_core - ablation->cuda_core, kernel.issued, elements, taken);
  return result;
}

}  // namespace qoq::roofline
