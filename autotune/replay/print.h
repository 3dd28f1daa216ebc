#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "autotune/replay/replay.h"

namespace qoq::replay {

/// For a terminal: of each space a table of the shares, and over several spaces their mean,
/// that of held-out problems apart.
std::string to_text(std::span<const SpaceResult> results, int seeds);
/// Everything, the whole curves too.
nlohmann::ordered_json to_json(std::span<const SpaceResult> results, int seeds);
/// One row a space, strategy and point of the curve.
std::string to_csv(std::span<const SpaceResult> results, int seeds);

/// The mean over several spaces of each strategy's mean at each of `shares`; in the first space's order of strategies.
struct Overall {
  std::string strategy;
  std::array<double, shares.size()> mean{};
};
std::vector<Overall> overall(std::span<const SpaceResult> results);
/// The spaces of problems that were held out from the model which predicted them.
std::vector<SpaceResult> held_out(std::span<const SpaceResult> results);

/// A foreign text on a terminal or as a label: no control characters.
std::string printable(std::string text);

}  // namespace qoq::replay
