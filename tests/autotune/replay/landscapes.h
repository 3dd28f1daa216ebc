#pragma once
#include <fmt/format.h>

#include <functional>
#include <string>

#include "autotune/replay/landscape.h"

namespace qoq::replay::testing {

/// A space of two parameters, 0 … side−1 each, with the time that `us` says of each point; 0 or less is a failure.
inline interchange::RecordedSpace square(int64_t side, const std::function<double(int64_t a, int64_t b)>& us) {
  interchange::RecordedSpace space;
  space.name = "a square";
  space.gpu = "made up";
  interchange::SpaceBuilder builder;
  builder.set_parameters({"a", "b"});
  std::vector<interchange::RecordedEntry> entries;
  for (int64_t a = 0; a < side; ++a) {
    for (int64_t b = 0; b < side; ++b) {
      interchange::RecordedEntry entry{{builder.choice(0, a), builder.choice(1, b)}, "correct", "", us(a, b), {}};
      if (*entry.time_us <= 0) {
        entry.invalidity = "runtime";
        entry.time_us.reset();
      }
      entries.push_back(std::move(entry));
    }
  }
  builder.finish(space, std::move(entries));
  return space;
}

}  // namespace qoq::replay::testing
