#pragma once
#include <cstddef>
#include <string>

#include "kernels/runtime/cuda_device.h"

namespace qoq::counters {

/// A kernel that reads memory once, 16 bytes a thread and step, and does nothing else: its counters are known.
class ReadingKernel {
 public:
  static constexpr const char* entry = "read_all";

  explicit ReadingKernel(std::string name = entry);
  /// Queues reading the first `bytes` (a multiple of 16) of `memory`.
  void queue(const runtime::DeviceMemory& memory, size_t bytes, const runtime::Stream& stream) const;

  static std::string ptx(const std::string& name = entry);

 private:
  std::string name_;
  runtime::Module module_;
  CUfunc_st* function_;
  runtime::DeviceMemory sink_;
};

}  // namespace qoq::counters
