#include "autotune/report/why.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "autotune/report/text.h"

namespace qoq::report {
namespace {

using nlohmann::json;
using store::Candidate;

struct Words {
  std::string_view name, words;
};
/// The model's parts (Prediction::parts()) for a reader who does not know its source. Others keep their names.
constexpr Words part_words[] = {
    {"dram", "DRAM bytes"},
    {"l2", "L2 bytes"},
    {"in_flight", "loads in flight against latency"},
    {"tensor", "tensor cores"},
    {"alu", "integer and logic instructions"},
    {"fma", "multiply-add instructions"},
    {"xu", "conversions and special functions"},
    {"shared", "shared memory"},
    {"issue", "issue slots"},
    {"chain", "the chain of dependent steps"},
    {"same_line", "requests for one line of L2"},
    {"barrier", "waiting at barriers"},
    {"ramp", "starting and ending of CTAs"},
    {"merge", "merging the splits' partial results"},
    {"launch", "the launch"},
};
std::string words_of(std::string_view part) {
  const auto found = std::ranges::find(part_words, part, &Words::name);
  return std::string(found == std::end(part_words) ? part : found->words);
}

/// What a prediction consists of.
struct Parts {
  std::string limiter;
  std::vector<std::pair<std::string, double>> us;  ///< largest first

  double of(std::string_view name) const {
    const auto found = std::ranges::find(us, name, &std::pair<std::string, double>::first);
    return found == us.end() ? 0 : found->second;
  }
};

/// A predicted row's own parts, or those of the prediction that stands beside a measured row.
Parts read_parts(const json& details) {
  const json* from = &details;
  if (!details.contains("parts_us") && details.contains("predicted") && details["predicted"].is_object() &&
      details["predicted"].contains("details"))
    from = &details["predicted"]["details"];
  Parts parts;
  if (!from->is_object()) return parts;
  if (const auto name = from->find("limiter"); name != from->end() && name->is_string())
    parts.limiter = name->get<std::string>();
  if (const auto list = from->find("parts_us"); list != from->end() && list->is_object()) {
    for (const auto& [name, value] : list->items()) {
      if (value.is_number()) parts.us.emplace_back(name, value.get<double>());
    }
  }
  std::ranges::stable_sort(parts.us, std::greater{}, &std::pair<std::string, double>::second);
  return parts;
}

json details_of(const Candidate& row) {
  json details = json::parse(row.details, nullptr, false);
  return details.is_object() ? details : json::object();
}

/// Parts below half of the largest hide behind it, but for those that the model adds to the rest.
bool matters(const Parts& parts, const std::string& name) {
  return name == "ramp" || name == "merge" || name == "launch" ||
         (!parts.us.empty() && parts.of(name) >= 0.5 * parts.us.front().second);
}

/// "bn64.st3" → where the ids have corresponding parts; both sides of the difference.
std::string tunables_text(const Candidate& winner, const Candidate& other) {
  const std::string ours = difference(winner.variant, other.variant);
  const std::string theirs = difference(other.variant, winner.variant);
  if (ours == winner.variant) return "the two are of different kinds";
  return ours.empty() ? "the two have the same tunables" : fmt::format("{} where the other has {}", ours, theirs);
}

/// What of the compiled code and the grid differs: "192 CTAs against 384, 96 registers against 128".
std::string code_text(const Candidate& winner, const Candidate& other) {
  if (winner.kernels.empty() || other.kernels.empty()) return "";
  const store::KernelRow &a = winner.kernels.front(), &b = other.kernels.front();
  std::vector<std::string> parts;
  const auto add = [&](int64_t ours, int64_t theirs, std::string_view what) {
    if (ours != theirs) parts.push_back(fmt::format("{} {} against {}", count_text(ours), what, count_text(theirs)));
  };
  add(static_cast<int64_t>(winner.kernels.size()), static_cast<int64_t>(other.kernels.size()), "launches");
  add(a.ctas, b.ctas, "CTAs");
  add(a.threads, b.threads, "threads a CTA");
  add(a.registers, b.registers, "registers");
  add(a.static_shared_bytes + a.dynamic_shared_bytes, b.static_shared_bytes + b.dynamic_shared_bytes,
      "bytes of shared memory");
  return fmt::format("{}", fmt::join(parts, ", "));
}

struct Waiting {
  std::string_view counter, words;
};
/// The reasons worth a sentence (all of them: measuring.cpp).
constexpr Waiting waits[] = {
    {"stall_long_scoreboard_pct", "data from DRAM, L2 or L1"},
    {"stall_barrier_pct", "other warps at a barrier"},
    {"stall_short_scoreboard_pct", "data from shared memory"},
    {"stall_mio_throttle_pct", "room in the queue of shared memory"},
    {"stall_math_pipe_throttle_pct", "a busy arithmetic pipe"},
    {"stall_wait_pct", "the fixed time of their last instruction"},
    {"stall_not_selected_pct", "their turn to issue"},
    {"stall_gmma_pct", "a warpgroup's matrix multiplication"},
};

double value_of(const json& values, std::string_view name) {
  const auto found = values.find(std::string(name));
  return found != values.end() && found->is_number() ? found->get<double>() : 0;
}

/// "" where the row was not counted.
std::string counted_text(const Candidate& row, const json& details, const GpuFacts& gpu) {
  const auto counters = details.find("counters");
  if (counters == details.end() || !counters->is_object() || counters->value("rung", "") != "counters") return "";
  const json values = counters->value("values", json::object());
  if (!values.is_object()) return "";
  const Waiting* most =
      std::ranges::max_element(waits, {}, [&](const Waiting& waiting) { return value_of(values, waiting.counter); });
  std::string text = fmt::format("counted: warps wait most for {} ({:.0f} % of their cycles)", most->words,
                                 value_of(values, most->counter));
  for (const auto& [counter, words] : {Words{"tensor_active_pct", "tensor pipe"}, Words{"issue_active_pct", "issue"}}) {
    if (value_of(values, counter) > 0) text += fmt::format(", {} {:.0f} % busy", words, value_of(values, counter));
  }
  const double bytes = value_of(values, "dram_read_bytes") + value_of(values, "dram_write_bytes");
  double ceiling = 0;
  for (const auto& each : gpu.ceilings) {
    const bool dram = each.kind == roofline::Ceiling::Kind::Memory && each.name.starts_with("DRAM");
    if (dram && (ceiling == 0 || each.name == "DRAM (measured)")) ceiling = each.value;
  }
  if (bytes > 0 && row.median_us) {
    const double gbps = bytes / *row.median_us * 1e-3;
    text += fmt::format(", DRAM {}", rate_text(gbps, "GB/s"));
    if (ceiling > 0) text += fmt::format(" ({} of {})", percent_text(gbps / ceiling), rate_text(ceiling, "GB/s"));
  }
  return text;
}

}  // namespace

std::string limiter(const Candidate& row) {
  // Most rows are asked; few measured ones hold a prediction.
  return row.details.find("\"limiter\"") == std::string::npos ? "" : read_parts(details_of(row)).limiter;
}

std::string why_faster(const Candidate& winner, const Candidate& other) {
  const Parts ours = read_parts(details_of(winner)), theirs = read_parts(details_of(other));
  const std::string code = code_text(winner, other);
  const std::string differs = tunables_text(winner, other) + (code.empty() ? "" : "; " + code);
  const bool slower = *winner.median_us > *other.median_us;
  if (slower) return fmt::format("It is not the fastest: it was chosen for another reason; {}.", differs);
  const std::string* best = nullptr;
  double most = 0;
  for (const auto& [name, us] : theirs.us) {
    const double gain = us - ours.of(name);
    if (gain > most && (matters(theirs, name) || matters(ours, name))) std::tie(best, most) = std::pair(&name, gain);
  }
  const bool both = !ours.us.empty() && !theirs.us.empty();
  const bool predicted = winner.source == store::Source::Predicted;
  if (both && best && most >= 0.005) {
    return fmt::format("{} {} takes less: {} against {} µs; {}.",
                       predicted ? "In the model" : "By the model beside it,", words_of(*best),
                       time_text(ours.of(*best)), time_text(theirs.of(*best)), differs);
  }
  if (both)
    return fmt::format("No part of the prediction alone makes the difference, only how they overlap; {}.", differs);
  return fmt::format("No counters and no prediction of both are recorded; what is known to differ: {}.", differs);
}

std::string what_limits(const Candidate& row, const GpuFacts& gpu) {
  const json details = details_of(row);
  const Parts parts = read_parts(details);
  std::string text;
  if (!parts.us.empty() && parts.us.front().second > 0) {
    text = fmt::format("by the model {} ({} µs)", words_of(parts.us.front().first), time_text(parts.us.front().second));
    for (size_t i = 1; i < std::min<size_t>(3, parts.us.size()); ++i)
      text += fmt::format(", then {} ({})", words_of(parts.us[i].first), time_text(parts.us[i].second));
  } else if (!parts.limiter.empty()) {
    text = "by the model " + words_of(parts.limiter);
  }
  const std::string counted = counted_text(row, details, gpu);
  return text + (text.empty() || counted.empty() ? "" : "; ") + counted;
}

std::optional<Fragility> fragility(const Candidate& row) {
  if (row.details.find("\"fragile\"") == std::string::npos) return std::nullopt;
  const json details = details_of(row);
  const auto list = details.find("fragile");
  if (list == details.end() || !list->is_array()) return std::nullopt;
  if (list->empty()) return Fragility{false, "It stays the winner when any assumed rate is off by 30 %."};
  std::vector<std::string> cases;
  for (const json& entry : *list) {
    if (!entry.is_object()) continue;
    const std::string other = difference(entry.value("winner", ""), row.variant);
    cases.push_back(fmt::format("with {} × {:g} {} would win, and this one be {} slower", entry.value("rate", "a rate"),
                                entry.value("factor", 1.0), other.empty() ? "another" : other,
                                percent_text(entry.value("loss", 0.0))));
  }
  constexpr size_t most = 6;
  const size_t more = cases.size() > most ? cases.size() - most : 0;
  cases.resize(std::min(cases.size(), most));
  return Fragility{
      true, fmt::format("Fragile: {}{}.", fmt::join(cases, "; "), more > 0 ? fmt::format("; and {} more", more) : "")};
}

}  // namespace qoq::report
