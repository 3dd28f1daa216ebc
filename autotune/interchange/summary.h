#pragma once
#include <array>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "autotune/interchange/recorded_space.h"

namespace qoq::interchange {

/// What a recorded space holds, in a few numbers.
struct Summary {
  size_t entries = 0;
  size_t timed = 0;                       ///< entries with a time
  std::map<std::string, size_t> invalid;  ///< the others, by the file's word
  double combinations = 0;                ///< of all parameters' values, tried or not
  std::optional<size_t> best;             ///< index of the fastest entry
  std::array<double, 5> quartiles_us{};   ///< least, first quartile, median, third quartile, most of the times
};

Summary summarize(const RecordedSpace& space);

std::string to_text(const RecordedSpace& space, const Summary& summary);
nlohmann::ordered_json to_json(const RecordedSpace& space, const Summary& summary);

}  // namespace qoq::interchange
