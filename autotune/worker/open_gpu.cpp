#include "autotune/worker/open_gpu.h"

#include <charconv>
#include <string_view>

#include "autotune/worker/cuda_gpu.h"
#include "autotune/worker/recorded_gpu.h"
#include "kernels/base/error.h"

namespace qoq::worker {

namespace {

constexpr std::string_view cuda = "cuda:", recorded = "recorded:";

int index_of(const std::string& target) {
  int index = -1;
  const char* end = target.data() + target.size();
  const auto read = std::from_chars(target.data() + cuda.size(), end, index);
  if (read.ec != std::errc{} || read.ptr != end || index < 0) bad_input("\"{}\" is no GPU; write cuda:0", target);
  return index;
}

}  // namespace

std::unique_ptr<Gpu> open_gpu(const std::string& target, const std::string& cache_folder) {
  if (target.starts_with(cuda)) return make_cuda_gpu(index_of(target), cache_folder);
  if (target.starts_with(recorded))
    return make_recorded_gpu(measure::RecordedDevice::load(target.substr(recorded.size())));
  bad_input("\"{}\" is no GPU that can be worked on; write cuda:0 or recorded:FILE.json", target);
}

}  // namespace qoq::worker
