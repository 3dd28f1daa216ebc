#include "kernels/emulator/shadow.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "kernels/emulator/async_proxy.h"

namespace qoq::emulator {

namespace {

/// Does a new access of kind `later` clash with an `earlier` one? Atomics never clash with each other, reads neither.
bool clash(AccessKind earlier, AccessKind later) {
  if (later == AccessKind::Write) return true;
  if (later == AccessKind::AtomicWrite) return earlier == AccessKind::Read || earlier == AccessKind::ReadonlyRead;
  if (later == AccessKind::AtomicRead) return false;
  return earlier == AccessKind::AtomicWrite;
}

/// The read-only path may miss a write even where the two are ordered.
bool excuses(Epoch earlier, AccessKind later, const ThreadClock& clock) {
  return earlier.kind() != AccessKind::ReadonlyRead && later != AccessKind::ReadonlyRead &&
         clock.happens_before(earlier);
}

/// Whatever clashes with `earlier` clashes with `later` too, so once `earlier` happened before `later` it need not be
/// remembered.
bool covers(AccessKind later, AccessKind earlier) {
  switch (later) {
    case AccessKind::Read:
      return earlier == AccessKind::Read || earlier == AccessKind::AtomicRead;
    case AccessKind::AtomicRead:
      return earlier == AccessKind::AtomicRead;
    case AccessKind::AtomicWrite:
      return earlier == AccessKind::AtomicRead || earlier == AccessKind::AtomicWrite;
    case AccessKind::ReadonlyRead:
      return earlier == AccessKind::Read || earlier == AccessKind::AtomicRead;
    case AccessKind::Write:
      return true;
  }
  return false;
}

}  // namespace

Shadow::Shadow(size_t bytes) : cells_count_((bytes + unit - 1) / unit), cells_(nullptr, &std::free) {
  // calloc: pages of a large buffer that nobody touches are never committed.
  cells_.reset(static_cast<Cell*>(std::calloc(std::max<size_t>(cells_count_, 1), sizeof(Cell))));
  if (!cells_) throw std::bad_alloc();
}

void Shadow::reset() {
  std::memset(static_cast<void*>(cells_.get()), 0, cells_count_ * sizeof(Cell));
  free_parts_.clear();
  for (auto& quarters : parts_) free_parts_.push_back(quarters.data());
  free_epochs_.clear();
  for (auto& epochs : epochs_) free_epochs_.push_back(&epochs);
}

Epoch Shadow::write_cell(Cell& cell, const Request& request) {
  const bool harmless = request.same_value && cell.write.operation() != Operation::CopyAsync &&
                        cell.write.operation() != Operation::CopyBulk;
  if (cell.write && !harmless && !request.clock.happens_before(cell.write)) return cell.write;
  if (cell.write && request.async != nullptr && !request.async->sees(cell.write)) return cell.write;
  if (cell.recent) {
    if (!excuses(cell.recent, AccessKind::Write, request.clock)) return cell.recent;
    if (cell.more != nullptr) {
      for (const Epoch earlier : *cell.more) {
        if (!excuses(earlier, AccessKind::Write, request.clock)) return earlier;
      }
      give_epochs(cell.more);
    }
    cell.recent = {};
  }
  cell.write = request.epoch;
  return {};
}

Epoch Shadow::read_cell(Cell& cell, const Request& request) {
  const AccessKind kind = request.epoch.kind();
  if (cell.write) {
    if (!excuses(cell.write, kind, request.clock)) return cell.write;
    if (request.async != nullptr && !request.async->sees(cell.write)) return cell.write;
  } else if (request.must_be_written) {
    return unwritten();
  }
  if (!cell.recent) {
    cell.recent = request.epoch;
    return {};
  }
  // Look at all of them first: an access that is reported must not be half recorded.
  const auto conflicts = [&](Epoch earlier) {
    return clash(earlier.kind(), kind) && !excuses(earlier, kind, request.clock);
  };
  if (conflicts(cell.recent)) return cell.recent;
  if (cell.more != nullptr) {
    const auto found = std::find_if(cell.more->begin(), cell.more->end(), conflicts);
    if (found != cell.more->end()) return *found;
  }
  const auto forgettable = [&](Epoch earlier) {
    if (kind == AccessKind::ReadonlyRead && earlier.kind() == kind) return true;  // any one of them says it all
    return covers(kind, earlier.kind()) && request.clock.happens_before(earlier);
  };
  if (cell.more != nullptr) std::erase_if(*cell.more, forgettable);
  if (!forgettable(cell.recent)) {
    if (cell.more == nullptr) cell.more = take_epochs();
    cell.more->push_back(cell.recent);
  }
  cell.recent = request.epoch;
  return {};
}

Epoch Shadow::access_parts(Cell& cell, uint32_t span, uint32_t at, uint32_t size, const Request& request) {
  const bool whole = size == span;
  if (whole && cell.parts == nullptr) return access_cell(cell, request);
  if (cell.parts == nullptr) split(cell);
  const uint32_t quarter = span / 4;
  for (uint32_t i = at / quarter; i * quarter < at + size; ++i) {
    const uint32_t from = std::max(at, i * quarter) - i * quarter;
    const uint32_t to = std::min(at + size, (i + 1) * quarter) - i * quarter;
    const Epoch other = access_parts(cell.parts[i], quarter, from, to - from, request);
    if (other) return other;
  }
  if (whole && request.epoch.kind() == AccessKind::Write) {
    merge(cell);
    cell.write = request.epoch;
  }
  return {};
}

void Shadow::split(Cell& cell) {
  if (free_parts_.empty()) free_parts_.push_back(parts_.emplace_back().data());
  Cell* parts = free_parts_.back();
  free_parts_.pop_back();
  for (int i = 0; i < 4; ++i) {
    parts[i] = cell;
    if (cell.more != nullptr) *(parts[i].more = take_epochs()) = *cell.more;
  }
  give_epochs(cell.more);
  cell.parts = parts;
}

void Shadow::merge(Cell& cell) {
  for (int i = 0; i < 4; ++i) {
    if (cell.parts[i].parts != nullptr) merge(cell.parts[i]);
    give_epochs(cell.parts[i].more);
  }
  free_parts_.push_back(cell.parts);
  cell = {};
}

Shadow::Epochs* Shadow::take_epochs() {
  if (free_epochs_.empty()) return &epochs_.emplace_back();
  Epochs* epochs = free_epochs_.back();
  free_epochs_.pop_back();
  epochs->clear();
  return epochs;
}

void Shadow::give_epochs(Epochs*& epochs) {
  if (epochs != nullptr) free_epochs_.push_back(epochs);
  epochs = nullptr;
}

}  // namespace qoq::emulator
