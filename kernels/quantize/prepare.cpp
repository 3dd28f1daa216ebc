#include "kernels/quantize/prepare.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/base/error.h"
#include "kernels/transform/proof.h"

namespace qoq::quantize {

namespace {

using llama::LayerActivations;

constexpr std::array recorded_matrices{
    &LayerActivations::attention_input, &LayerActivations::queries,   &LayerActivations::keys,
    &LayerActivations::output_input,    &LayerActivations::ffn_input, &LayerActivations::down_input};

/// Rows from `first` up to `end`.
llama::Matrix rows_of(const llama::Matrix& all, int first, int end) {
  llama::Matrix out(end - first, all.cols);
  std::copy(all.row(first), all.row(end), out.values.begin());
  return out;
}

}  // namespace

CalibrationSource::CalibrationSource(const std::optional<std::filesystem::path>& file, const llama::Config& config) {
  if (!file) return;
  file_ = file->string();
  calibration_ = llama::Calibration::open(*file, config);
}

std::string CalibrationSource::lacking(int layers, bool inputs_only) const {
  if (!calibration_) return "";
  constexpr std::array names{"attention_input", "output_input", "ffn_input", "down_input", "queries", "keys"};
  constexpr size_t inputs = 4;
  std::vector<std::string> lacks;
  bool any = false;
  for (size_t i = 0; i < (inputs_only ? inputs : names.size()); ++i) {
    std::vector<int> missing;
    for (int layer = 0; layer < layers; ++layer) {
      const std::string name = fmt::format("layers.{}.{}", layer, names[i]);
      const auto tensors = calibration_->tensors(layer);
      if (std::ranges::none_of(tensors, [&](const Tensor* tensor) { return tensor->name == name; }))
        missing.push_back(layer);
    }
    any |= static_cast<int>(missing.size()) < layers;
    if (missing.empty()) continue;
    const bool one = missing.size() == 1;
    lacks.push_back(fmt::format("{} of layer{} {}", names[i], one ? "" : "s", fmt::join(missing, ", ")));
  }
  if (!any) bad_input("{}: records no activations of any layer", file_);
  return lacks.empty() ? "" : fmt::format("{} has no {}", file_, fmt::join(lacks, "; no "));
}

llama::LayerActivations CalibrationSource::layer(int index) const {
  return calibration_ ? calibration_->layer(index) : llama::LayerActivations();
}

std::string CalibrationSource::layer_digest(int index) const {
  return calibration_ ? digest_tensors(calibration_->tensors(index)) : "";
}

SplitActivations split(const llama::LayerActivations& activations) {
  SplitActivations out;
  for (const auto matrix : recorded_matrices) {
    const llama::Matrix& all = activations.*matrix;
    const int chosen_by = all.rows - all.rows / 4;
    out.chosen_by.*matrix = rows_of(all, 0, chosen_by);
    out.judged_on.*matrix = rows_of(all, chosen_by, all.rows);
  }
  const std::vector<int>& positions = activations.positions;
  const auto middle = positions.end() - static_cast<ptrdiff_t>(positions.size() / 4);
  out.chosen_by.positions.assign(positions.begin(), middle);
  out.judged_on.positions.assign(middle, positions.end());
  return out;
}

PreparedLayer prepare_layer(const ModelSource& source, const CalibrationSource& calibration, const Settings& settings,
                            int index, int threads) {
  return prepare_layer(source, {calibration.layer(index), {}}, settings, index, threads);
}

PreparedLayer prepare_layer(const ModelSource& source, SplitActivations activations, const Settings& settings,
                            int index, int threads) {
  const llama::Config& config = source.config();
  PreparedLayer out{source.layer(index), std::move(activations.chosen_by), std::move(activations.judged_on), 0, {}};
  if (settings.recipe == transform::rtn_recipe()) return out;
  const transform::Proof proof(config, out.layer, 16, 1, threads);
  out.chosen = transform::transform_layer(settings.recipe, settings.format(), config, out.layer, out.activations,
                                          threads, &out.held_out);
  out.proof = proof.difference(settings.recipe, out.layer);
  if (!std::isfinite(out.proof))
    bad_input("layer {}: a weight is so large that the layer's fp32 function overflows once transformed", index);
  if (!(out.proof <= most_proof)) {
    fail("layer {}: the transforms change its fp32 function by {:.2g} of what it adds, at most {:.0e} is allowed",
         index, out.proof, most_proof);
  }
  return out;
}

void clip_layer(const ModelSource& source, const Settings& settings, PreparedLayer& prepared, int threads) {
  for (std::string& line : transform::clip_layer(settings.recipe, settings.format(), source.config(), prepared.layer,
                                                 prepared.activations, threads)) {
    prepared.chosen.push_back(std::move(line));
  }
}

}  // namespace qoq::quantize
