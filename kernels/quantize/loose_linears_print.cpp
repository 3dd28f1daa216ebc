#include <fmt/format.h>

#include <cmath>

#include "kernels/quantize/loose_linears.h"

namespace qoq::quantize {

using nlohmann::ordered_json;

namespace {

std::string head(const LooseReport& report, const std::string& title) {
  std::string names, lines;
  for (const std::string& kind : report.kinds) {
    names += fmt::format(" {} |", kind);
    lines += "---:|";
  }
  return fmt::format("{}\n\n| scheme | way |{} all |\n|---|---|{}---:|\n", title, names, lines);
}

}  // namespace

std::string to_markdown(const LooseReport& report) {
  std::string text =
      fmt::format("{} linears, {} parameters.\n\n", report.rows.front().linears.size(), report.parameters);
  text +=
      head(report,
           fmt::format("Output error, Σ(y − ŷ)² / Σy² in %: fp32 against int8 activations times 4-bit "
                       "weights through the integer reference GEMM, on {}.",
                       report.choosing > 0
                           ? fmt::format("{} recorded tokens that no choice has seen (clip=outputs chose by {} others)",
                                         report.comparing, report.choosing)
                           : fmt::format("{} random tokens", report.comparing)));
  for (const LooseRow& row : report.rows) {
    text += fmt::format("| {} | {} |", row.scheme, row.way);
    for (const std::string& kind : report.kinds)
      text += fmt::format(" {:.4f} |", 100 * row.outputs(kind).relative_mse());
    text += fmt::format(" {:.4f} |\n", 100 * row.outputs("").relative_mse());
  }
  text += "\n";
  text += head(report, "Weights: Σ(w − ŵ)² / Σw² in %, and the same as signal to noise in dB for all.");
  for (const LooseRow& row : report.rows) {
    text += fmt::format("| {} | {} |", row.scheme, row.way);
    for (const std::string& kind : report.kinds)
      text += fmt::format(" {:.4f} |", 100 * row.weights(kind).relative_mse());
    const WeightErrors all = row.weights("");
    text += fmt::format(" {:.4f} ({:.2f} dB) |\n", 100 * all.relative_mse(), all.sqnr_db());
  }
  for (const std::string& sentence : report.left_out) text += fmt::format("\nLeft out: {}", sentence);
  if (!report.left_out.empty()) text += "\n";
  return text;
}

ordered_json to_json(const LooseReport& report) {
  ordered_json out{{"parameters", report.parameters},
                   {"choosing_tokens", report.choosing},
                   {"comparing_tokens", report.comparing},
                   {"left_out", report.left_out},
                   {"rows", ordered_json::array()}};
  for (const LooseRow& row : report.rows) {
    ordered_json linears = ordered_json::array();
    for (const LooseRow::Errors& errors : row.linears) {
      ordered_json sqnr;  // JSON has no infinity
      if (std::isfinite(errors.weights.sqnr_db())) sqnr = errors.weights.sqnr_db();
      linears.push_back({{"linear", errors.name},
                         {"relative_mse", errors.weights.relative_mse()},
                         {"sqnr_db", sqnr},
                         {"max_error", errors.weights.max_error},
                         {"clipped_share", errors.weights.clipped_share()},
                         {"output_relative_mse", errors.outputs.relative_mse()}});
    }
    out["rows"].push_back({{"scheme", row.scheme}, {"way", row.way}, {"linears", std::move(linears)}});
  }
  return out;
}

}  // namespace qoq::quantize
