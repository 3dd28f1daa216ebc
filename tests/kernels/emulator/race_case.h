// A kernel with its synchronisation, and the same one without: the first must be free of faults, the second caught,
// under every schedule and landing of copies.
#pragma once
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {

struct RaceArgs {
  u32* data;          // 1024 words, 16-byte aligned, read-write
  const u32* source;  // 1024 words, read-only
  i32* flags;         // 16 words
};

/// Initialises `words` of shared memory, so that reading too early is a race and not a read of nothing.
QOQ_DEVICE void fill_shared(u32 threads, u32 words) {
  for (u32 i = thread_index(); i < words; i += threads) store_shared_u32(shared_base() + i * 4, 77);
  sync_threads();
}

class RaceMemory {
 public:
  RaceMemory() {
    for (u32 i = 0; i < source_.size(); ++i) source_[i] = i * 7 + 1;
    memory_.add("data", data_.data(), sizeof data_, Access::ReadWrite);
    memory_.add("source", static_cast<const void*>(source_.data()), sizeof source_);
    memory_.add("flags", flags_.data(), sizeof flags_, Access::ReadWrite);
  }
  RaceArgs args() { return {data_.data(), source_.data(), flags_.data()}; }
  Memory& memory() { return memory_; }
  const std::array<u32, 1024>& data() const { return data_; }

 private:
  alignas(16) std::array<u32, 1024> data_{};
  alignas(16) std::array<u32, 1024> source_{};
  alignas(16) std::array<i32, 16> flags_{};
  Memory memory_;
};

/// Kernel{}(args, ordered): the test's kernel, its synchronisation in place or not.
template <class Kernel>
Result run_race(bool ordered, const Shape& shape, const Options& options) {
  RaceMemory memory;
  return ordered
             ? run_kernel([](const RaceArgs& a) { Kernel{}(a, true); }, memory.args(), shape, memory.memory(), options)
             : run_kernel([](const RaceArgs& a) { Kernel{}(a, false); }, memory.args(), shape, memory.memory(),
                          options);
}

/// The fault names both operations; which of them comes second depends on the schedule.
template <class Kernel>
void expect_caught(Kernel, const Shape& shape, std::pair<std::string, std::string> operations) {
  for (const Options& options : all_options()) {
    const Result good = run_race<Kernel>(true, shape, options);
    EXPECT_NO_FAULT(good);
    const Result bad = run_race<Kernel>(false, shape, options);
    ASSERT_EQ(bad.kind, FaultKind::Race) << bad.fault.value_or("no fault");
    const std::pair found{bad.other_operation, bad.operation};
    const std::pair reversed{operations.second, operations.first};
    EXPECT_TRUE(found == operations || found == reversed) << *bad.fault;
  }
}

/// The same for faults of other kinds; what is broken may show as any of `kinds`.
template <class Kernel>
void expect_fault(Kernel, const Shape& shape, const std::set<FaultKind>& kinds,
                  const std::vector<Options>& under = all_options()) {
  for (const Options& options : under) {
    const Result good = run_race<Kernel>(true, shape, options);
    EXPECT_NO_FAULT(good);
    const Result bad = run_race<Kernel>(false, shape, options);
    EXPECT_TRUE(kinds.contains(bad.kind)) << bad.fault.value_or("no fault");
  }
}

template <class Kernel>
void expect_allowed(Kernel, const Shape& shape) {
  for (const Options& options : all_options()) {
    EXPECT_NO_FAULT(run_race<Kernel>(true, shape, options));
  }
}

}  // namespace qoq::tests
