#include "autotune/cli/reading.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "autotune/tune/target.h"
#include "kernels/base/error.h"
#include "kernels/families.h"

namespace qoq::cli {

std::vector<std::string> targets_of(const store::Store& store, const std::string& gpu) {
  std::vector<std::string> known;
  for (const auto& row : store.environments()) {
    if (std::ranges::find(known, row.environment.target) == known.end()) known.push_back(row.environment.target);
  }
  if (gpu.empty()) return known;
  if (std::ranges::find(known, gpu) == known.end()) {
    bad_input("{} has no rows of {}; it has: {}", store.path().string(), gpu,
              known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  }
  return {gpu};
}

std::vector<select::Selection> selections(const store::Store& store, const std::string& gpu) {
  std::set<int64_t> latest;
  for (const std::string& target : targets_of(store, gpu)) latest.insert(store.latest_environment(target)->id);
  std::vector<select::Selection> result;
  for (const int64_t environment : latest) {
    for (const auto& job : store.jobs()) {
      select::Selection selection = select::choose(store, environment, job.name);
      bool tuned = false;
      for (const auto& choice : selection.choices) tuned = tuned || choice.how != select::How::None;
      if (tuned) result.push_back(std::move(selection));
    }
  }
  return result;
}

Problem default_problem(const std::string& id) {
  // One of each operator. A new operator is one more line.
  static constexpr const char* examples[] = {"gemm w4a8-g128 m=64 n=4096 k=4096",
                                             "attention kv4 batch=16 heads=32/8 dh=128 ctx=1024"};
  for (const char* text : examples) {
    const Problem example = Problem::parse(text);
    for (const auto& family : families()) {
      if (family->op() == example.op && family->parse_variant(id, example)) return example;
    }
  }
  return Problem::parse(examples[0]);
}

NamedVariant read_variant(const std::string& id, const Problem& shape) {
  NamedVariant named = find_variant(id, shape);
  for (const Parameter& parameter : named.family->parameters()) {
    const int value = named.point.at(parameter.name);
    if (std::ranges::find(parameter.values, value) == parameter.values.end()) {
      bad_input("\"{}\" is no variant of {}: {} is {}, expected one of {}", id, named.family->name(), parameter.name,
                value, fmt::join(parameter.values, ", "));
    }
  }
  return named;
}

select::FamilyRules family_rules(const std::string& target) {
  std::optional<Device> device;
  try {
    device = tune::resolve_targets({target}).front().device;
  } catch (const Error&) {
    // The GPU that was tuned is not attached to this machine: then only sizes are checked, by canonical().
  }
  select::FamilyRules rules;
  rules.size = [](const Problem& problem) { return families_for(problem).front()->size(problem); };
  rules.layout_group = [](const Problem& problem) { return families_for(problem).front()->layout_group(problem); };
  rules.unsupported = [device](const store::Candidate& row, const Problem& problem) -> std::optional<std::string> {
    const Family& family = family_named(row.family);
    const Point point = nlohmann::json::parse(row.point).get<Point>();
    return device ? family.unsupported(point, problem, *device) : family.illegal(point, problem);
  };
  rules.published = [](const Problem& problem) -> std::optional<select::FamilyRules::Published> {
    for (const Family* family : families_for(problem)) {
      if (const auto point = family->published(problem)) {
        return select::FamilyRules::Published{family->variant(*point, problem), std::string(family->name()),
                                              family->layout(*point, problem)};
      }
    }
    return std::nullopt;
  };
  return rules;
}

}  // namespace qoq::cli
