#include "autotune/tune/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>

#include "autotune/tune/candidate.h"
#include "autotune/tune/predictor.h"
#include "autotune/tune/tune.h"
#include "roofline/gpu/measured.h"

namespace qoq::tune {

using store::Candidate;
using store::Outcome;

namespace {

/// Points of an earlier environment that --revalidate tries again: of each problem, fastest first.
constexpr size_t revalidated_points = 6;

/// Builds that are made while the GPU works on those before them.
constexpr size_t built_ahead = 16;

/// Proving a whole batch may take that long.
constexpr std::chrono::minutes last_minute{1};

/// What was measured of a GPU's ceilings last, in whatever environment of it.
std::vector<roofline::Measured> measured_ceilings(const store::Store& store, const std::string& uuid) {
  std::vector<roofline::Measured> measured;
  std::string latest;
  for (const store::EnvironmentRow& row : store.environments()) {
    if (uuid.empty() || row.environment.uuid != uuid || row.used_at < latest) continue;
    const std::vector<store::CeilingRow> ceilings = store.ceilings(row.id);
    if (ceilings.empty()) continue;
    latest = row.used_at;
    measured.clear();
    for (const store::CeilingRow& each : ceilings)
      measured.push_back({each.name, each.value, each.created_at.substr(0, 10)});
  }
  return measured;
}

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Points that read the same operands one after the other: making those takes longer than most kernels' samples.
std::vector<Point> by_operands(const Family& family, const Problem& problem, std::vector<Point> points) {
  std::ranges::stable_sort(points, {}, [&](const Point& point) { return family.operand_key(point, problem); });
  return points;
}

}  // namespace

std::vector<const Family*> solvers(const Problem& problem, const job::Families& families) {
  std::vector<const Family*> found;
  for (const auto& family : families) {
    const auto schemes = family->schemes();
    const bool solves =
        family->op() == problem.op && std::find(schemes.begin(), schemes.end(), problem.scheme) != schemes.end();
    if (solves) found.push_back(family.get());
  }
  return found;
}

std::optional<Point> published_point(const Family& family, const Problem& problem) {
  auto point = family.published(problem);
  return point && !family.illegal(*point, problem) ? point : std::nullopt;
}

Run::Run(const job::Job& job, Workshop& workshop, store::Store& store, const search::Settings& settings,
         Progress& progress, std::stop_token stop, Summary& summary, const job::Families& families)
    : job_(job),
      shop_(workshop),
      store_(store),
      settings_(settings),
      progress_(progress),
      stop_(std::move(stop)),
      summary_(summary),
      families_(families) {
  environment_ = store_.environment(
      environment_of(shop_.target, shop_.compiler->identity(), compile::device_headers(), shop_.modes));
  if (shop_.target.attached && shop_.target.sheet) {
    const auto measured = measured_ceilings(store_, shop_.target.attached->uuid);
    shop_.target.sheet = roofline::with_measured(*shop_.target.sheet, measured);
  }
  store_.put_gpu(environment_, gpu_row(shop_.target));
  if (shop_.gpu) finish_.emplace(shop_, store_, environment_, families_, summary_);
  if (shop_.target.simulated()) fragile_.emplace(shop_, store_, environment_, families_);
  if (shop_.extras.ablations) ablation_.emplace(job_, shop_, store_, environment_, families_, summary_);
}

void Run::problem(const Problem& problem) {
  progress_.enter(shop_.target.name + "  " + problem.text());
  remember(problem);
  if (shop_.extras.revalidate) {
    revalidate(problem);
  } else {
    for (const Family* family : solvers(problem, families_)) search(*family, problem);
    say_if_nothing_came_of(problem);
  }
  finish(problem);
}

void Run::say_if_nothing_came_of(const Problem& problem) {
  const bool timed = std::ranges::any_of(times_, [](const auto& each) { return each.second.has_value(); });
  if (timed || stop_.stop_requested()) return;
  progress_.say(times_.empty() ? fmt::format("{}: the job's space holds no kernel of this scheme", problem.text())
                               : fmt::format("{}: none of {} kernels can be used on {}; their rows say why",
                                             problem.text(), times_.size(), shop_.target.name));
}

/// What follows a problem's search.
void Run::finish(const Problem& problem) {
  if (fragile_ && !stop_.stop_requested()) fragile_->assess(problem, stop_);
  if (finish_ && shop_.extras.race && !stop_.stop_requested()) finish_->race(problem);
  if (finish_ && shop_.extras.baselines && !stop_.stop_requested()) finish_->baselines(problem);
  if (!ablation_ || stop_.stop_requested()) return;
  progress_.enter(shop_.target.name + "  ablation of " + problem.text());
  ablation_->take(problem, stop_);
}

void Run::explain(const Problem& problem) {
  if (!finish_ || !shop_.extras.counters || stop_.stop_requested()) return;
  progress_.enter(shop_.target.name + "  counters of " + problem.text());
  finish_->explain(problem);
}

void Run::search(const Family& family, const Problem& problem) {
  const auto published = published_point(family, problem);
  if (published) candidates(family, problem, {*published}, published);
  search::Settings settings = settings_;
  settings.predict = [&](std::span<const Point> points) { return predictions(family, problem, points); };
  const auto strategy = search::make_strategy(settings, space_of(job_, family, problem));
  while (!stop_.stop_requested()) {
    const std::vector<Point> points = strategy->ask();
    if (points.empty() || stop_.stop_requested()) break;
    candidates(family, problem, points, published);
    if (stop_.stop_requested()) break;  // some of them have no answer
    strategy->tell(answers(family, problem, points));
  }
}

/// For a strategy that ranks by them; those of rows to come are kept, so that each can say what was expected of it.
std::vector<std::optional<double>> Run::predictions(const Family& family, const Problem& problem,
                                                    std::span<const Point> points) {
  const HalfTime half(stop_, settings_.deadline);
  auto predicted = predict_points(shop_, family, problem, points, progress_, half.token());
  for (size_t i = 0; i < points.size(); ++i) {
    if (predicted[i]) predicted_us_[family.variant(points[i], problem)] = *predicted[i];
  }
  return predicted;
}

/// What the last other environment of this very GPU and these modes found best, and what published code would take.
void Run::revalidate(const Problem& problem) {
  for (const Family* family : solvers(problem, families_)) {
    const auto published = published_point(*family, problem);
    std::vector<Point> points;
    for (const Candidate& row : finish_->earlier_best(problem, revalidated_points)) {
      if (row.family != family->name()) continue;
      points.push_back(nlohmann::json::parse(row.point).get<Point>());
    }
    if (published) points.push_back(*published);
    candidates(*family, problem, points, published);
  }
}

/// What earlier runs found out about a problem.
void Run::remember(const Problem& problem) {
  asked_.clear();
  times_.clear();
  if (fragile_) fragile_->begin();
  predicted_us_.clear();
  best_us_ = 0;
  for (const Candidate& row : store_.candidates({.environment = environment_,
                              .problem = problem.text(),
                              .ablated = false,
                              .baseline = false,
                              .samples = false,
                              .kernels = false})) {
    times_[row.variant] = row.median_us;
    if (row.outcome == Outcome::Ok) good_variants_.insert(row.variant);
    note_best(row);
  }
}

void Run::note_best(const Candidate& row) {
  if (!row.median_us || (best_us_ > 0 && *row.median_us >= best_us_)) return;
  best_us_ = *row.median_us;
  progress_.best(row.variant, best_us_, std::string(store::to_text(row.source)).c_str());
}

/// Takes a batch of points all the way.
void Run::candidates(const Family& family, const Problem& problem, const std::vector<Point>& points,
                     const std::optional<Point>& published) {
  std::vector<Built> batch;
  for (const Point& point : shop_.gpu ? by_operands(family, problem, points) : points) {
    const std::string variant = family.variant(point, problem);
    if (!asked_.insert(variant).second) continue;  // the published point, come up again
    if (times_.contains(variant)) {
      ++summary_.known;
      progress_.step(true);
    } else if (const auto reason = family.unsupported(point, problem, shop_.target.device)) {
      Candidate row = new_candidate(shop_.target, family, problem, point, published);
      row.outcome = Outcome::Illegal;
      row.reason = *reason;
      record(row);
    } else {
      batch.push_back({&family, point, problem, {}});
    }
  }
  build_prove_time(batch, published);
}

/// On an attached GPU the compiler works on the next part while the GPU works on this one.
void Run::build_prove_time(const std::vector<Built>& batch, const std::optional<Point>& published) {
  const size_t size = shop_.gpu ? built_ahead : std::max<size_t>(batch.size(), 1);
  const auto part_from = [&](size_t begin) {
    const size_t end = std::min(begin + size, batch.size());
    return std::vector<Built>(batch.begin() + static_cast<std::ptrdiff_t>(begin),
                              batch.begin() + static_cast<std::ptrdiff_t>(end));
  };
  const auto build = [this](const std::vector<Built>& part) {
    std::vector<Source> sources;
    for (const Built& b : part) sources.push_back(b.family->source(b.point, b.problem));
    return shop_.compiler->build(sources, {}, stop_);
  };
  std::future<std::vector<compile::Build>> next;
  for (size_t begin = 0; begin < batch.size() && !stop_.stop_requested(); begin += size) {
    const std::vector<Built> part = part_from(begin);
    const std::vector<compile::Build> builds = next.valid() ? next.get() : build(part);
    if (begin + size < batch.size())
      next = std::async(std::launch::async, [&build, following = part_from(begin + size)] { return build(following); });
    prove_and_time(kept(part, builds, published), published);
  }
}

/// The builds worth running; what does not compile, or spills, is recorded.
std::vector<Built> Run::kept(std::vector<Built> part, const std::vector<compile::Build>& builds,
                             const std::optional<Point>& published) {
  std::vector<Built> good;
  for (size_t i = 0; i < part.size(); ++i) {
    if (builds[i].cancelled) continue;
    part[i].build = builds[i];
    if (const std::string reason = refusal(builds[i]); !reason.empty()) {
      Candidate row = new_candidate(shop_.target, *part[i].family, part[i].problem, part[i].point, published);
      row.outcome = Outcome::CompileFailed;
      row.reason = reason;
      record(row);
    } else {
      good.push_back(std::move(part[i]));
    }
  }
  return good;
}

void Run::prove_and_time(const std::vector<Built>& built, const std::optional<Point>& published) {
  for (size_t begin = 0, count = 0; begin < built.size() && !stop_.stop_requested(); begin += count) {
    const bool soon = settings_.deadline && *settings_.deadline - std::chrono::steady_clock::now() < last_minute;
    count = std::min(soon ? shop_.proof->short_batch() : shop_.proof->batch(), built.size() - begin);
    const auto first = built.begin() + static_cast<std::ptrdiff_t>(begin);
    const std::vector<Built> part(first, first + static_cast<std::ptrdiff_t>(count));
    const std::vector<verify::Verdict> verdicts = shop_.proof->prove(part, stop_);
    for (size_t i = 0; i < part.size() && !stop_.stop_requested(); ++i)
      time_and_record(part[i], verdicts[i], published);
  }
}

void Run::time_and_record(const Built& b, const verify::Verdict& verdict, const std::optional<Point>& published) {
  Candidate row = new_candidate(shop_.target, *b.family, b.problem, b.point, published);
  row.kernels = kernel_rows(shop_.target, b);
  put_verdict(row, verdict);
  if (row.outcome == Outcome::Ok) {
    const double start = now_s();
    const Timing timing = shop_.clock->time(*b.family, b.point, b.problem, b.build);
    if (timing.source == store::Source::Measured) {
      summary_.sampling_s += now_s() - start;
      summary_.gpu_s += timing.gpu_s;
    }
    if (timing.transient) {  // nothing is known of the variant: the next run tries it again
      progress_.say(fmt::format("left open: {}: {}", row.variant, timing.failure));
      times_[row.variant] = std::nullopt;
      progress_.step(false);
      return;
    }
    put_timing(row, timing);
    const auto predicted = predicted_us_.find(row.variant);
    if (row.source == store::Source::Measured && predicted != predicted_us_.end())
      put_prediction(row, predicted->second);
    if (row.outcome == Outcome::Ok) {
      good_variants_.insert(row.variant);
      note_best(row);
      if (fragile_) fragile_->keep(row.variant, timing.subject);
    }
  }
  record(row);
}

void Run::record(const Candidate& row) {
  store_.record(environment_, row);
  ++summary_.outcomes[row.outcome];
  times_[row.variant] = row.median_us;
  progress_.step(false);
}

std::vector<search::Evaluated> Run::answers(const Family& family, const Problem& problem,
                                            const std::vector<Point>& points) const {
  std::vector<search::Evaluated> evaluated;
  for (const Point& point : points) evaluated.push_back({point, times_.at(family.variant(point, problem))});
  return evaluated;
}

}  // namespace qoq::tune
