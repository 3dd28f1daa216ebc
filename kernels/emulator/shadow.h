// What the race detector remembers of a range of memory: per 16 bytes the last write and the accesses since, refined
// to 4 bytes and to single bytes where accesses were that small. After FastTrack (Flanagan and Freund, PLDI 2009).
#pragma once
#include <array>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <memory>
#include <vector>

#include "kernels/emulator/clock.h"
#include "kernels/emulator/epoch.h"

namespace qoq::emulator {

class AsyncProxy;

class Shadow {
 public:
  explicit Shadow(size_t bytes);
  /// Forgets everything.
  void reset();

  /// What a read finds where nobody wrote, when it asked for written bytes.
  static Epoch unwritten() { return {0, (1u << Epoch::agent_bits) - 1, AccessKind::Read, Operation::None}; }

  struct Request {
    Epoch epoch;
    const ThreadClock& clock;
    bool must_be_written = false;       ///< a read of bytes that hold nothing at first
    bool same_value = false;            ///< a store of the bytes that are there already: harmless beside another store
    const AsyncProxy* async = nullptr;  ///< an access through the async proxy, which must see the last write
  };
  /// Records an access of `size` (1, 2, 4, 8, 16) aligned bytes. Returns the earlier access it races with (or the write
  /// that `async` does not see), unwritten(), or no epoch when all is well.
  Epoch access(size_t offset, uint32_t size, const Request& request) {
    Cell& cell = cells_[offset / unit];
    if (size == unit && cell.parts == nullptr) return access_cell(cell, request);
    return access_parts(cell, unit, static_cast<uint32_t>(offset % unit), size, request);
  }

 private:
  static constexpr uint32_t unit = 16;
  using Epochs = std::vector<Epoch>;
  /// All-zero means untouched.
  struct Cell {
    Epoch write;
    Epoch recent;  // the latest of the other accesses since `write`
    Epochs* more;  // the rest of them
    Cell* parts;   // four quarters; this cell's own fields are then void
  };

  Epoch access_cell(Cell& cell, const Request& request) {
    if (request.epoch.kind() == AccessKind::Write) return write_cell(cell, request);
    if (cell.recent == request.epoch) return {};
    return read_cell(cell, request);
  }
  Epoch write_cell(Cell& cell, const Request& request);
  Epoch read_cell(Cell& cell, const Request& request);  // and atomics
  Epoch access_parts(Cell& cell, uint32_t span, uint32_t at, uint32_t size, const Request& request);
  void split(Cell& cell);
  void merge(Cell& cell);
  Epochs* take_epochs();
  void give_epochs(Epochs*& epochs);

  size_t cells_count_;
  std::unique_ptr<Cell[], decltype(&std::free)> cells_;
  std::deque<std::array<Cell, 4>> parts_;
  std::vector<Cell*> free_parts_;
  std::deque<Epochs> epochs_;
  std::vector<Epochs*> free_epochs_;
};

}  // namespace qoq::emulator
