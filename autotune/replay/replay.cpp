#include "autotune/replay/replay.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "kernels/base/error.h"

namespace qoq::replay {

namespace {

/// Numbers of evaluations at which a curve has points: each up to ten, then some 12 % apart, and those of the shares.
std::vector<size_t> places_of(size_t points) {
  const size_t last = evaluations(shares.back(), points);
  std::set<size_t> places;
  for (const double share : shares) places.insert(evaluations(share, points));
  for (double at = 1; at < static_cast<double>(last); at = std::max(at + 1, at * 1.12))
    places.insert(static_cast<size_t>(at));
  return {places.begin(), places.end()};
}

/// One search: best found over the best there is, at each of the places.
std::vector<double> search_once(const Landscape& landscape, const std::string& strategy, uint64_t seed,
                                const std::vector<size_t>& places) {
  search::Settings settings{strategy, {}, seed, landscape.predict()};
  const search::Space space = landscape.space();
  const auto searching = search::make_strategy(settings, landscape.space());
  std::vector<double> found;
  double best_us = 0;
  size_t asked = 0;
  const auto note = [&] {
    while (found.size() < places.size() && places[found.size()] <= asked)
      found.push_back(best_us > 0 ? landscape.best_us() / best_us : 0);
  };
  while (found.size() < places.size()) {
    const std::vector<Point> points = searching->ask();
    if (points.empty()) break;
    std::vector<search::Evaluated> answers;
    for (const Point& point : points) {
      answers.push_back({point, landscape.time_us(space, point)});
      ++asked;
      const auto time_us = answers.back().time_us;
      if (time_us && (best_us == 0 || *time_us < best_us)) best_us = *time_us;
      note();
    }
    searching->tell(answers);
  }
  asked = places.back();  // it ended before: what it found stands
  note();
  return found;
}

/// By linear interpolation between the neighbours; `sorted` is not empty.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(place);
  return std::lerp(sorted[low], sorted[std::min(low + 1, sorted.size() - 1)], place - static_cast<double>(low));
}

Standing standing(size_t evaluations, std::vector<double> found) {
  std::ranges::sort(found);
  Standing s;
  s.evaluations = evaluations;
  const auto count = static_cast<double>(found.size());
  for (const double each : found) s.mean += each;
  s.mean /= count;
  double squares = 0;
  for (const double each : found) squares += (each - s.mean) * (each - s.mean);
  if (found.size() > 1) s.standard_error = std::sqrt(squares / (count - 1) / count);
  s.tenth = quantile(found, 0.1);
  s.median = quantile(found, 0.5);
  s.ninetieth = quantile(found, 0.9);
  return s;
}

/// All searches of all landscapes, in the order of their results.
struct Plan {
  struct Search {
    size_t landscape = 0, strategy = 0;
    uint64_t seed = 0;
    std::vector<double> found;
  };
  std::vector<std::vector<size_t>> places;  ///< of each landscape
  std::vector<Search> searches;
};

void run_all(const std::vector<Landscape>& landscapes, const Settings& settings, Plan& plan, const Progress& progress) {
  std::atomic<size_t> next{0}, done{0};
  std::mutex guard;
  std::exception_ptr failed;
  const auto work = [&] {
    for (size_t i = next++; i < plan.searches.size(); i = next++) {
      Plan::Search& one = plan.searches[i];
      try {
        one.found = search_once(landscapes[one.landscape], settings.strategies[one.strategy], one.seed,
                                plan.places[one.landscape]);
      } catch (...) {
        const std::lock_guard lock(guard);
        if (!failed) failed = std::current_exception();
        next = plan.searches.size();
      }
      const size_t count = ++done;
      if (progress) progress(count, plan.searches.size());
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < settings.jobs; ++i) threads.emplace_back(work);
  }
  if (failed) std::rethrow_exception(failed);
}

StrategyResult result_of(const Plan& plan, size_t landscape, size_t strategy, const std::string& name, size_t points) {
  StrategyResult result{name, {}, {}};
  const std::vector<size_t>& places = plan.places[landscape];
  for (size_t place = 0; place < places.size(); ++place) {
    std::vector<double> found;
    for (const Plan::Search& one : plan.searches) {
      if (one.landscape == landscape && one.strategy == strategy) found.push_back(one.found[place]);
    }
    result.curve.push_back(standing(places[place], std::move(found)));
  }
  for (const double share : shares)
    result.at_shares.push_back(*std::ranges::find(result.curve, evaluations(share, points), &Standing::evaluations));
  return result;
}

void check(const std::vector<Landscape>& landscapes, const Settings& settings) {
  if (settings.seeds < 1) bad_input("{} seeds, expected 1 or more", settings.seeds);
  for (const std::string& name : settings.strategies) {
    if (!search::strategy_named(name).predicts) continue;
    for (const Landscape& landscape : landscapes) {
      if (!landscape.predicted())
        bad_input(
            "{} cannot be replayed on \"{}\": of its {} timed rows {} have a predicted time beside the measured one",
            name, landscape.name(), landscape.timed(), landscape.predictions());
    }
  }
}

}  // namespace

size_t evaluations(double share, size_t points) {
  return static_cast<size_t>(std::max(1.0, std::ceil(share * static_cast<double>(points))));
}

std::vector<SpaceResult> run(const std::vector<Landscape>& landscapes, const Settings& settings,
                             const Progress& progress) {
  check(landscapes, settings);
  Plan plan;
  for (size_t landscape = 0; landscape < landscapes.size(); ++landscape) {
    plan.places.push_back(places_of(landscapes[landscape].points()));
    for (size_t strategy = 0; strategy < settings.strategies.size(); ++strategy) {
      for (int seed = 1; seed <= settings.seeds; ++seed)
        plan.searches.push_back({landscape, strategy, static_cast<uint64_t>(seed), {}});
    }
  }
  run_all(landscapes, settings, plan, progress);
  std::vector<SpaceResult> results;
  for (size_t i = 0; i < landscapes.size(); ++i) {
    const Landscape& of = landscapes[i];
    SpaceResult result{of.name(),       of.gpu(),     of.source(),    of.points(), of.timed(), of.refused(),
                       of.neighbours(), of.best_us(), of.median_us(), {},          {}};
    for (size_t strategy = 0; strategy < settings.strategies.size(); ++strategy)
      result.strategies.push_back(result_of(plan, i, strategy, settings.strategies[strategy], of.points()));
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace qoq::replay
