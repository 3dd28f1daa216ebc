#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace qoq {

/// Calls work(0) … work(count − 1), each once, in any order, on `threads` threads (0: one a core). `work` must not
/// throw.
template <class Work>
void run_parallel(size_t count, int threads, const Work& work) {
  const size_t wanted = threads > 0 ? static_cast<size_t>(threads) : std::thread::hardware_concurrency();
  std::atomic<size_t> next{0};
  const auto drain = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> helpers;  // the caller is a worker too
  for (size_t i = 1; i < std::min(wanted, count); ++i) helpers.emplace_back(drain);
  drain();
}

}  // namespace qoq
