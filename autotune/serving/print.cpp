#include "autotune/serving/print.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace qoq::serving {

using roofline::Serving;

namespace {

nlohmann::ordered_json to_json(const roofline::Figured& figured) {
  return {{"us", figured.us}, {"basis", roofline::text(figured.bases)}, {"beyond_tuned_sizes", figured.beyond}};
}

nlohmann::ordered_json to_json(const Serving& serving, const roofline::Assumptions& assumptions) {
  const roofline::MemoryBudget& memory = serving.memory;
  nlohmann::ordered_json json{{"scheme", serving.scheme.name},
                              {"memory_bytes",
                               {{"usable", memory.usable},
                                {"weights", memory.weights},
                                {"activations", memory.activations},
                                {"sequence", memory.sequence}}},
                              {"sequences_that_fit", memory.sequences()}};
  if (!serving.refusal.empty()) {
    json["refusal"] = serving.refusal;
    return json;
  }
  json["batch"] = serving.batch;
  json["step"] = {{"gemms", to_json(serving.step.gemms)},
                  {"attention", to_json(serving.step.attention)},
                  {"small", to_json(serving.step.small)},
                  {"lm_head", to_json(serving.step.lm_head)},
                  {"total_us", serving.step.total().us}};
  json["prefill"] = to_json(serving.prefill);
  json["prefill_share"] = serving.prefill_share(assumptions.request);
  json["tokens_per_s"] = serving.tokens_per_s;
  if (serving.dollars_per_million) json["dollars_per_million_tokens"] = *serving.dollars_per_million;
  json["basis"] = roofline::text(serving.bases());
  return json;
}

}  // namespace

std::string caveat(const Serving& serving) {
  std::string text;
  const auto add = [&](bool beyond, const char* what) {
    if (beyond) text += (text.empty() ? "" : ", ") + std::string(what);
  };
  add(serving.step.gemms.beyond, "GEMMs");
  add(serving.step.attention.beyond, "attention");
  add(serving.prefill.beyond, "prefill's GEMMs");
  return text.empty() ? "" : text + " beyond the tuned sizes: in proportion to the largest";
}

std::string to_text(const ModelOnGpu& on, const roofline::Assumptions& assumptions) {
  std::string text = fmt::format("{} on {}: {} tokens in, {} out", on.model.name, on.product, assumptions.request.input,
                                 assumptions.request.output);
  if (on.price) {
    text += fmt::format(", {} GiB, ${:.2f} an hour ({}{})", on.price->memory_gib, on.price->dollars_per_hour,
                        on.price->date, on.price->assumed ? ", assumed" : "");
  }
  text += fmt::format("\n  {:<18}{:>6}{:>12}{:>12}{:>12}{:>10}{:>11}{:>12}{:>9}  {}\n", "scheme", "batch", "GEMMs ms",
                      "attn ms", "rest ms", "prefill", "tokens/s", "$/Mtoken", "weights", "times");
  for (const Serving& serving : on.schemes) {
    if (!serving.refusal.empty()) {
      text += fmt::format("  {:<18}—  {}\n", serving.scheme.name, serving.refusal);
      continue;
    }
    const std::string dollars = serving.dollars_per_million ? fmt::format("{:.3f}", *serving.dollars_per_million) : "—";
    text += fmt::format("  {:<18}{:>6}{:>12.3f}{:>12.3f}{:>12.3f}{:>8.0f} %{:>11.0f}{:>12}{:>6.1f} GB  {}\n",
                        serving.scheme.name, serving.batch, serving.step.gemms.us / 1000,
                        serving.step.attention.us / 1000, (serving.step.small.us + serving.step.lm_head.us) / 1000,
                        100 * serving.prefill_share(assumptions.request), serving.tokens_per_s, dollars,
                        serving.memory.weights * 1e-9, roofline::text(serving.bases()));
    if (const std::string note = caveat(serving); !note.empty()) text += fmt::format("  {:<18}{}\n", "", note);
  }
  return text;
}

nlohmann::ordered_json to_json(const ModelOnGpu& on, const roofline::Assumptions& assumptions) {
  nlohmann::ordered_json json{{"model", on.model.name}, {"gpu", on.gpu}, {"schemes", nlohmann::ordered_json::array()}};
  if (on.price) {
    json["price"] = {{"memory_gib", on.price->memory_gib},
                     {"dollars_per_hour", on.price->dollars_per_hour},
                     {"date", on.price->date},
                     {"source", on.price->source},
                     {"assumed", on.price->assumed}};
  }
  for (const Serving& serving : on.schemes) json["schemes"].push_back(to_json(serving, assumptions));
  return json;
}

}  // namespace qoq::serving
