#include "autotune/measure/throttle.h"

namespace qoq::measure {

namespace {

// nvml.h is not needed for three functions: nvmlReturn_t is an int, 0 is success, and the reasons are one bit mask.
using Init = int (*)();
using Shutdown = int (*)();
using HandleByUuid = int (*)(const char* uuid, void** device);
using ClocksReasons = int (*)(void* device, unsigned long long* reasons);

constexpr unsigned long long power_cap = 0x4, hardware_slowdown = 0x8, software_heat = 0x20, hardware_heat = 0x40,
                             power_brake = 0x80;

}  // namespace

ThrottleWatch::ThrottleWatch(const std::string& uuid) {
  const std::string names[] = {"libnvidia-ml.so.1"};
  auto library = runtime::Library::open(names);
  const auto init = library.find_as<Init>("nvmlInit_v2");
  const auto handle_by_uuid = library.find_as<HandleByUuid>("nvmlDeviceGetHandleByUUID");
  if (init == nullptr || handle_by_uuid == nullptr || init() != 0) return;
  library_ = library;
  if (handle_by_uuid(uuid.c_str(), &gpu_) != 0) gpu_ = nullptr;
}

ThrottleWatch::~ThrottleWatch() {
  if (const auto shutdown = library_.find_as<Shutdown>("nvmlShutdown")) shutdown();
}

std::optional<bool> ThrottleWatch::throttled() const {
  const auto ask = library_.find_as<ClocksReasons>("nvmlDeviceGetCurrentClocksThrottleReasons");
  unsigned long long reasons = 0;
  if (gpu_ == nullptr || ask == nullptr || ask(gpu_, &reasons) != 0) return {};
  return (reasons & (power_cap | hardware_slowdown | software_heat | hardware_heat | power_brake)) != 0;
}

}  // namespace qoq::measure
