// One thread's asynchronous copies, by commit group.
#pragma once
#include <cstdint>
#include <deque>

namespace qoq::emulator {

struct AsyncCopies {
  struct Copy {
    uint32_t offset;   // in shared memory
    const void* from;  // null: zeros
    uint32_t group;    // from 1
  };
  std::deque<Copy> pending;  // not landed yet, oldest first
  uint32_t committed = 0;    // groups
  uint32_t open_group() const { return committed + 1; }
};

}  // namespace qoq::emulator
