#include <algorithm>
#include <map>

#include "autotune/bandwidth/bandwidth.h"
#include "kernels/family.h"

namespace qoq::bandwidth {

namespace {

/// What problems of different schemes share when they are the same work: operator and fields, in any order.
std::string work_key(const Problem& problem) {
  std::string key = problem.op;
  for (const auto& [name, value] : std::map(problem.fields.begin(), problem.fields.end())) {
    key += " " + name + "=" + value;
  }
  return key;
}

/// Measured and predicted ceilings are two; of each source the one with the most GB/s.
std::vector<Ceiling> ceilings_of(const std::vector<Row>& rows) {
  std::vector<Ceiling> ceilings;
  for (const store::Source source : {store::Source::Measured, store::Source::Predicted}) {
    const Row* best = nullptr;
    for (const Row& row : rows) {
      const Problem problem = Problem::parse(row.problem);
      if (row.source != source || problem.op != "ceiling" || problem.scheme != "read") continue;
      if (best == nullptr || row.gb_per_s() > best->gb_per_s()) best = &row;
    }
    if (best != nullptr) ceilings.push_back({source, best->problem, best->variant, best->time_us, best->gb_per_s()});
  }
  return ceilings;
}

void add_shares(Table& table) {
  for (Row& row : table.rows) {
    for (const Ceiling& ceiling : table.ceilings) {
      if (ceiling.source == row.source && ceiling.gb_per_s > 0) row.ceiling_share = row.gb_per_s() / ceiling.gb_per_s;
    }
  }
}

/// Puts problems of the same work beside each other, at the place of the first, and compares them.
void compare_schemes(std::vector<Row>& rows) {
  std::vector<std::vector<Row>> works;
  std::map<std::string, size_t> place;
  for (Row& row : rows) {
    const auto [found, fresh] = place.emplace(work_key(Problem::parse(row.problem)), works.size());
    if (fresh) works.emplace_back();
    works[found->second].push_back(std::move(row));
  }
  rows.clear();
  for (std::vector<Row>& work : works) {
    std::ranges::sort(work, {}, [](const Row& row) { return Problem::parse(row.problem).scheme; });
    for (Row& row : work) {
      for (const Row& other : work) {
        if (&other == &row || other.source != row.source) continue;
        row.others.push_back(
            {Problem::parse(other.problem).scheme, other.problem, other.time_us, other.time_us / row.time_us});
      }
    }
    std::ranges::move(work, std::back_inserter(rows));
  }
}

}  // namespace

Table tabulate(const store::Store& store, const store::EnvironmentRow& environment) {
  Table table;
  table.target = environment.environment.target;
  std::map<std::string, store::ProblemRow> problems;
  for (store::ProblemRow& problem : store.problems()) problems[problem.text] = std::move(problem);
  for (const store::Candidate& best : store.best(environment.id)) {
    const store::ProblemRow& problem = problems.at(best.problem);
    table.rows.push_back({.problem = best.problem,
                          .variant = best.variant,
                          .layout = best.layout,
                          .source = best.source,
                          .time_us = *best.median_us,
                          .noise = best.source == store::Source::Measured ? best.noise : std::nullopt,
                          .read_bytes = problem.read_bytes,
                          .write_bytes = problem.write_bytes});
  }
  table.ceilings = ceilings_of(table.rows);
  add_shares(table);
  compare_schemes(table.rows);
  return table;
}

}  // namespace qoq::bandwidth
