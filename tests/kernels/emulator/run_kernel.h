// Runs a captureless lambda `void(const Args&)`, written in the vocabulary, as an emulated kernel.
#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "kernels/emulator/emulator.h"
#include "kernels/prim/prim.cuh"

namespace qoq::tests {

using namespace prim;
using emulator::Access;
using emulator::AsyncLanding;
using emulator::BufferCounters;
using emulator::Counters;
using emulator::FaultKind;
using emulator::Memory;
using emulator::Options;
using emulator::Result;
using emulator::Schedule;
using emulator::SharedCounters;

struct Shape {
  Dim3 grid{};
  unsigned threads = 32;
  uint32_t shared_bytes = 0;
};

template <class Args, class Kernel>
Result run_kernel(Kernel, const Args& args, const Shape& shape, Memory& memory, const Options& options = {}) {
  const auto entry = [](const void* at) { Kernel{}(*static_cast<const Args*>(at)); };
  return emulator::launch(entry, &args, shape.grid, shape.threads, shape.shared_bytes, memory, options);
}

/// Both schedules and all landings, a few seeds where they are random.
inline std::vector<Options> all_options() {
  std::vector<Options> all;
  for (const AsyncLanding async : {AsyncLanding::Late, AsyncLanding::Early, AsyncLanding::Random}) {
    all.push_back({.async = async});
    for (uint64_t seed = 1; seed <= 4; ++seed)
      all.push_back({.schedule = Schedule::Random, .async = async, .seed = seed});
  }
  return all;
}

#define EXPECT_NO_FAULT(result) EXPECT_FALSE((result).fault) << *(result).fault

}  // namespace qoq::tests
