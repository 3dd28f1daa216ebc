#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "autotune/select/select.h"
#include "autotune/select/usable.h"
#include "kernels/base/error.h"

namespace qoq::select {

using store::Candidate;
using store::Source;

namespace {

/// A problem of the job with the sum of its weights.
struct Wanted {
  std::string problem;
  std::string key;  ///< of its group
  double weight = 0;
  Usable usable;
};

struct Job {
  std::vector<Wanted> problems;         ///< in the job's order
  std::map<std::string, Group> groups;  ///< by key
};

Job read_job(const store::Store& store, int64_t environment, std::string_view name) {
  const auto row = store.job(name);
  if (!row) bad_input("{}: holds no job \"{}\"", store.path().string(), name);
  Job job;
  for (const store::JobItem& item : row->items) {
    const auto known = std::find_if(job.problems.begin(), job.problems.end(),
                                    [&](const Wanted& wanted) { return wanted.problem == item.problem; });
    if (known != job.problems.end()) {
      known->weight += item.weight;
      continue;
    }
    const store::ProblemRow problem = store.problem(item.problem).value();
    const std::string key = group_key(problem.op, problem.scheme, problem.layout_group);
    Group& group = job.groups[key];
    group.op = problem.op;
    group.scheme = problem.scheme;
    group.layout_group = problem.layout_group;
    job.problems.push_back({item.problem, key, item.weight, usable_rows(store, environment, item.problem)});
  }
  return job;
}

/// The row that won the problem's race, if it may be used.
const Candidate* race_winner(const Wanted& wanted, Source source) {
  const auto found = std::ranges::find_if(wanted.usable.rows, [&](const Candidate& row) {
    return row.source == source && row.variant == wanted.usable.raced;
  });
  return found == wanted.usable.rows.end() ? nullptr : &*found;
}

/// A problem's best time from a source, by layout. Nothing is faster than the winner of its race: medians that say so
/// were not taken under the same conditions.
std::map<std::string, double> best_by_layout(const Wanted& wanted, Source source) {
  std::map<std::string, double> best;
  for (const Candidate& row : wanted.usable.rows) {
    if (row.source == source) best.try_emplace(row.layout, *row.median_us);  // rows come fastest first
  }
  if (const Candidate* winner = race_winner(wanted, source)) {
    best[winner->layout] = *winner->median_us;
    for (auto& [layout, time_us] : best) time_us = std::max(time_us, *winner->median_us);
  }
  return best;
}

/// Every layout's cost, the one to deploy first.
std::vector<LayoutCost> weigh(const std::vector<const Wanted*>& members, Source source, const std::string& incumbent) {
  std::map<std::string, LayoutCost> costs;
  std::map<std::string, double> won;  // weight of the problems whose race a layout won
  for (const Wanted* wanted : members) {
    if (const Candidate* winner = race_winner(*wanted, source)) won[winner->layout] += wanted->weight;
    for (const auto& [layout, time_us] : best_by_layout(*wanted, source)) {
      LayoutCost& cost = costs[layout];
      cost.layout = layout;
      cost.cost_us += wanted->weight * time_us;
      ++cost.served;
    }
  }
  std::vector<LayoutCost> sorted;
  for (auto& [layout, cost] : costs) sorted.push_back(cost);
  std::stable_sort(sorted.begin(), sorted.end(), [&](const LayoutCost& a, const LayoutCost& b) {
    if (a.served != b.served) return a.served > b.served;
    return a.cost_us != b.cost_us ? a.cost_us < b.cost_us : won[a.layout] > won[b.layout];
  });
  const auto kept = std::find_if(sorted.begin(), sorted.end(), [&](auto& cost) { return cost.layout == incumbent; });
  if (kept != sorted.end() && kept->served == sorted.front().served && kept->cost_us < sorted.front().cost_us * kTie) {
    std::rotate(sorted.begin(), kept, kept + 1);
  }
  return sorted;
}

void decide(Group& group, const std::vector<const Wanted*>& members, const std::string& incumbent) {
  size_t left_aside = 0;
  for (const Wanted* wanted : members) {
    if (best_source(wanted->usable.rows) == Source::Measured) group.source = Source::Measured;
    if (!wanted->usable.rows.empty() && group.source == Source::None) group.source = Source::Predicted;
  }
  group.layouts = weigh(members, group.source, incumbent);
  if (!group.layouts.empty()) group.layout = group.layouts.front().layout;
  for (const Wanted* wanted : members) {
    for (const Candidate& row : wanted->usable.rows) left_aside += row.source != group.source;
    const auto best = best_by_layout(*wanted, group.source);
    const auto served = best.find(group.layout);
    if (served == best.end()) {
      group.unserved.push_back(wanted->problem);
      continue;
    }
    double free_us = std::numeric_limits<double>::infinity();
    for (const auto& [layout, time_us] : best) free_us = std::min(free_us, time_us);
    group.chosen_us += wanted->weight * served->second;
    group.free_us += wanted->weight * free_us;
  }
  std::vector<std::string> notes;
  if (group.layout.empty()) notes.push_back("no usable row");
  if (const auto note = source_note(group.source); !note.empty()) notes.emplace_back(note);
  if (left_aside > 0) notes.push_back(fmt::format("{} predicted rows left aside: others are measured", left_aside));
  if (group.layouts.size() > 1 && group.layout == incumbent && group.layouts[1].served == group.layouts[0].served &&
      group.layouts[1].cost_us < group.layouts[0].cost_us) {
    notes.push_back(fmt::format("ties with {}: the incumbent stays", group.layouts[1].layout));
  }
  group.note = fmt::format("{}", fmt::join(notes, "; "));
}

/// The problem's kernel in its group's layout, or why there is none.
Choice choose_variant(const Wanted& wanted, const Group& group, const std::string& environment) {
  const auto rows = ranked(wanted.usable, group.layout, group.source);
  if (!rows.empty() && !group.layout.empty()) return exact_choice(rows.front(), environment);
  Choice none;
  none.problem = wanted.problem;
  const auto elsewhere = ranked(wanted.usable, "", group.source);
  const std::string refusals = wanted.usable.refusals();
  if (!elsewhere.empty()) {
    none.note =
        fmt::format("no usable row in layout {}, which its weights are in; {} takes {:.2f} us in {}", group.layout,
                    elsewhere.front().variant, *elsewhere.front().median_us, elsewhere.front().layout);
  } else if (!wanted.usable.rows.empty()) {
    none.note = "only predicted rows, while others of these weights are measured";
  } else {
    none.note = wanted.usable.ok == 0 ? "no candidate ended ok in this environment" : "no usable row";
  }
  if (!refusals.empty()) none.note += "; " + refusals;
  return none;
}

}  // namespace

std::string group_key(std::string_view op, std::string_view scheme, std::string_view layout_group) {
  return fmt::format("{} {} {}", op, scheme, layout_group);
}

double Selection::chosen_us() const {
  double sum = 0;
  for (const Group& group : groups) sum += group.chosen_us;
  return sum;
}

double Selection::free_us() const {
  double sum = 0;
  for (const Group& group : groups) sum += group.free_us;
  return sum;
}

double Selection::ratio() const { return free_us() > 0 ? chosen_us() / free_us() : 1; }

const Group* Selection::group(std::string_view op, std::string_view scheme, std::string_view layout_group) const {
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
    return group.op == op && group.scheme == scheme && group.layout_group == layout_group;
  });
  return found == groups.end() ? nullptr : &*found;
}

Selection choose(const store::Store& store, int64_t environment, std::string_view name, const Incumbents& incumbents) {
  const auto environments = store.environments();
  const auto row = std::find_if(environments.begin(), environments.end(), [&](auto& e) { return e.id == environment; });
  if (row == environments.end()) bad_input("{}: holds no environment {}", store.path().string(), environment);
  Job job = read_job(store, environment, name);

  Selection selection;
  selection.environment = environment;
  selection.target = row->environment.target;
  selection.environment_text = describe(row->environment);
  selection.job = name;
  for (auto& [key, group] : job.groups) {
    std::vector<const Wanted*> members;
    for (const Wanted& wanted : job.problems) {
      if (wanted.key == key) members.push_back(&wanted);
    }
    const auto incumbent = incumbents.find(key);
    decide(group, members, incumbent == incumbents.end() ? "" : incumbent->second);
  }
  for (const Wanted& wanted : job.problems) {
    selection.choices.push_back(choose_variant(wanted, job.groups.at(wanted.key), selection.environment_text));
  }
  for (auto& [key, group] : job.groups) selection.groups.push_back(std::move(group));
  return selection;
}

}  // namespace qoq::select
