#include "autotune/tune/fragile.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "autotune/tune/run.h"
#include "roofline/model/sensitivity.h"

namespace qoq::tune {

using store::Candidate;

namespace {

/// Rivals beyond this share of the winner's time do not overtake it for a third more or less of one rate.
constexpr double close_rivals = 1.5;

}  // namespace

Fragile::Fragile(Workshop& workshop, store::Store& store, int64_t environment, const job::Families& families)
    : shop_(workshop), store_(store), environment_(environment), families_(families) {}

void Fragile::begin() { kept_.clear(); }

void Fragile::keep(const std::string& variant, std::shared_ptr<const roofline::Subject> subject) {
  if (subject) kept_[variant] = std::move(subject);
}

void Fragile::assess(const Problem& problem, const std::stop_token& stop) {
  if (kept_.empty()) return;  // all rows are an earlier run's, which has asked
  const std::vector<Candidate> rows = store_.candidates({.environment = environment_,
                                                         .problem = problem.text(),
                                                         .outcome = store::Outcome::Ok,
                                                         .ablated = false,
                                                         .baseline = false,
                                                         .timed = true,
                                                         .samples = false,
                                                         .kernels = false,
                                                         .by_time = true});
  if (rows.empty()) return;
  const auto close = [&](const std::string& layout) {
    Rows near;
    for (const Candidate& row : rows) {
      if (!layout.empty() && row.layout != layout) continue;
      if (near.empty() || *row.median_us <= close_rivals * *near.front()->median_us) near.push_back(&row);
    }
    return near;
  };
  assess(problem, close(""), stop);
  std::set<std::string> layouts{rows.front().layout};
  for (const Candidate& row : rows) {
    if (layouts.insert(row.layout).second) assess(problem, close(row.layout), stop);
  }
}

/// The first row against all of them.
void Fragile::assess(const Problem& problem, const Rows& rows, const std::stop_token& stop) {
  fetch(problem, rows, stop);
  if (stop.stop_requested()) return;  // some rivals may be missing
  std::vector<const roofline::Subject*> subjects;
  Rows with_subject;
  for (const Candidate* row : rows) {
    const auto found = kept_.find(row->variant);
    if (found == kept_.end()) continue;
    subjects.push_back(found->second.get());
    with_subject.push_back(row);
  }
  if (with_subject.empty() || with_subject.front() != rows.front()) return;
  std::vector<roofline::Upset> upsets = roofline::upsets(*shop_.target.sheet, subjects, 0);
  std::ranges::stable_sort(upsets, std::greater{}, &roofline::Upset::loss);
  nlohmann::ordered_json fragile = nlohmann::ordered_json::array();
  for (const roofline::Upset& upset : upsets) {
    fragile.push_back({{"rate", upset.rate},
                       {"factor", upset.factor},
                       {"winner", with_subject[upset.winner]->variant},
                       {"loss", upset.loss}});
  }
  store_.add_details(environment_, problem.text(), rows.front()->variant, false,
                     nlohmann::ordered_json{{"fragile", fragile}}.dump());
}

/// Rows of an earlier run are built again, from the cache, and predicted for the sake of their subjects.
void Fragile::fetch(const Problem& problem, const Rows& rows, const std::stop_token& stop) {
  std::vector<Source> sources;
  std::vector<std::tuple<const Candidate*, const Family*, Point>> missing;
  for (const Candidate* row : rows) {
    if (kept_.contains(row->variant)) continue;
    for (const Family* family : solvers(problem, families_)) {
      if (family->name() != row->family) continue;
      const Point point = nlohmann::json::parse(row->point).get<Point>();
      sources.push_back(family->source(point, problem));
      missing.emplace_back(row, family, point);
    }
  }
  if (missing.empty()) return;
  const std::vector<compile::Build> builds = shop_.compiler->build(sources, {}, stop);
  for (size_t i = 0; i < missing.size(); ++i) {
    const auto& [row, family, point] = missing[i];
    if (builds[i].ok) keep(row->variant, shop_.clock->time(*family, point, problem, builds[i]).subject);
  }
}

}  // namespace qoq::tune
