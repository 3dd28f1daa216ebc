#pragma once
#include <memory>
#include <string>
#include <vector>

#include "autotune/tune/tune.h"

namespace qoq::cli {

struct WorkshopSettings {
  std::string cache_folder;  ///< of compiled kernels
  int jobs = 1;              ///< compilers and emulators at once
  uint64_t seed = 0;         ///< of the proofs' operands
  measure::Modes modes;
  tune::Extras extras;
};

/// Puts together what tunes each target: NVRTC for its architecture; the emulator and the model where it is simulated,
/// a child process that owns the GPU where it is attached. Throws when a piece that is needed is missing, saying which
/// and why.
std::vector<tune::Workshop> make_workshops(const std::vector<tune::Target>& targets, const WorkshopSettings& settings);

/// The emulator with the race detector on, fed by the host's compiler.
std::shared_ptr<tune::Proof> emulator_proof(const tune::Target& target, const std::string& cache_folder, int jobs,
                                            uint64_t seed);

}  // namespace qoq::cli
