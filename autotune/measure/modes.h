#pragma once
#include <string_view>

namespace qoq::measure {

/// What lies in the L2 cache when a run begins. Times of different modes are never compared.
enum class Cache {
  WeightsCold,  ///< weights (a cache, where there are none) come from memory, activations lie where they were left
  Cold,         ///< everything comes from memory: more than two caches' worth is read before each run
  Hot,          ///< the same operands each time: what fits is still there
};

/// How a run reaches the GPU.
enum class LaunchMode {
  Eager,  ///< one driver call a launch
  Graph,  ///< a CUDA graph of several runs, launched as one
};

struct Modes {
  Cache cache = Cache::WeightsCold;
  LaunchMode launch = LaunchMode::Eager;
  bool operator==(const Modes&) const = default;
};

/// "weights-cold", "cold", "hot"; "eager", "graph": as rows and the command line write them.
std::string_view to_text(Cache cache);
std::string_view to_text(LaunchMode launch);
/// The reverse. Throws Fault::Input with the words there are.
Cache cache_from_text(std::string_view text);
LaunchMode launch_from_text(std::string_view text);

}  // namespace qoq::measure
