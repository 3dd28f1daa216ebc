#include "kernels/quantize/ablation.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/quantize/linears.h"

namespace qoq::quantize {

namespace {

struct Way {
  std::string name;
  Settings settings;
};

/// Every row of groups of 128; of scales per channel only the two ends.
std::vector<Way> ways(GroupRule rule) {
  std::vector<Way> out;
  for (const char* name : {"w4a8-g128", "w4a8-channel"}) {
    Settings settings{scheme_named(name), rule, PackedLayout::QServe, {}};
    for (const transform::NamedRecipe& named : transform::ablation_recipes(settings.format())) {
      settings.recipe = named.recipe;
      if (settings.scheme.group > 0 || named.name == "rtn" || named.name == "qoq")
        out.push_back({named.name, settings});
    }
  }
  return out;
}

void add_layer(const ModelSource& source, const CalibrationSource& calibration, const Settings& settings, int index,
               int threads, AblationRow& row) {
  PreparedLayer prepared = prepare_layer(source, split(calibration.layer(index)), settings, index, threads);
  row.proof = std::max(row.proof, prepared.proof);
  PreparedLayer clipped = prepared;
  clip_layer(source, settings, clipped, threads);
  for (const std::string_view linear : linear_names) {
    const std::string name(linear);
    const LinearWeights weights = quantize_linear(settings.format(), name, take_fused(clipped.layer, linear), threads);
    const llama::Matrix w = take_fused(prepared.layer, linear);
    const llama::Matrix x = check_inputs(prepared, linear, w.cols);
    row.weights[name] += weight_errors(w.values, weights, threads);
    row.outputs[name] += output_errors(x, w.values, x, weights, threads);
  }
}

}  // namespace

WeightErrors AblationRow::all_weights() const {
  WeightErrors sum;
  for (const auto& [linear, errors] : weights) sum += errors;
  return sum;
}

Ablation ablate(const AblationRequest& request, Listener& listener, const std::stop_token& stop) {
  const std::vector<Way> all = ways(request.rule);
  const ModelSource source(request.model, all.front().settings.scheme);
  const CalibrationSource calibration(request.calibration, source.config());
  Ablation out{
      source.config(),
      check_inputs_text(calibration.given() ? "the last quarter of the recorded tokens, the others chose" : ""),
      {}};
  listener.begin(all.size() * static_cast<uint64_t>(source.config().layers) * source.layer_parameters());
  for (const Way& way : all) {
    AblationRow row{
        way.name, std::string(way.settings.scheme.name), transform::write_recipe(way.settings.recipe), 0, {}, {}};
    for (int index = 0; index < source.config().layers; ++index) {
      if (stop.stop_requested()) return out;
      const std::string piece = fmt::format("{} {}, layer {}", row.scheme, row.name, index);
      listener.enter(piece, "quantising");
      add_layer(source, calibration, way.settings, index, request.threads, row);
      listener.finished(piece, source.layer_parameters(), false);
    }
    out.rows.push_back(std::move(row));
  }
  return out;
}

}  // namespace qoq::quantize
