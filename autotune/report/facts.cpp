#include "autotune/report/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "autotune/report/ceilings.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

using store::Candidate;
using store::Outcome;
using store::Source;

/// A row whose time may be compared: verified, and timed or predicted.
bool usable(const Candidate& row) {
  return row.outcome == Outcome::Ok && row.median_us && !row.ablated && !row.baseline && !row.verified_on.empty() &&
         (row.source == Source::Measured || row.source == Source::Predicted);
}

/// Measured before predicted, then faster, then by name: a total order, so that reports of equal stores are equal.
bool better(const Candidate* a, const Candidate* b) {
  auto key = [](const Candidate* row) {
    return std::tuple(row->source != Source::Measured, *row->median_us, std::string_view(row->variant));
  };
  return key(a) < key(b);
}

/// Of one source, fastest first.
std::vector<Candidate> fastest_rows(const std::vector<const Candidate*>& rows, Source source) {
  std::vector<const Candidate*> usable_rows;
  std::ranges::copy_if(rows, std::back_inserter(usable_rows),
                       [&](const Candidate* row) { return usable(*row) && row->source == source; });
  const auto end = usable_rows.begin() + static_cast<ptrdiff_t>(std::min(kFastest, usable_rows.size()));
  std::partial_sort(usable_rows.begin(), end, usable_rows.end(), better);
  std::vector<Candidate> fastest;
  for (auto row = usable_rows.begin(); row != end; ++row) fastest.push_back(**row);
  return fastest;
}

ProblemFacts summarise(const store::ProblemRow& problem, const std::vector<const Candidate*>& rows,
                       const Chosen* choice) {
  ProblemFacts facts;
  facts.problem = problem;
  const Candidate* chosen = nullptr;
  for (const Candidate* row : rows) {
    if (row->ablated) continue;
    ++facts.outcomes[row->outcome];
    if (row->published) facts.published = *row;
    if (choice ? row->variant == choice->variant : usable(*row) && (!chosen || better(row, chosen))) chosen = row;
  }
  if (choice) {
    facts.chosen_variant = choice->variant;
    facts.how = choice->how;
  } else if (chosen) {
    facts.chosen_variant = chosen->variant;
    facts.how = "fastest row";
  }
  if (!chosen) return facts;
  facts.chosen = *chosen;
  const Candidate* next = nullptr;
  for (const Candidate* row : rows) {
    bool comparable = row != chosen && usable(*row) && row->source == chosen->source && row->layout == chosen->layout;
    if (comparable && (!next || better(row, next))) next = row;
  }
  if (next) facts.runner_up = *next;
  facts.fastest = fastest_rows(rows, chosen->source);
  facts.progress = track_progress(rows, chosen->source);
  return facts;
}

/// By library and arithmetic, the fastest right kernel of each.
std::vector<BaselineFacts> summarise_baselines(const std::vector<const Candidate*>& rows) {
  std::vector<BaselineFacts> all;
  for (const Candidate* row : rows) {
    auto facts = std::ranges::find(all, row->family, &BaselineFacts::name);
    if (facts == all.end()) {
      all.emplace_back().name = row->family;
      facts = all.end() - 1;
    }
    ++facts->tried;
    if (row->outcome != Outcome::Ok && facts->reason.empty()) facts->reason = row->reason;
    const auto details = nlohmann::json::parse(row->details, nullptr, false);
    if (details.is_object() && facts->arithmetic.empty()) facts->arithmetic = details.value("arithmetic", "");
    const bool right = row->outcome == Outcome::Ok && row->median_us && !row->verified_on.empty();
    if (right && (!facts->best || *row->median_us < *facts->best->median_us)) facts->best = *row;
  }
  return all;
}

/// Reasons that differ in numbers only are one reason: "needs 143,360 bytes" and "needs 122,880 bytes".
std::vector<FailureGroup> group_failures(const std::vector<Candidate>& rows) {
  std::map<std::pair<Outcome, std::string>, FailureGroup> groups;
  for (const Candidate& row : rows) {
    if (row.outcome == Outcome::Ok || row.ablated || row.baseline) continue;
    auto& group = groups[{row.outcome, without_numbers(row.reason)}];
    if (group.count++ == 0) {
      group.outcome = row.outcome;
      group.reason = row.reason;
      group.example_problem = row.problem;
      group.example_variant = row.variant;
    } else if (group.reason != row.reason) {
      group.numbers_vary = true;
    }
  }
  std::vector<FailureGroup> list;
  for (auto& [key, group] : groups) list.push_back(std::move(group));
  std::stable_sort(list.begin(), list.end(),
                   [](const FailureGroup& a, const FailureGroup& b) { return a.count > b.count; });
  return list;
}

/// Where each problem comes from: "gate_up tp=1, gate_up tp=2".
std::map<std::string, std::string> labels(const std::vector<store::JobRow>& jobs) {
  std::map<std::string, std::string> text;
  std::set<std::pair<std::string, std::string>> seen;
  for (const store::JobRow& job : jobs) {
    for (const store::JobItem& item : job.items) {
      if (item.label.empty() || !seen.insert({item.problem, item.label}).second) continue;
      std::string& label = text[item.problem];
      label += (label.empty() ? "" : ", ") + item.label;
    }
  }
  return text;
}

/// Over all jobs that use it.
std::map<std::string, double> weights(const std::vector<store::JobRow>& jobs) {
  std::map<std::string, double> sums;
  for (const store::JobRow& job : jobs) {
    for (const store::JobItem& item : job.items) sums[item.problem] += item.weight;
  }
  return sums;
}

GpuFacts summarise_gpu(const store::EnvironmentRow& row, const std::vector<Candidate>& candidates,
                       const std::map<std::string, store::ProblemRow>& problems,
                       const std::map<std::string, std::string>& labels, const std::vector<Chosen>& chosen,
                       const std::vector<LayoutChoice>& layouts) {
  GpuFacts gpu;
  gpu.row = row;
  gpu.ceilings = ceilings_from_json(row.gpu.ceilings);
  std::map<std::string_view, std::vector<const Candidate*>> by_problem, baselines;
  for (const Candidate& candidate : candidates) {
    if (candidate.baseline) {
      ++gpu.baselines;
      baselines[candidate.problem].push_back(&candidate);
      continue;
    }
    by_problem[candidate.problem].push_back(&candidate);
    if (candidate.ablated) {
      ++gpu.ablations;
      continue;
    }
    ++gpu.candidates;
    ++gpu.outcomes[candidate.outcome];
    if (candidate.outcome == Outcome::Ok) ++gpu.verified[candidate.verified_on];
    if (candidate.median_us) ++gpu.timed[candidate.source];
  }
  std::map<std::string_view, const Chosen*> choice_of;
  for (const Chosen& choice : chosen) {
    if (choice.environment == row.id) choice_of[choice.problem] = &choice;
  }
  for (const auto& [text, problem] : problems) {
    auto choice = choice_of.find(text);
    auto rows = by_problem.find(text);
    if (choice == choice_of.end() && rows == by_problem.end()) continue;
    ProblemFacts facts = summarise(problem, rows == by_problem.end() ? std::vector<const Candidate*>{} : rows->second,
                                   choice == choice_of.end() ? nullptr : choice->second);
    facts.baselines = summarise_baselines(baselines[text]);
    if (auto label = labels.find(text); label != labels.end()) facts.label = label->second;
    gpu.problems.push_back(std::move(facts));
  }
  std::sort(gpu.problems.begin(), gpu.problems.end(), [](const ProblemFacts& a, const ProblemFacts& b) {
    auto key = [](const ProblemFacts& facts) {
      const auto& p = facts.problem;
      return std::tuple(p.op, p.scheme, natural_key(p.layout_group), natural_key(p.text));
    };
    return key(a) < key(b);
  });
  gpu.failures = group_failures(candidates);
  for (const LayoutChoice& layout : layouts) {
    if (layout.environment == row.id) gpu.layouts.push_back(layout);
  }
  return gpu;
}

/// 0 where there is no such number.
double number_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}
/// 0 where there is no such whole number.
int64_t count_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}
/// Empty where there is no such text.
std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

CrossCheckFacts read_cross_check(const nlohmann::json& json) {
  CrossCheckFacts facts{.events_us = number_of(json, "events_us"),
                        .activity_us = number_of(json, "activity_us"),
                        .kernels_us = number_of(json, "kernels_us"),
                        .missing = text_of(json, "missing")};
  const bool complete = facts.events_us > 0 && facts.activity_us > 0;
  if (!complete && facts.missing.empty()) facts.missing = "its entry holds no two times";
  return facts;
}

CounterFacts read_counters(const nlohmann::json& json) {
  CounterFacts facts{.rung = text_of(json, "rung"),
                     .passes = count_of(json, "passes"),
                     .reason = text_of(json, "reason"),
                     .values = {}};
  const auto values = json.find("values");
  if (values == json.end() || !values->is_object()) return facts;
  for (const auto& [name, value] : values->items()) {
    if (value.is_number()) facts.values[name] = value.get<double>();
  }
  return facts;
}

void count_samples(const Candidate& row, const nlohmann::json& details, SampleCounts& counts) {
  ++counts.rows;
  counts.kept += static_cast<int64_t>(row.samples_us.size());
  const int64_t discarded = count_of(details, "discarded");
  counts.discarded += discarded;
  counts.discarding_rows += discarded > 0 ? 1 : 0;
  const auto throttled = details.find("throttled");
  counts.throttled_rows += throttled != details.end() && *throttled == true ? 1 : 0;
}

/// Races, cross-checks, counters and thrown-away samples of the problems that the report shows.
void add_measurements(const std::vector<Candidate>& candidates, std::vector<store::RaceRow> races, GpuFacts& gpu) {
  std::map<std::string_view, ProblemFacts*> shown;
  for (ProblemFacts& facts : gpu.problems) shown[facts.problem.text] = &facts;
  for (store::RaceRow& race : races) {
    const auto facts = shown.find(race.problem);
    if (facts != shown.end()) facts->second->race = std::move(race);
  }
  for (const Candidate& row : candidates) {
    if (row.source != Source::Measured) continue;
    auto details = nlohmann::json::parse(row.details, nullptr, false);
    if (!details.is_object()) details = nlohmann::json::object();
    count_samples(row, details, row.baseline ? gpu.baseline_samples : gpu.samples);
    const auto facts = shown.find(row.problem);
    if (row.baseline || row.ablated || facts == shown.end()) continue;
    ProfiledRow profiled{.variant = row.variant, .cross_check = {}, .counters = {}};
    if (const auto json = details.find("cross_check"); json != details.end() && json->is_object())
      profiled.cross_check = read_cross_check(*json);
    if (const auto json = details.find("counters"); json != details.end() && json->is_object())
      profiled.counters = read_counters(*json);
    if (profiled.cross_check || profiled.counters) facts->second->profiled.push_back(std::move(profiled));
  }
}

/// Environments of one name get what differs between them: "cold, eager" and "hot, graph" of the same GPU.
void tell_apart(std::vector<GpuFacts>& gpus) {
  std::map<std::string, std::vector<GpuFacts*>> same;
  for (GpuFacts& gpu : gpus) same[gpu.name()].push_back(&gpu);
  for (auto& [name, list] : same) {
    for (const auto field : {&store::Environment::target, &store::Environment::mig, &store::Environment::cache_mode,
                             &store::Environment::launch_mode, &store::Environment::uuid}) {
      const auto value = [&](const GpuFacts* gpu) { return gpu->row.environment.*field; };
      if (std::ranges::all_of(list, [&](auto* gpu) { return value(gpu) == value(list.front()); })) continue;
      for (GpuFacts* gpu : list) {
        const std::string text = value(gpu).empty() && field == &store::Environment::mig ? "whole GPU" : value(gpu);
        if (!text.empty()) gpu->mode += (gpu->mode.empty() ? "" : ", ") + text;
      }
    }
  }
}

/// Which problems of a large job are listed and detailed: those that take most of its time, ties in their order.
void rank_problems(GpuFacts& gpu, size_t listed, size_t detailed) {
  std::vector<ProblemFacts*> ranked;
  for (ProblemFacts& facts : gpu.problems) ranked.push_back(&facts);
  std::ranges::stable_sort(ranked, std::greater{}, &ProblemFacts::time_in_job_us);
  for (size_t i = 0; i < ranked.size(); ++i) {
    ranked[i]->listed = i < listed;
    ranked[i]->detailed = i < detailed && ranked[i]->timed();
  }
}

/// When the newest rows were asked for: the same store gives the same report.
std::string newest_moment(const std::vector<store::EnvironmentRow>& environments) {
  std::string newest;
  for (const auto& row : environments) newest = std::max(newest, row.used_at);
  return newest;
}

}  // namespace

size_t share_of(size_t most, size_t gpus) {
  constexpr size_t least = 30;
  return std::max(least, most / std::max<size_t>(1, gpus));
}

const Candidate* ProblemFacts::comparable_published() const {
  bool comparable = timed() && published && usable(*published) && published->source == chosen->source;
  return comparable ? &*published : nullptr;
}

std::string GpuFacts::name() const {
  std::string product = row.gpu.name.empty() ? row.environment.product : row.gpu.name;
  if (simulated()) product += " (simulated)";
  return mode.empty() ? product : product + ", " + mode;
}
std::string GpuFacts::id() const { return fmt::format("gpu-{}", row.id); }
bool GpuFacts::simulated() const { return row.environment.target.starts_with("sim:"); }
std::string GpuFacts::source() const {
  bool measured = timed.contains(Source::Measured), predicted = timed.contains(Source::Predicted);
  return measured && predicted ? "measured and predicted"
         : measured            ? "measured"
         : predicted           ? "predicted"
                               : "no times";
}

Facts collect_facts(const store::Store& store, const Candidates& candidates, const std::vector<Chosen>& chosen,
                    const std::vector<LayoutChoice>& layouts, const Options& options) {
  Facts facts;
  facts.database = store.path().string();
  facts.generated_at = options.generated_at;
  facts.command_line = options.command_line;
  facts.jobs = store.jobs();
  facts.runs = store.runs();
  std::map<std::string, store::ProblemRow> problems;
  for (auto& problem : store.problems()) problems[problem.text] = problem;

  std::vector<store::EnvironmentRow> rows = store.environments();
  facts.newest_at = newest_moment(rows);
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return std::tie(a.used_at, a.id) > std::tie(b.used_at, b.id); });
  std::set<std::vector<std::string>> seen;
  std::set<int64_t> shown;
  for (const auto& row : rows) {
    const auto& e = row.environment;
    if (seen.insert({e.target, e.product, e.uuid, e.mig, e.cache_mode, e.launch_mode}).second) {
      shown.insert(row.id);
    } else {
      facts.superseded.push_back(row);
    }
  }
  const auto label_of = labels(facts.jobs);
  const auto weight_of = weights(facts.jobs);
  for (const auto& row : store.environments()) {
    const auto& list = candidates.at(row.id);
    facts.candidates += static_cast<int64_t>(list.size());
    if (shown.contains(row.id)) {
      facts.gpus.push_back(summarise_gpu(row, list, problems, label_of, chosen, layouts));
      add_measurements(list, store.races(row.id), facts.gpus.back());
      std::map<std::string, std::vector<OverheadFacts>> overheads = read_overheads(list);
      for (ProblemFacts& problem : facts.gpus.back().problems) {
        problem.overheads = std::move(overheads[problem.problem.text]);
        std::erase_if(problem.overheads, [&](const OverheadFacts& of) {
          const bool won = of.kernel == problem.chosen_variant || (problem.race && problem.race->winner == of.kernel);
          return !won && !of.best_of_form;  // of an earlier run's winner
        });
        if (auto weight = weight_of.find(problem.problem.text); weight != weight_of.end())
          problem.weight = weight->second;
      }
    }
  }
  tell_apart(facts.gpus);
  const size_t gpus = facts.gpus.size();
  for (GpuFacts& gpu : facts.gpus) rank_problems(gpu, share_of(kMostListed, gpus), share_of(kMostDetailed, gpus));
  return facts;
}

}  // namespace qoq::report
