#pragma once
#include <memory>
#include <string>

#include "autotune/worker/worker.h"

namespace qoq::worker {

/// The GPU of a target's name, in this process: "cuda:0", or "recorded:FILE.json" for one that is only a record.
/// Throws Fault::Input for another name, Fault::Work with the driver's words when the GPU does not start.
std::unique_ptr<Gpu> open_gpu(const std::string& target, const std::string& cache_folder);

}  // namespace qoq::worker
