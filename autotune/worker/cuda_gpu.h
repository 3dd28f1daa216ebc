#pragma once
#include <memory>
#include <string>

#include "autotune/worker/worker.h"

namespace qoq::worker {

/// An attached GPU in this process: verified, timed and counted on its primary context. Once that is lost (a hang, an
/// illegal address) every later answer says so; only another process can go on.
std::unique_ptr<Gpu> make_cuda_gpu(int index, const std::string& cache_folder);

}  // namespace qoq::worker
