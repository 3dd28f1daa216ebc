#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "kernels/quantize/check.h"
#include "kernels/quantize/quantizer.h"

namespace qoq::quantize {

/// One way of quantising: a format and a recipe.
struct AblationRow {
  std::string name;    ///< "rtn + rotation"
  std::string scheme;  ///< "w4a8-g128"
  std::string recipe;  ///< its text
  double proof = 0;    ///< the worst layer's
  /// By linear, summed over layers; against the transformed weights before clipping.
  std::map<std::string, WeightErrors> weights;
  std::map<std::string, OutputErrors> outputs;

  /// Of all linears.
  WeightErrors all_weights() const;
};

struct AblationRequest {
  std::filesystem::path model;
  std::optional<std::filesystem::path> calibration;
  GroupRule rule = GroupRule::Nearest;
  int threads = 0;
};

struct Ablation {
  llama::Config config;
  std::string inputs;  ///< what outputs were computed from, in words
  std::vector<AblationRow> rows;
};

/// With a calibration, transforms are chosen by the first three quarters of its tokens and outputs judged on the rest.
/// The model quantised in memory in every way of the table: round to nearest in groups of 128 and per channel, each
/// transform alone and each left out, all of QoQ in both formats. Nothing is written. A recipe that the model's sizes
/// do not allow throws Fault::Input, as quantising would. `stop` leaves out what is not done.
Ablation ablate(const AblationRequest& request, Listener& listener, const std::stop_token& stop = {});

}  // namespace qoq::quantize
