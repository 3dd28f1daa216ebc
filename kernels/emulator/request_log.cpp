#include "kernels/emulator/request_log.h"

#include <algorithm>
#include <bit>

namespace qoq::emulator {

namespace {

uint32_t lanes_together(uint32_t bytes) { return bytes <= 4 ? 32 : bytes == 8 ? 16 : 8; }

/// Wavefronts of lanes [first, first + count) that go together.
uint32_t count_phase(const std::array<uint64_t, 32>& addresses, uint32_t lanes, uint32_t first, uint32_t count,
                     uint32_t bytes) {
  const uint32_t width = std::max(bytes, 4u);      // a bank serves whole words
  const uint32_t groups = 128 / width;             // aligned accesses collide as wholes or not at all
  std::array<std::array<uint64_t, 32>, 32> units;  // distinct ones per group of banks; only the used part is written
  std::array<uint32_t, 32> distinct{};
  uint32_t most = 0;
  for (uint32_t lane = first; lane < first + count; ++lane) {
    if ((lanes >> lane & 1) == 0) continue;
    const uint64_t unit = addresses[lane] / width;
    const auto group = static_cast<size_t>(unit % groups);
    const auto end = units[group].begin() + distinct[group];
    if (std::find(units[group].begin(), end, unit) != end) continue;
    *end = unit;
    most = std::max(most, ++distinct[group]);
  }
  return most;
}

}  // namespace

void RequestLog::append(const void* site, Operation operation, bool global, uint32_t bytes, uint32_t buffer) {
  if (count_ == requests_.size()) requests_.emplace_back();
  Request& request = requests_[count_++];
  request.site = site;
  request.operation = operation;
  request.global = global;
  request.bytes = static_cast<uint8_t>(bytes);
  request.buffer = buffer;
  request.lanes = 0;
}

uint32_t count_wavefronts(const std::array<uint64_t, 32>& addresses, uint32_t lanes, uint32_t bytes) {
  const uint32_t together = lanes_together(bytes);
  uint32_t sum = 0;
  for (uint32_t first = 0; first < 32; first += together) sum += count_phase(addresses, lanes, first, together, bytes);
  return sum;
}

uint32_t count_ideal_wavefronts(uint32_t lanes, uint32_t bytes) {
  const uint32_t together = lanes_together(bytes);
  const uint64_t mask = (uint64_t{1} << together) - 1;
  uint32_t sum = 0;
  for (uint32_t first = 0; first < 32; first += together) sum += (lanes >> first & mask) != 0 ? 1 : 0;
  return sum;
}

uint32_t count_sectors(const std::array<uint64_t, 32>& addresses, uint32_t lanes) {
  std::array<uint64_t, 32> sectors;
  auto end = sectors.begin();
  bool sorted = true;
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint64_t sector = addresses[static_cast<size_t>(std::countr_zero(lanes))] / 32;
    if (end != sectors.begin()) {
      if (end[-1] == sector) continue;
      sorted = sorted && end[-1] < sector;
    }
    *end++ = sector;
  }
  if (!sorted) {
    std::sort(sectors.begin(), end);
    end = std::unique(sectors.begin(), end);
  }
  return static_cast<uint32_t>(end - sectors.begin());
}

}  // namespace qoq::emulator
