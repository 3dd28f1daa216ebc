#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "autotune/verify/two_runs.h"
#include "kernels/base/error.h"
#include "kernels/runtime/cuda_device.h"
#include "kernels/runtime/loaded_plan.h"

namespace qoq::verify {

inline constexpr size_t guard_bytes = 4096;
inline constexpr uint8_t guard_value = 0xc3;

/// Device memory between two bands that nobody may write.
class GuardedMemory {
 public:
  GuardedMemory(size_t bytes, const runtime::Stream& stream) : memory_(bytes + 2 * guard_bytes), bytes_(bytes) {
    memory_.fill(0, memory_.size(), guard_value, stream);
  }
  void* data() const { return memory_.data() + guard_bytes; }
  void write(std::span<const std::byte> bytes) const { memory_.upload(guard_bytes, bytes); }
  void read(std::span<std::byte> bytes) const { memory_.download(guard_bytes, bytes); }
  bool guards_whole() const {
    std::vector<std::byte> guards(2 * guard_bytes);
    memory_.download(0, std::span(guards).first(guard_bytes));
    memory_.download(guard_bytes + bytes_, std::span(guards).last(guard_bytes));
    return std::ranges::all_of(guards, [](std::byte byte) { return byte == std::byte{guard_value}; });
  }

 private:
  runtime::DeviceMemory memory_;
  size_t bytes_;
};

using Memories = std::map<std::string, GuardedMemory>;

class CudaMachine final : public Machine {
 public:
  CudaMachine(const runtime::LoadedPlan& plan, const Memories& operands, const Memories& workspaces,
              const runtime::Stream& stream, double timeout_s)
      : plan_(plan), stream_(stream), timeout_s_(timeout_s) {
    for (const auto* memories : {&operands, &workspaces}) {
      for (const auto& [name, memory] : *memories) memories_[name] = &memory;
    }
  }
  Addresses addresses() const override {
    Addresses all;
    for (const auto& [name, memory] : memories_) all[name] = memory->data();
    return all;
  }
  void write(const std::string& name, std::span<const std::byte> bytes) override { memories_.at(name)->write(bytes); }
  void read(const std::string& name, std::span<std::byte> bytes) override { memories_.at(name)->read(bytes); }

  std::optional<Failure> run(const Plan&, const Arguments& arguments, int) override {
    try {
      const runtime::Event end;
      plan_.run(arguments, stream_);
      end.record(stream_);
      if (!runtime::wait_for(end, timeout_s_)) {
        return Failure{Verdict::Status::Timeout, fmt::format("did not end within {} s", timeout_s_)};
      }
    } catch (const Error& error) {
      return Failure{Verdict::Status::LaunchFailed, error.what()};
    }
    for (const auto& [name, memory] : memories_) {
      if (!memory->guards_whole()) {
        return Failure{Verdict::Status::Wrong, fmt::format("wrote outside '{}'", name)};
      }
    }
    return {};
  }

 private:
  const runtime::LoadedPlan& plan_;
  const runtime::Stream& stream_;
  double timeout_s_;
  std::map<std::string, const GuardedMemory*> memories_;
};

}  // namespace qoq::verify
