// A stand-in for libnvidia-ml.so.1, built as a shared library: the names and binary interface of NVML, answers from
// `fake_nvml`. With FAKE_NVML_OLD it is a library from before drivers 510 and 535, which lacks two names.
#include "tests/kernels/runtime/fake_nvml.h"

#include <cstring>

using qoq::runtime::testing::FakeNvml;

namespace {

constexpr int success = 0, invalid_argument = 2, not_supported = 3, not_found = 6, insufficient_size = 7;

int whole, mig_device;  // whose addresses are the two handles

int give_text(const std::string& text, char* out, unsigned length) {
  if (text.empty()) return not_supported;
  if (text.size() + 1 > length) return insufficient_size;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return success;
}

template <class To>
int give(long long value, To* out) {
  if (value < 0) return not_supported;
  *out = static_cast<To>(value);
  return success;
}

/// Clocks, power and heat are the whole GPU's: asked of a MIG device they are refused.
template <class To>
int give_whole(const void* gpu, long long value, To* out) {
  return gpu == &whole ? give(value, out) : not_supported;
}

struct ProcessInfo {
  unsigned pid;
  unsigned long long used_bytes;
  unsigned gpu_instance, compute_instance;
};

struct MemoryInfo {
  unsigned long long total, free, used;
};

}  // namespace

extern "C" {

FakeNvml fake_nvml;

int nvmlInit_v2() {
  if (fake_nvml.init_result == success) ++fake_nvml.initialised;
  return fake_nvml.init_result;
}
int nvmlShutdown() {
  --fake_nvml.initialised;
  return success;
}
const char* nvmlErrorString(int result) { return result == 9 ? "Driver Not Loaded" : "Not Found"; }
int nvmlSystemGetDriverVersion(char* out, unsigned length) { return give_text(fake_nvml.driver, out, length); }
int nvmlSystemGetNVMLVersion(char* out, unsigned length) { return give_text(fake_nvml.nvml, out, length); }
int nvmlDeviceGetCount_v2(unsigned* count) { return give(fake_nvml.count, count); }

int nvmlDeviceGetHandleByUUID(const char* uuid, void** gpu) {
  if (uuid == nullptr || *uuid == '\0') return invalid_argument;
  if (uuid == fake_nvml.uuid) {
    *gpu = &whole;
    return success;
  }
  if (uuid != fake_nvml.mig_uuid) return not_found;
  *gpu = &mig_device;
  return success;
}
int nvmlDeviceIsMigDeviceHandle(void* gpu, unsigned* is) { return give(gpu == &mig_device ? 1 : 0, is); }
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void* gpu, void** parent) {
  if (gpu != &mig_device) return invalid_argument;
  *parent = &whole;
  return success;
}
int nvmlDeviceGetName(void* gpu, char* out, unsigned length) {
  return give_text(gpu == &mig_device ? fake_nvml.mig_name : fake_nvml.name, out, length);
}
int nvmlDeviceGetEnforcedPowerLimit(void* gpu, unsigned* out) {
  return give_whole(gpu, fake_nvml.enforced_milliwatts, out);
}
int nvmlDeviceGetPowerManagementLimit(void* gpu, unsigned* out) {
  return give_whole(gpu, fake_nvml.limit_milliwatts, out);
}
int nvmlDeviceGetMigMode(void* gpu, unsigned* current, unsigned* pending) {
  *pending = 0;
  return give_whole(gpu, fake_nvml.mig_mode, current);
}
int nvmlDeviceGetClockInfo(void* gpu, int type, unsigned* out) {
  return give_whole(gpu, type == 1 ? fake_nvml.sm_clock : type == 2 ? fake_nvml.memory_clock : -1, out);
}
int nvmlDeviceGetMaxClockInfo(void* gpu, int type, unsigned* out) {
  return give_whole(gpu, type == 1 ? fake_nvml.max_sm_clock : -1, out);
}
int nvmlDeviceGetTemperature(void* gpu, int sensor, unsigned* out) {
  return give_whole(gpu, sensor == 0 ? fake_nvml.temperature : -1, out);
}
int nvmlDeviceGetEccMode(void* gpu, int* current, int* pending) {
  *pending = 1 - fake_nvml.ecc;
  return give_whole(gpu, fake_nvml.ecc, current);
}
int nvmlDeviceGetPersistenceMode(void* gpu, int* out) { return give_whole(gpu, fake_nvml.persistence, out); }
int nvmlDeviceGetMemoryInfo(void*, MemoryInfo* out) {
  if (fake_nvml.total_bytes < 0) return not_supported;
  out->total = static_cast<unsigned long long>(fake_nvml.total_bytes);
  out->free = static_cast<unsigned long long>(fake_nvml.free_bytes);
  out->used = out->total - out->free;
  return success;
}

#ifdef FAKE_NVML_OLD
#define FAKE_PROCESSES nvmlDeviceGetComputeRunningProcesses_v2
#define FAKE_REASONS nvmlDeviceGetCurrentClocksThrottleReasons
#else
#define FAKE_PROCESSES nvmlDeviceGetComputeRunningProcesses_v3
#define FAKE_REASONS nvmlDeviceGetCurrentClocksEventReasons
#endif

int FAKE_REASONS(void* gpu, unsigned long long* out) { return give_whole(gpu, fake_nvml.reasons, out); }

int FAKE_PROCESSES(void*, unsigned* count, ProcessInfo* infos) {
  for (int i = 0; i < fake_nvml.appearing; ++i) fake_nvml.processes.push_back({4000u + static_cast<unsigned>(i), 0});
  const unsigned room = *count;
  *count = static_cast<unsigned>(fake_nvml.processes.size());
  if (room < *count) return insufficient_size;
  for (unsigned i = 0; i < *count; ++i) {
    infos[i] = {fake_nvml.processes[i].pid, fake_nvml.processes[i].used_bytes, ~0u, ~0u};
  }
  return success;
}

}  // extern "C"
