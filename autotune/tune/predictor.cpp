#include "autotune/tune/predictor.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "autotune/tune/candidate.h"
#include "kernels/base/error.h"

namespace qoq::tune {

namespace {

/// Compiled and predicted at once: enough for every processor, few enough that their cubins and logs fit in memory.
constexpr size_t part_points = 256;

}  // namespace

std::vector<std::optional<double>> predict_points(Workshop& workshop, const Family& family, const Problem& problem,
                                                  std::span<const Point> points, Progress& progress,
                                                  const std::stop_token& stop) {
  std::vector<std::optional<double>> predicted(points.size());
  for (size_t begin = 0; begin < points.size() && !stop.stop_requested(); begin += part_points) {
    progress.enter(
        fmt::format("{}  {}  predicting {} of {}", workshop.target.name, problem.text(), begin, points.size()));
    std::vector<size_t> places;
    std::vector<Source> sources;
    for (size_t i = begin; i < std::min(begin + part_points, points.size()); ++i) {
      if (family.unsupported(points[i], problem, workshop.target.device)) continue;
      places.push_back(i);
      sources.push_back(family.source(points[i], problem));
    }
    const std::vector<compile::Build> builds = workshop.compiler->build(sources, {}, stop);
    // A clock of this part's own: it remembers every cubin that it has read.
    const auto own = workshop.target.simulated() ? nullptr : make_predicting_clock(workshop.target);
    Clock& clock = own ? *own : *workshop.clock;
    for (size_t i = 0; i < places.size(); ++i) {
      if (builds[i].cancelled || !refusal(builds[i]).empty()) continue;
      const Timing timing = clock.time(family, points[places[i]], problem, builds[i]);
      if (timing.failure.empty()) predicted[places[i]] = timing.median_us;
    }
  }
  progress.enter(workshop.target.name + "  " + problem.text());
  return predicted;
}

HalfTime::HalfTime(const std::stop_token& outer, std::optional<Clock::time_point> deadline)
    : passed_on_(outer, Pass{source_}) {
  if (!deadline) return;
  const auto now = Clock::now();
  timer_ = std::jthread([this, half = now + (*deadline - now) / 2](const std::stop_token& ended) {
    std::mutex guard;
    std::condition_variable_any never;
    std::unique_lock lock(guard);
    never.wait_until(lock, ended, half, [] { return false; });
    source_.request_stop();
  });
}

bool predicts(const search::Settings& settings) {
  const auto table = search::strategies();
  const auto found = std::ranges::find(table, settings.strategy, &search::Entry::name);
  return found != table.end() && found->predicts;
}

void check_predictions(const search::Settings& settings, std::span<const Workshop> workshops, Progress& progress) {
  if (!predicts(settings)) return;
  for (const Workshop& workshop : workshops) {
    const Target& target = workshop.target;
    if (!target.sheet)
      bad_input("{}: there is no sheet of {}, so {} cannot predict for it; another strategy needs none", target.name,
                target.device.name, settings.strategy);
  }
  for (const Workshop& workshop : workshops) {
    if (workshop.target.simulated())
      progress.say(fmt::format("{}: on a simulated GPU measuring is predicting: {} records what the model ranks first",
                               workshop.target.name, settings.strategy));
  }
}

}  // namespace qoq::tune
