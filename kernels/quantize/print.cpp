#include "kernels/quantize/print.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/quantize/linears.h"

namespace qoq::quantize {

using nlohmann::ordered_json;

namespace {

ordered_json to_json(const WeightErrors& errors) {
  ordered_json out{{"relative_mse", errors.relative_mse()},
                   {"sqnr_db", nullptr},
                   {"max_error", errors.max_error},
                   {"clipped_share", errors.clipped_share()}};
  if (std::isfinite(errors.sqnr_db())) out["sqnr_db"] = errors.sqnr_db();  // JSON has no infinity
  return out;
}

std::string row_of(const LinearReport& linear, int layer) {
  std::string text =
      fmt::format("{:>5}  {:<8} {:>6} {:>6}  {:>7.2f} %", layer, linear.name, linear.n, linear.k, 100 * linear.at_ends);
  if (linear.weights) {
    text += fmt::format("  {:>9.3e}  {:>7.2f}  {:>9.3e}  {:>7.3f} %", linear.weights->relative_mse(),
                        linear.weights->sqnr_db(), linear.weights->max_error, 100 * linear.weights->clipped_share());
  }
  if (linear.outputs) text += fmt::format("  {:>9.3e}", linear.outputs->relative_mse());
  return text + "\n";
}

/// The header of an ablation's table, whose columns are the linears.
std::string table_head(const std::string& title) {
  std::string names, lines;
  for (const std::string_view name : linear_names) {
    names += fmt::format(" {} |", name);
    lines += "---:|";
  }
  return fmt::format("{}\n\n| scheme | recipe |{}\n|---|---|{}\n", title, names, lines);
}

}  // namespace

std::string to_text(const CheckReport& report) {
  const Manifest& manifest = report.manifest;
  const auto bytes = static_cast<double>(manifest.bytes()), fp16 = static_cast<double>(manifest.fp16_bytes());
  std::string text =
      fmt::format("{} {} {} by {}: {} bytes, fp16 {} bytes ({:.2f} times smaller)\n", manifest.scheme, manifest.layout,
                  manifest.recipe, manifest.producer, manifest.bytes(), manifest.fp16_bytes(), fp16 / bytes);
  text += fmt::format("{} files with the digests that the manifest tells; every code, scale and zero in its range\n",
                      manifest.files.size());
  const bool errors = !report.inputs.empty();
  if (errors) {
    text += fmt::format(
        "errors against the model's fp32 weights, transformed again as recorded (not clipped); outputs: the integer "
        "reference GEMM on {}\n",
        report.inputs);
  } else {
    text += "no model to compare with (--against MODEL_DIR): no errors\n";
  }
  text += "\nlayer  linear        N      K  codes 0,15";
  if (errors) text += "  rel. MSE   SQNR dB  max error    clipped  output rel. MSE";
  text += "\n";
  for (const LayerReport& layer : report.layers) {
    for (const LinearReport& linear : layer.linears) text += row_of(linear, layer.layer);
  }
  return text;
}

ordered_json to_json(const CheckReport& report) {
  const Manifest& manifest = report.manifest;
  ordered_json out{{"scheme", manifest.scheme}, {"layout", manifest.layout},      {"recipe", manifest.recipe},
                   {"rule", manifest.rule},     {"bytes", manifest.bytes()},      {"fp16_bytes", manifest.fp16_bytes()},
                   {"inputs", report.inputs},   {"layers", ordered_json::array()}};
  for (const LayerReport& layer : report.layers) {
    ordered_json linears = ordered_json::array();
    for (const LinearReport& linear : layer.linears) {
      ordered_json entry{{"linear", linear.name}, {"n", linear.n}, {"k", linear.k}, {"codes_at_ends", linear.at_ends}};
      if (linear.weights) entry["weights"] = to_json(*linear.weights);
      if (linear.outputs) entry["output_relative_mse"] = linear.outputs->relative_mse();
      linears.push_back(std::move(entry));
    }
    out["layers"].push_back({{"layer", layer.layer}, {"proof", layer.proof}, {"linears", std::move(linears)}});
  }
  return out;
}

std::string to_markdown(const Ablation& ablation) {
  const llama::Config& c = ablation.config;
  std::string text =
      fmt::format("{} model: {} layers, hidden {}, intermediate {}, {} heads, {} KV heads of {}. Sums over layers.\n\n",
                  family_name(c.family), c.layers, c.hidden, c.intermediate, c.heads, c.kv_heads, c.head_dim);
  text += table_head(fmt::format(
      "Output error, Σ(y − ŷ)² / Σy² in %: fp32 against int8 activations times 4-bit weights through the integer "
      "reference GEMM, on {}.",
      ablation.inputs));
  for (const AblationRow& row : ablation.rows) {
    text += fmt::format("| {} | {} |", row.scheme, row.name);
    for (const std::string_view name : linear_names)
      text += fmt::format(" {:.4f} |", 100 * row.outputs.at(std::string(name)).relative_mse());
    text += "\n";
  }
  text += "\n";
  text += table_head(
      "Weight error, Σ(w − ŵ)² / Σw² in %, against the transformed weights before clipping. "
      "Transforms that scale weights move what the sums weigh: compare outputs.");
  for (const AblationRow& row : ablation.rows) {
    text += fmt::format("| {} | {} |", row.scheme, row.name);
    for (const std::string_view name : linear_names)
      text += fmt::format(" {:.4f} |", 100 * row.weights.at(std::string(name)).relative_mse());
    text += "\n";
  }
  return text;
}

ordered_json to_json(const Ablation& ablation) {
  const llama::Config& c = ablation.config;
  ordered_json out{{"model",
                    {{"family", family_name(c.family)},
                     {"layers", c.layers},
                     {"hidden", c.hidden},
                     {"intermediate", c.intermediate},
                     {"heads", c.heads},
                     {"kv_heads", c.kv_heads},
                     {"head_dim", c.head_dim}}},
                   {"inputs", ablation.inputs},
                   {"rows", ordered_json::array()}};
  for (const AblationRow& row : ablation.rows) {
    ordered_json linears;
    for (const std::string_view name : linear_names) {
      linears[std::string(name)] = {{"weights", to_json(row.weights.at(std::string(name)))},
                                    {"output_relative_mse", row.outputs.at(std::string(name)).relative_mse()}};
    }
    out["rows"].push_back({{"scheme", row.scheme},
                           {"name", row.name},
                           {"recipe", row.recipe},
                           {"proof", row.proof},
                           {"linears", std::move(linears)}});
  }
  return out;
}

}  // namespace qoq::quantize
