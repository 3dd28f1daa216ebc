#include "autotune/cli/exported.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"

namespace qoq::cli {

using interchange::RecordedEntry;
using interchange::RecordedSpace;
using store::Candidate;
using store::Outcome;
using store::Source;
namespace invalidity = interchange::invalidity;

namespace {

struct EnvironmentRows {
  store::EnvironmentRow environment;
  std::vector<Candidate> rows;
};

/// Of each target the newest environment in which `wanted` leaves a row.
std::vector<EnvironmentRows> newest_rows(const store::Store& store, const RowFilter& filter, auto wanted) {
  auto environments = store.environments();
  std::ranges::sort(environments, std::greater{}, [](const auto& row) { return std::tuple(row.used_at, row.id); });
  std::vector<EnvironmentRows> result;
  std::set<std::string> done;
  for (const store::EnvironmentRow& row : environments) {
    const std::string& target = row.environment.target;
    if ((!filter.target.empty() && target != filter.target) || done.contains(target)) continue;
    store::Filter query{.environment = row.id, .kernels = false};
    if (!filter.problem.empty()) query.problem = filter.problem;
    auto rows = store.candidates(query);
    if (std::ranges::none_of(rows, wanted)) continue;
    done.insert(target);
    result.push_back({row, std::move(rows)});
  }
  return result;
}

std::string_view word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::Ok:
      return invalidity::kCorrect;
    case Outcome::Illegal:
      return invalidity::kConstraints;
    case Outcome::CompileFailed:
      return invalidity::kCompile;
    case Outcome::LaunchFailed:
      return invalidity::kRuntime;
    case Outcome::Wrong:
      return invalidity::kCorrectness;
    case Outcome::Timeout:
      return invalidity::kTimeout;
  }
  fail("unnamed outcome {}", static_cast<int>(outcome));
}

/// What tells this environment from another; no id of the very GPU.
std::vector<std::pair<std::string, std::string>> facts_of(const store::Environment& environment) {
  const auto number = [](double value) { return value == 0 ? std::string() : fmt::format("{:g}", value); };
  std::vector<std::pair<std::string, std::string>> all{{"target", environment.target},
                                                       {"architecture", environment.architecture},
                                                       {"sm_count", number(environment.sm_count)},
                                                       {"power_cap_w", number(environment.power_cap_w)},
                                                       {"driver", environment.driver},
                                                       {"mig", environment.mig},
                                                       {"compiler", environment.compiler},
                                                       {"kernels", environment.kernels},
                                                       {"cache_mode", environment.cache_mode},
                                                       {"launch_mode", environment.launch_mode},
                                                       {"predictor", environment.predictor}};
  std::erase_if(all, [](const auto& fact) { return fact.second.empty(); });
  return all;
}

interchange::Value value_of(const nlohmann::ordered_json& json) {
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  return json.dump();
}

/// What the model expected of a row: its time, where that is predicted, else what its details keep beside the
/// measurement.
std::optional<double> prediction_of(const Candidate& row) {
  if (row.source == Source::Predicted) return row.median_us;
  if (row.details.find("\"predicted\"") == std::string::npos) return std::nullopt;
  const auto details = nlohmann::json::parse(row.details);
  const nlohmann::json::json_pointer place("/predicted/median_us");
  if (!details.contains(place) || !details.at(place).is_number()) return std::nullopt;
  return details.at(place).get<double>();
}

/// Letters and digits, the rest as single dashes.
std::string file_word(const std::string& text) {
  std::string word;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain) {
      word += c;
    } else if (!word.empty() && word.back() != '-') {
      word += '-';
    }
  }
  constexpr size_t longest = 100;  // a list of contexts can be as long as the batch
  return word.size() <= longest ? word : word.substr(0, longest) + "-" + digest(text).substr(0, 8);
}

/// The rows of one problem and family, some of which become entries.
class SpaceOfRows {
 public:
  explicit SpaceOfRows(const std::vector<const Candidate*>& rows) : rows_(rows) {
    for (const Candidate* row : rows) {
      if (row->outcome == Outcome::Ok && row->median_us && source_ != Source::Measured) source_ = row->source;
    }
  }

  ExportedSpace make(const store::Environment& environment) {
    const Candidate& first = *rows_.front();
    ExportedSpace exported;
    RecordedSpace& space = exported.space;
    space.name = first.problem;
    space.kernel = first.family;
    space.gpu = environment.product;
    if (source_ != Source::None) space.source = store::to_text(source_);
    space.time_unit = "microseconds";
    space.notes = facts_of(environment);
    for (const Candidate* row : rows_) add(*row);
    builder_.finish(space, std::move(entries_));
    exported.predicted_us = std::move(predicted_us_);
    exported.variants = std::move(variants_);
    exported.environment = environment;
    exported.file_name = fmt::format("{}_{}-{}.T4.json", file_word(first.family), file_word(first.problem),
                                     file_word(environment.product + environment.mig));
    return exported;
  }

  size_t left_out() const { return left_out_; }

 private:
  void add(const Candidate& row) {
    const bool ok = row.outcome == Outcome::Ok;
    const auto point = nlohmann::ordered_json::parse(row.point);
    if ((ok && (!row.median_us || row.source != source_)) || !point.is_object()) {
      ++left_out_;
      return;
    }
    if (entries_.empty()) {
      std::vector<std::string> names;
      for (const auto& [name, value] : point.items()) names.push_back(name);
      builder_.set_parameters(std::move(names));
    }
    RecordedEntry entry{{}, std::string(word_of(row.outcome)), row.reason, {}, {}};
    for (const auto& parameter : builder_.parameters()) {
      if (!point.contains(parameter.name)) break;
      entry.choices.push_back(0);
    }
    if (entry.choices.size() != builder_.parameters().size() || point.size() != entry.choices.size()) {
      ++left_out_;
      return;
    }
    for (size_t i = 0; i < entry.choices.size(); ++i)
      entry.choices[i] = builder_.choice(i, value_of(point.at(builder_.parameters()[i].name)));
    if (ok) {
      entry.time_us = row.median_us;
      if (source_ == Source::Measured) entry.samples_us = row.samples_us;
    }
    entries_.push_back(std::move(entry));
    predicted_us_.push_back(prediction_of(row));
    variants_.push_back(row.variant);
  }

  const std::vector<const Candidate*>& rows_;
  Source source_ = Source::None;
  interchange::SpaceBuilder builder_;
  std::vector<RecordedEntry> entries_;
  std::vector<std::optional<double>> predicted_us_;
  std::vector<std::string> variants_;
  size_t left_out_ = 0;
};

}  // namespace

std::vector<ExportedSpace> exported_spaces(const store::Store& store, const RowFilter& filter, size_t& left_out) {
  const auto of_a_space = [](const Candidate& row) { return !row.ablated && !row.baseline; };
  std::vector<ExportedSpace> result;
  std::set<std::string> names;
  left_out = 0;
  for (const EnvironmentRows& all : newest_rows(store, filter, of_a_space)) {
    std::map<std::pair<std::string, std::string>, std::vector<const Candidate*>> groups;
    for (const Candidate& row : all.rows) {
      if (of_a_space(row)) {
        groups[{row.problem, row.family}].push_back(&row);
      } else {
        ++left_out;
      }
    }
    for (const auto& [key, rows] : groups) {
      SpaceOfRows space(rows);
      ExportedSpace exported = space.make(all.environment.environment);
      left_out += space.left_out();
      if (exported.space.entries.empty()) continue;
      if (!names.insert(exported.file_name).second)  // two targets of one product
        exported.file_name = file_word(all.environment.environment.target) + "_" + exported.file_name;
      result.push_back(std::move(exported));
    }
  }
  return result;
}

ExportedRuns exported_runs(const store::Store& store, const RowFilter& filter) {
  const auto measured = [](const Candidate& row) {
    return row.outcome == Outcome::Ok && row.source == Source::Measured && !row.samples_us.empty();
  };
  const auto all = newest_rows(store, filter, measured);
  if (all.empty()) bad_input("{} holds no measured row with samples to export", store.path().string());
  if (all.size() > 1) {
    std::vector<std::string> targets;
    for (const EnvironmentRows& one : all) targets.push_back(one.environment.environment.target);
    bad_input("{} has measured rows of {}: --gpu says which to export, benchmarks have one context",
              store.path().string(), fmt::join(targets, ", "));
  }
  ExportedRuns result;
  result.context = facts_of(all[0].environment.environment);
  result.context.emplace_back("gpu", all[0].environment.environment.product);
  result.context.emplace_back("cpu_time", "repeats real_time: a kernel uses none");
  for (const Candidate& row : all[0].rows) {
    if (measured(row)) {
      result.runs.push_back({row.problem + "/" + row.variant + (row.ablated ? "+ablated" : ""), row.samples_us});
    }
  }
  return result;
}

}  // namespace qoq::cli
