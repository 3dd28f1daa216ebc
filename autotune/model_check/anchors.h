#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/compile/compiler.h"
#include "autotune/model_check/score.h"
#include "kernels/family.h"

namespace qoq::model_check {

/// Our kernel at a published tile point.
struct StandIn {
  Problem problem;
  std::string variant;
};
struct AnchorTime {
  StandIn at;
  double us = 0;
  std::string cause;  ///< why the model misses it; empty where it does not, or where nobody knows
};
struct AnchorOrder {
  StandIn faster, slower;
  double ratio = 1;  ///< published: time of the slower one / of the faster one
  std::string cause;
};

/// One file of published measurements (configs/anchors/README.md).
struct Anchors {
  std::string file, source, conditions;
  std::string gpu;       ///< id of the sheet to predict on
  bool checked = false;  ///< somebody has compared the numbers with the source
  bool fitted = false;   ///< a rate was set by them: not scored
  std::vector<AnchorTime> times;
  std::vector<AnchorOrder> orders;
};

/// Throws Fault::Input with file:line:column for an unknown or missing key, a wrong type, a problem or variant that is
/// none, a file without measurements.
Anchors parse_anchors(const std::string& file, const std::string& text);
/// Those compiled into the program.
std::vector<Anchors> embedded_anchors();

/// An anchor file as the model sees it.
struct PublishedResult {
  const Anchors* anchors = nullptr;
  std::string unscored;  ///< why nothing of it counts: no such sheet, used for fitting; empty: all counts
  struct Time {
    const AnchorTime* anchor;
    std::optional<double> predicted_us;
    std::string why_not;  ///< a point that is no kernel on that GPU, or does not compile
  };
  struct Order {
    const AnchorOrder* anchor;
    std::optional<double> predicted_ratio;
    std::string why_not;
    bool right() const { return predicted_ratio && *predicted_ratio > 1; }
  };
  std::vector<Time> times;
  std::vector<Order> orders;
};

using CompilerOf = std::function<compile::Compiler&(const std::string& architecture)>;
PublishedResult predict_published(const Anchors& anchors, const CompilerOf& compiler);

/// An error beyond this is a miss.
inline constexpr double anchor_tolerance = 0.25;

std::string to_text(const std::vector<PublishedResult>& results);
nlohmann::ordered_json to_json(const std::vector<PublishedResult>& results);

}  // namespace qoq::model_check
