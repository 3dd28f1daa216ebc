#pragma once
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "kernels/quantize/errors.h"
#include "kernels/quantize/manifest.h"
#include "kernels/quantize/prepare.h"
#include "kernels/quantize/quantizer.h"

namespace qoq::quantize {

/// What was found of one packed linear.
struct LinearReport {
  std::string name;  ///< "gate_up"
  int n = 0;
  int k = 0;
  double at_ends = 0;  ///< share of codes that are 0 or 15
  std::optional<WeightErrors> weights;
  std::optional<OutputErrors> outputs;
};

struct LayerReport {
  int layer = 0;
  double proof = 0;  ///< as the result tells it
  std::vector<LinearReport> linears;
};

struct CheckRequest {
  std::filesystem::path result;
  std::optional<std::filesystem::path> against;      ///< the model it was made from
  std::optional<std::filesystem::path> calibration;  ///< what it was made with
  std::optional<std::filesystem::path> held_out;     ///< other recorded tokens, to judge outputs on
  int threads = 0;
};

struct CheckReport {
  Manifest manifest;
  std::string inputs;  ///< what outputs were computed from, in words; empty without a model
  std::vector<LayerReport> layers;
};

/// Reads a whole result again: every file is there with the digest that the manifest tells, every code, scale and zero
/// is in its range. With `against`, the recorded transforms (all but clipping) are done again from that model, which
/// gives the same fp32 weights on every machine, and the result is compared with those: errors of weights, clipping's
/// among them, and of outputs on at most 64 recorded tokens: of `held_out`, else of the calibration, whose tokens
/// flatter what was chosen by them, else random ones. Throws Fault::Input for whatever is not as it should be: a
/// damaged or missing file, another model or calibration.
CheckReport check(const CheckRequest& request, Listener& listener, const std::stop_token& stop = {});

/// Inputs of one linear to measure its outputs on: sampled from the held out, else from the recorded, else random.
llama::Matrix check_inputs(const PreparedLayer& prepared, std::string_view linear, int k);
inline constexpr int check_rows = 64;
/// Those in words. `source`: "the calibration's tokens"; empty: random ones.
std::string check_inputs_text(std::string_view source);

}  // namespace qoq::quantize
