#include "kernels/runtime/nvml.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace qoq::runtime {

namespace {

// nvml.h is not needed for what is asked here: nvmlReturn_t and its enumerations are ints, nvmlDevice_t is a pointer.
constexpr int success = 0, insufficient_size = 7;

constexpr int sm_clock = 1, memory_clock = 2;  // nvmlClockType_t
constexpr int chip_sensor = 0;                 // nvmlTemperatureSensors_t

/// nvmlProcessInfo_t (of nvmlDeviceGetComputeRunningProcesses_v2 and _v3).
struct ProcessInfo {
  unsigned pid;
  unsigned long long used_bytes;
  unsigned gpu_instance, compute_instance;
};
static_assert(sizeof(ProcessInfo) == 24);
constexpr unsigned long long not_known = ~0ull;

/// nvmlMemory_t.
struct MemoryInfo {
  unsigned long long total, free, used;
};

constexpr std::array<std::pair<uint64_t, const char*>, 9> kReasons = {{
    {0x1, "idle"},
    {0x2, "clocks set by a user"},
    {0x4, "power cap"},
    {0x8, "hardware slowdown"},
    {0x10, "waiting for other GPUs"},
    {0x20, "heat"},
    {0x40, "heat (hardware)"},
    {0x80, "power brake"},
    {0x100, "display clocks"},
}};
constexpr uint64_t kHoldingBack = 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80;

std::string digits_of(const std::string& uuid) {
  const size_t dash = uuid.find('-');
  return dash == std::string::npos ? uuid : uuid.substr(dash + 1);
}

std::optional<std::string> text_answer(int (*ask)(char*, unsigned)) {
  char text[128] = {};
  if (ask == nullptr || ask(text, sizeof text) != success) return {};
  return text;
}

}  // namespace

uint64_t holding_back(uint64_t reasons) { return reasons & kHoldingBack; }

std::string reasons_text(uint64_t reasons) {
  std::string text;
  const auto add = [&](const std::string& word) { text += (text.empty() ? "" : ", ") + word; };
  for (const auto& [bit, word] : kReasons) {
    if ((reasons & bit) != 0) add(word);
    reasons &= ~bit;
  }
  if (reasons != 0) add(fmt::format("{:#x}", reasons));
  return text.empty() ? "none" : text;
}

template <class Value>
std::optional<Value> Nvml::ask(const char* function, void* gpu) const {
  const auto call = library_.find_as<int (*)(void*, Value*)>(function);
  Value value{};
  if (!initialised_ || gpu == nullptr || call == nullptr || call(gpu, &value) != success) return {};
  return value;
}

namespace {

Library open_nvml() {
  const std::string names[] = {"libnvidia-ml.so.1"};
  return Library::open(names);
}

}  // namespace

Nvml::Nvml(const std::string& uuid) : library_(open_nvml()) { find_gpu(uuid); }

Nvml::Nvml(const std::string& uuid, const std::filesystem::path& library) : library_(Library::open(library)) {
  find_gpu(uuid);
}

Nvml::~Nvml() {
  const auto shutdown = library_.find_as<int (*)()>("nvmlShutdown");
  if (initialised_ && shutdown != nullptr) shutdown();
}

std::string Nvml::describe(int result) const {
  const auto words = library_.find_as<const char* (*)(int)>("nvmlErrorString");
  const char* text = words != nullptr ? words(result) : nullptr;
  return fmt::format("{} (NVML error {})", text != nullptr ? text : "unknown error", result);
}

void Nvml::find_gpu(const std::string& uuid) {
  if (!library_) {
    reason_ = "no NVML: " + library_.reason();
    return;
  }
  const auto init = library_.find_as<int (*)()>("nvmlInit_v2");
  const auto by_uuid = library_.find_as<int (*)(const char*, void**)>("nvmlDeviceGetHandleByUUID");
  if (init == nullptr || by_uuid == nullptr) {
    reason_ = fmt::format("no NVML: {} is no NVML library", library_.path().string());
    return;
  }
  if (const int result = init(); result != success) {
    reason_ = "no NVML: nvmlInit failed: " + describe(result);
    return;
  }
  initialised_ = true;
  if (uuid.empty()) return;

  // CUDA gives a MIG device's UUID without saying that it is one.
  int result = by_uuid(uuid.c_str(), &gpu_);
  if (result != success) {
    gpu_ = nullptr;
    const std::string as_mig = "MIG-" + digits_of(uuid);
    if (by_uuid(as_mig.c_str(), &gpu_) != success) gpu_ = nullptr;
  }
  if (gpu_ == nullptr) {
    reason_ = fmt::format("NVML does not know the GPU {}: {}", uuid, describe(result));
    return;
  }
  whole_ = gpu_;
  if (ask<unsigned>("nvmlDeviceIsMigDeviceHandle", gpu_).value_or(0) == 0) return;
  whole_ = ask<void*>("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", gpu_).value_or(gpu_);
}

std::optional<std::string> Nvml::driver_version() const {
  if (!initialised_) return {};
  return text_answer(library_.find_as<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion"));
}

std::optional<std::string> Nvml::nvml_version() const {
  if (!initialised_) return {};
  return text_answer(library_.find_as<int (*)(char*, unsigned)>("nvmlSystemGetNVMLVersion"));
}

std::optional<int> Nvml::gpu_count() const {
  const auto count = library_.find_as<int (*)(unsigned*)>("nvmlDeviceGetCount_v2");
  unsigned gpus = 0;
  if (!initialised_ || count == nullptr || count(&gpus) != success) return {};
  return static_cast<int>(gpus);
}

std::optional<double> Nvml::power_cap_w() const {
  auto milliwatts = ask<unsigned>("nvmlDeviceGetEnforcedPowerLimit", whole_);
  if (!milliwatts) milliwatts = ask<unsigned>("nvmlDeviceGetPowerManagementLimit", whole_);
  if (!milliwatts) return {};
  return *milliwatts / 1000.0;
}

std::optional<Mig> Nvml::mig() const {
  const auto mode = library_.find_as<int (*)(void*, unsigned*, unsigned*)>("nvmlDeviceGetMigMode");
  unsigned current = 0, pending = 0;
  if (whole_ == nullptr || mode == nullptr || mode(whole_, &current, &pending) != success) return {};
  Mig mig{.enabled = current != 0, .profile = ""};
  const auto name_of = library_.find_as<int (*)(void*, char*, unsigned)>("nvmlDeviceGetName");
  char name[128] = {};
  if (gpu_ == whole_ || name_of == nullptr || name_of(gpu_, name, sizeof name) != success) return mig;
  // "NVIDIA H200 MIG 1g.18gb": the profile's name, without the calls that ask for it by its number.
  const std::string text = name, mark = " MIG ";
  if (const size_t at = text.find(mark); at != std::string::npos) mig.profile = text.substr(at + mark.size());
  return mig;
}

namespace {

/// Questions with one enumerator between the GPU and the answer.
std::optional<int> numbered_answer(const Library& library, const char* function, void* gpu, int which) {
  const auto call = library.find_as<int (*)(void*, int, unsigned*)>(function);
  unsigned value = 0;
  if (gpu == nullptr || call == nullptr || call(gpu, which, &value) != success) return {};
  return static_cast<int>(value);
}

}  // namespace

std::optional<int> Nvml::sm_clock_mhz() const {
  return numbered_answer(library_, "nvmlDeviceGetClockInfo", whole_, sm_clock);
}

std::optional<int> Nvml::memory_clock_mhz() const {
  return numbered_answer(library_, "nvmlDeviceGetClockInfo", whole_, memory_clock);
}

std::optional<int> Nvml::max_sm_clock_mhz() const {
  return numbered_answer(library_, "nvmlDeviceGetMaxClockInfo", whole_, sm_clock);
}

std::optional<int> Nvml::temperature_c() const {
  return numbered_answer(library_, "nvmlDeviceGetTemperature", whole_, chip_sensor);
}

std::optional<bool> Nvml::ecc() const {
  const auto mode = library_.find_as<int (*)(void*, int*, int*)>("nvmlDeviceGetEccMode");
  int current = 0, pending = 0;
  if (whole_ == nullptr || mode == nullptr || mode(whole_, &current, &pending) != success) return {};
  return current != 0;
}

std::optional<bool> Nvml::persistence() const {
  const auto mode = ask<int>("nvmlDeviceGetPersistenceMode", whole_);
  return mode ? std::optional(*mode != 0) : std::nullopt;
}

std::optional<GpuMemory> Nvml::memory() const {
  const auto info = ask<MemoryInfo>("nvmlDeviceGetMemoryInfo", gpu_);
  if (!info) return {};
  return GpuMemory{static_cast<int64_t>(info->free), static_cast<int64_t>(info->total)};
}

std::optional<uint64_t> Nvml::clock_reasons() const {
  // The function changed its name in driver 535.
  auto mask = ask<unsigned long long>("nvmlDeviceGetCurrentClocksEventReasons", whole_);
  if (!mask) mask = ask<unsigned long long>("nvmlDeviceGetCurrentClocksThrottleReasons", whole_);
  return mask ? std::optional<uint64_t>(*mask) : std::nullopt;
}

std::optional<uint64_t> Nvml::throttle_reasons() const {
  const auto reasons = clock_reasons();
  return reasons ? std::optional(holding_back(*reasons)) : std::nullopt;
}

std::optional<std::vector<GpuProcess>> Nvml::other_processes(std::span<const int64_t> ours) const {
  using List = int (*)(void*, unsigned*, ProcessInfo*);
  auto list = library_.find_as<List>("nvmlDeviceGetComputeRunningProcesses_v3");
  if (list == nullptr) list = library_.find_as<List>("nvmlDeviceGetComputeRunningProcesses_v2");
  if (gpu_ == nullptr || list == nullptr) return {};
  // Processes come and go between asking how many there are and asking for them: leave room, and ask again.
  std::vector<ProcessInfo> infos(64);
  auto count = static_cast<unsigned>(infos.size());
  int result = list(gpu_, &count, infos.data());
  for (int tries = 0; result == insufficient_size && tries < 3; ++tries) {
    infos.resize(2 * std::max<size_t>(count, infos.size()));
    count = static_cast<unsigned>(infos.size());
    result = list(gpu_, &count, infos.data());
  }
  if (result != success) return {};
  infos.resize(std::min<size_t>(count, infos.size()));
  std::vector<GpuProcess> others;
  for (const ProcessInfo& info : infos) {
    const int64_t pid = info.pid;
    if (pid == ::getpid() || std::ranges::find(ours, pid) != ours.end()) continue;
    others.push_back({pid, {}});
    if (info.used_bytes != not_known) others.back().memory_mib = static_cast<double>(info.used_bytes) / (1 << 20);
  }
  return others;
}

}  // namespace qoq::runtime
