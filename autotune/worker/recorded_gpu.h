#pragma once
#include <filesystem>
#include <memory>

#include "autotune/measure/recorded_device.h"
#include "autotune/worker/worker.h"

namespace qoq::worker {

/// A GPU that exists only as a record (measure/recorded_device.h): verifies, times, races and counts as that says, in
/// no wall time. Verdicts bear "recorded". Objects are not looked at.
std::unique_ptr<Gpu> make_recorded_gpu(measure::RecordedDevice device);

/// What a driver would say of a recorded GPU. Throws Fault::Input when the file is missing or wrong.
runtime::AttachedGpu recorded_gpu(const std::filesystem::path& file);

}  // namespace qoq::worker
