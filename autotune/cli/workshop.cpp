#include "autotune/cli/workshop.h"

#include "autotune/compile/host_compiler.h"
#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/measure/cuda_timer.h"
#include "autotune/verify/cuda_verifier.h"
#include "autotune/verify/emulator_verifier.h"
#include "kernels/base/error.h"

namespace qoq::cli {

std::shared_ptr<tune::Proof> emulator_proof(const tune::Target& target, const std::string& cache_folder, int jobs, uint64_t seed) {
  return tune::make_emulator_proof(std::make_unique<compile::HostCompiler>(cache_folder, jobs),
                                   std::make_unique<verify::EmulatorVerifier>(target.device), jobs, seed);
}

std::vector<tune::Workshop> make_workshops(const std::vector<tune::Target>& targets, const std::string& cache_folder, int jobs, uint64_t seed) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) fail("tuning compiles real kernels, for simulated GPUs too: {}", nvrtc.reason);
  std::vector<tune::Workshop> workshops;
  std::shared_ptr<tune::Proof> emulator;  // simulated GPUs share it: what it proves does not depend on them
  for (const tune::Target& target : targets) {
    tune::Workshop workshop;
    workshop.target = target;
    workshop.compiler = std::make_unique<compile::NvrtcCompiler>(nvrtc, target.device.architecture(), cache_folder, jobs);
    if (target.simulated()) {
      if (!emulator) emulator = emulator_proof(target, cache_folder, jobs, seed);
      workshop.proof = emulator;
      workshop.clock = tune::make_predicting_clock(target);
    } else {
      const runtime::CudaDevice device(target.attached->index);
      workshop.proof = tune::make_cuda_proof(std::make_unique<verify::CudaVerifier>(device), seed);
      workshop.clock = tune::make_measuring_clock(std::make_unique<measure::CudaTimer>(device));
    }
    workshops.push_back(std::move(workshop));
  }
  return workshops;
}

}  // namespace qoq::cli
