#include "autotune/report/overhead_facts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

namespace qoq::report {

namespace {

using nlohmann::json;

/// Nothing where the path does not lead to a number.
std::optional<double> number(const json& object, std::initializer_list<const char*> path) {
  const json* at = &object;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return std::nullopt;
    at = &(*at)[key];
  }
  return at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
}

/// Empty where the path does not lead to a text.
std::string text(const json& object, std::initializer_list<const char*> path) {
  const json* at = &object;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return "";
    at = &(*at)[key];
  }
  return at->is_string() ? at->get<std::string>() : "";
}

std::optional<InstructionFacts> instructions(const json& overhead, const char* of) {
  const auto element = number(overhead, {"instructions", of, "per_element"});
  const auto taken = number(overhead, {"instructions", of, "per_taken"});
  const auto share = number(overhead, {"instructions", of, "share_of_issue"});
  if (!element || !taken || !share) return std::nullopt;
  return InstructionFacts{*element, *taken, *share};
}

OverheadFacts read_one(const store::Candidate& row) {
  OverheadFacts facts;
  facts.ablation = row.variant;
  facts.kernel = row.variant.substr(0, row.variant.rfind(".ablated"));
  facts.outcome = row.outcome;
  facts.reason = row.reason;
  if (row.outcome != store::Outcome::Ok) return facts;
  const json details = json::parse(row.details, nullptr, false);
  const json overhead = details.is_object() && details.contains("overhead") ? details["overhead"] : json::object();
  if (std::string of = text(overhead, {"of"}); !of.empty()) facts.kernel = std::move(of);
  facts.dequant = text(overhead, {"labels", "dequant"});
  facts.source = row.source;
  facts.kernel_us = number(overhead, {"kernel_us"}).value_or(0);
  facts.ablation_us = number(overhead, {"ablation_us"}).value_or(0);
  facts.noise = number(overhead, {"noise"}).value_or(0);
  if (!(facts.kernel_us > 0) || !(facts.ablation_us > 0)) facts.reason = "its row holds no two times";
  facts.predicted_kernel_us = number(overhead, {"predicted", "kernel_us"}).value_or(0);
  facts.predicted_ablation_us = number(overhead, {"predicted", "ablation_us"}).value_or(0);
  facts.whole = instructions(overhead, "kernel");
  facts.dequantisation = instructions(overhead, "dequantisation");
  facts.uncounted = text(overhead, {"instructions", "missing"});
  facts.cuda_core_time = number(overhead, {"share_of_time", "cuda_core"});
  facts.issue_time = number(overhead, {"share_of_time", "issue"});
  return facts;
}

/// How a kernel dequantises: the value of its point's parameter "dequant", or -1.
int form_of(const store::Candidate& row) {
  return static_cast<int>(number(json::parse(row.point, nullptr, false), {"dequant"}).value_or(-1));
}

/// Problem, source and form, and the fastest kernel.
using BestOfForm = std::map<std::tuple<std::string, store::Source, int>, const store::Candidate*>;

/// Only of problems that have ablations: a large store's other rows need not be looked into.
template <typename Found>
BestOfForm best_of_forms(const std::vector<store::Candidate>& rows, const Found& found) {
  BestOfForm best;
  for (const store::Candidate& row : rows) {
    const bool kernel =
        !row.ablated && !row.baseline && row.outcome == store::Outcome::Ok && row.median_us && !row.verified_on.empty();
    if (!kernel || !found.contains(row.problem)) continue;
    const store::Candidate*& first = best[{row.problem, row.source, form_of(row)}];
    const auto order = [](const store::Candidate& each) { return std::tie(*each.median_us, each.variant); };
    if (!first || order(row) < order(*first)) first = &row;
  }
  return best;
}

}  // namespace

std::map<std::string, std::vector<OverheadFacts>> read_overheads(const std::vector<store::Candidate>& rows) {
  std::map<std::string, std::vector<OverheadFacts>> found;
  for (const store::Candidate& row : rows) {
    if (row.ablated && !row.baseline) found[row.problem].push_back(read_one(row));
  }
  const BestOfForm best = best_of_forms(rows, found);
  for (const auto& [key, row] : best) {
    for (OverheadFacts& facts : found.at(row->problem)) {
      const bool same = !facts.timed() || facts.source == row->source;
      if (same && facts.kernel == row->variant) facts.best_of_form = true;
    }
  }
  for (auto& [problem, list] : found) {
    std::ranges::stable_sort(list, {}, [](const OverheadFacts& facts) {
      return std::pair(!facts.timed(), facts.kernel_us);  // those without times last
    });
  }
  return found;
}

}  // namespace qoq::report
