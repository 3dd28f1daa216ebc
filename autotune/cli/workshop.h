#pragma once
#include <memory>
#include <string>
#include <vector>

#include "autotune/tune/tune.h"

namespace qoq::cli {

/// Puts together what tunes each target: NVRTC for its architecture; the emulator and the model where it is simulated,
/// the GPU itself where it is attached. Throws when a piece that is needed is missing, saying which and why.
std::vector<tune::Workshop> make_workshops(const std::vector<tune::Target>& targets, const std::string& cache_folder,
                                           int jobs, uint64_t seed);

/// The emulator with the race detector on, fed by the host's compiler.
std::shared_ptr<tune::Proof> emulator_proof(const tune::Target& target, const std::string& cache_folder, int jobs,
                                            uint64_t seed);

}  // namespace qoq::cli
