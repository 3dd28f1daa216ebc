// Lanes run one after another, but a GPU counts memory requests per warp. The log puts the lanes' accesses back
// together: what lanes do at the same place in the code for the same time since they last met is one request.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/epoch.h"

namespace qoq::emulator {

/// A warp-level request: up to 32 equally wide accesses.
struct Request {
  const void* site = nullptr;  // where in the kernel
  Operation operation = Operation::None;
  bool global = false;
  uint8_t bytes = 0;    // per lane
  uint32_t buffer = 0;  // of a global request
  uint32_t lanes = 0;
  std::array<uint64_t, 32> addresses;
};

class RequestLog {
 public:
  /// Lane's access to shared memory at byte `offset`.
  void add_shared(const void* site, Operation operation, uint32_t lane, uint32_t bytes, uint32_t offset) {
    add(site, operation, false, lane, bytes, 0, offset);
  }
  /// Lane's access to byte `offset` of buffer number `buffer`.
  void add_global(const void* site, Operation operation, uint32_t lane, uint32_t bytes, uint32_t buffer,
                  uint64_t offset) {
    add(site, operation, true, lane, bytes, buffer, offset);
  }
  bool empty() const { return count_ == 0; }
  /// The lanes met: calls `count(request)` for each request and forgets them.
  template <class Count>
  void flush(Count&& count) {
    for (size_t i = 0; i < count_; ++i) count(requests_[i]);
    clear();
  }
  void clear() {
    count_ = 0;
    cursors_.fill(0);
  }

 private:
  void add(const void* site, Operation operation, bool global, uint32_t lane, uint32_t bytes, uint32_t buffer,
           uint64_t address) {
    size_t at = cursors_[lane];  // usually the next lane does what the one before did, in the same order
    const auto fits = [&](const Request& r) {
      return r.site == site && r.operation == operation && r.global == global && r.buffer == buffer &&
             (r.lanes >> lane & 1) == 0;
    };
    if (at >= count_ || !fits(requests_[at])) {
      for (at = 0; at < count_ && !fits(requests_[at]);) ++at;
      if (at == count_) append(site, operation, global, bytes, buffer);
    }
    Request& request = requests_[at];
    request.lanes |= 1u << lane;
    request.addresses[lane] = address;
    cursors_[lane] = at + 1;
  }
  void append(const void* site, Operation operation, bool global, uint32_t bytes, uint32_t buffer);

  std::vector<Request> requests_;  // the first count_ are in use
  size_t count_ = 0;
  std::array<size_t, 32> cursors_{};
};

/// Wavefronts that shared memory needs for `lanes` accesses of `bytes` each at byte offsets `addresses`: 32 lanes of
/// up to 4 bytes, 16 of 8 or 8 of 16 go together; each of the 32 four-byte banks serves one word a wavefront, to any
/// number of lanes.
uint32_t count_wavefronts(const std::array<uint64_t, 32>& addresses, uint32_t lanes, uint32_t bytes);
/// The same without conflicts.
uint32_t count_ideal_wavefronts(uint32_t lanes, uint32_t bytes);
/// Distinct 32-byte sectors.
uint32_t count_sectors(const std::array<uint64_t, 32>& addresses, uint32_t lanes);

}  // namespace qoq::emulator
