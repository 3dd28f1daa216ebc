#include "autotune/counters/cupti.h"

#include <fmt/format.h>

#include "kernels/runtime/library.h"

namespace qoq::counters {

std::string Cupti::version_text() const {
  if (!available) return "";
  if (version < 10000) return fmt::format("API {}", version);
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

#ifdef QOQ_HAS_CUPTI

namespace {

Cupti load_cupti() {
  Cupti cupti;
  const std::string names[] = {"libcupti.so.13", "libcupti.so.12"};
  // On purpose never destroyed, as the driver's.
  static const auto& library = *new runtime::Library(runtime::Library::open(names, runtime::cuda_library_folders()));
  if (!library) {
    cupti.reason = "no CUPTI: " + library.reason();
    return cupti;
  }
  cupti.path = library.path();
#define QOQ_LOAD(name)                                                                               \
  cupti.name = library.find_as<decltype(cupti.name)>(#name);                                         \
  if (cupti.name == nullptr) {                                                                       \
    cupti.reason = fmt::format("no CUPTI: {} is too old, it lacks " #name, library.path().string()); \
    return cupti;                                                                                    \
  }
  QOQ_CUPTI_FUNCTIONS(QOQ_LOAD)
#undef QOQ_LOAD
  // CUPTI opens its host half by name when first asked; opened from beside it, it is found wherever both lie.
  const std::string host_names[] = {"libnvperf_host.so"};
  const std::filesystem::path beside[] = {cupti.path.parent_path()};
  static const auto& host_half = *new runtime::Library(runtime::Library::open(host_names, beside));
  if (!host_half) {
    cupti.reason = "no CUPTI: its host half is missing: " + host_half.reason();
    return cupti;
  }
  uint32_t version = 0;
  cupti.cuptiGetVersion(&version);
  cupti.version = static_cast<int>(version);
  cupti.available = true;
  return cupti;
}

}  // namespace

std::string Cupti::describe(CUptiResult result, const std::string& doing) const {
  const char* name = nullptr;
  if (cuptiGetResultString == nullptr || cuptiGetResultString(result, &name) != CUPTI_SUCCESS || name == nullptr) {
    name = "unknown result";
  }
  const std::string help = advice(static_cast<int>(result));
  return fmt::format("{}: {} (CUPTI result {}){}{}", doing, name, static_cast<int>(result), help.empty() ? "" : ": ",
                     help);
}

#else

namespace {

Cupti load_cupti() {
  Cupti cupti;
#ifdef QOQ_HAS_CUDA_HEADERS
  cupti.reason = "no CUPTI: this program was built without CUPTI's headers";
#else
  cupti.reason = "no CUPTI: this program was built without CUDA headers";
#endif
  return cupti;
}

}  // namespace

#endif

const Cupti& Cupti::get() {
  static const Cupti cupti = load_cupti();
  return cupti;
}

std::string advice(int result) {
  // Numbers as in cupti_result.h, which may be absent here.
  switch (result) {
    case 15:
      return "CUPTI cannot reach the CUDA driver; it must not be newer than what the driver supports";
    case 23:
      return "another profiler in this process has switched CUPTI off; end it";
    case 26:
      return "another process holds the GPU's counters (Nsight Compute, or DCGM: `dcgmi profile --pause` frees them)";
    case 27:
      return "this GPU or driver does not support it";
    case 33:
      return "this virtual GPU cannot be profiled";
    case 35:
      return "the driver reserves counters to administrators; run as root (a container needs CAP_SYS_ADMIN), or put "
             "`options nvidia NVreg_RestrictProfilingToAdminUsers=0` into a file in /etc/modprobe.d and reboot";
    case 39:
      return "another profiler is attached to this process (Nsight Systems, Nsight Compute, cuda-gdb or another user "
             "of CUPTI), and there can be only one; run without it";
    case 40:
      return "the hypervisor does not permit profiling this virtual GPU; its administrator can allow it";
    case 41:
      return "confidential computing mode rules out profiling and tracing";
    case 42:
      return "crypto mining GPUs cannot be profiled";
    case 43:
      return "this MIG instance cannot be profiled; use the whole GPU";
    case 44:
      return "GPUs joined by SLI cannot be profiled";
    case 45:
      return "GPUs cannot be profiled under this version of WSL";
    case 46:
      return "this CUPTI does not know the chip; a newer one may";
    default:
      return "";
  }
}

}  // namespace qoq::counters
