// The registered buffers as one launch sees them: bounds, initialised bytes, shadow and counters.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/shadow.h"

namespace qoq::emulator {

class GlobalMemory {
 public:
  struct Buffer {
    const char* name;
    const std::byte* data;
    size_t bytes;
    Access access;
    std::vector<bool>* initialised;  // Scratch only
    std::unique_ptr<Shadow> shadow;  // none where no race is possible or looked for
    BufferCounters counters;
  };

  GlobalMemory(Memory& memory, bool races);
  /// The buffer that holds this address, or the nearest one below it (or the first); null when there is none.
  Buffer* near(const void* address);
  uint32_t number_of(const Buffer& buffer) const { return static_cast<uint32_t>(&buffer - buffers_.data()); }
  Buffer& at(uint32_t number) { return buffers_[number]; }
  void report(std::map<std::string, BufferCounters>& counters) const;

 private:
  std::vector<Buffer> buffers_;  // by address
  size_t last_ = 0;
};

}  // namespace qoq::emulator
