#include "autotune/tune/tune.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "roofline/model/model.h"

namespace qoq::tune {

namespace {

using store::Candidate;
using store::Outcome;

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

/// The published point, where it is a kernel at all.
std::optional<Point> published_point(const Family& family, const Problem& problem) {
  auto point = family.published(problem);
  return point && !family.illegal(*point, problem) ? point : std::nullopt;
}

/// The run on one target: the straight line, one problem after the other.
class Run {
 public:
  Run(const job::Job& job, Workshop& workshop, store::Store& store, const search::Settings& settings,
      Progress& progress, std::stop_token stop, Summary& summary, const job::Families& families)
      : job_(job),
        shop_(workshop),
        store_(store),
        settings_(settings),
        progress_(progress),
        stop_(std::move(stop)),
        summary_(summary),
        families_(families) {
    environment_ = store_.environment(environment_of(shop_.target, shop_.compiler->identity()));
    store_.put_gpu(environment_, gpu_row(shop_.target));
  }

  void problem(const Problem& problem) {
    progress_.enter(shop_.target.name + "  " + problem.text());
    remember(problem);
    for (const Family* family : solvers(problem, families_)) {
      const auto published = published_point(*family, problem);
      if (published) candidates(*family, problem, {*published}, published);
      const auto strategy = search::make_strategy(settings_, space_of(job_, *family, problem));
      while (!stop_.stop_requested()) {
        const std::vector<Point> points = strategy->ask();
        if (points.empty()) break;
        candidates(*family, problem, points, published);
        if (stop_.stop_requested()) break;  // some of them have no answer
        strategy->tell(answers(*family, problem, points));
      }
    }
  }

  const std::set<std::string>& good_variants() const { return good_variants_; }

 private:
  /// What earlier runs found out about a problem.
  void remember(const Problem& problem) {
    asked_.clear();
    times_.clear();
    best_us_ = 0;
    for (const Candidate& row : store_.candidates({.environment = environment_,
                                .problem = problem.text(),
                                .ablated = false,
                                .samples = false,
                                .kernels = false})) {
      times_[row.variant] = row.median_us;
      if (row.outcome == Outcome::Ok) good_variants_.insert(row.variant);
      note_best(row);
    }
  }

  void note_best(const Candidate& row) {
    if (!row.median_us || (best_us_ > 0 && *row.median_us >= best_us_)) return;
    best_us_ = *row.median_us;
    progress_.best(row.variant, best_us_, std::string(store::to_text(row.source)).c_str());
  }

  /// Takes a batch of points all the way.
  void candidates(const Family& family, const Problem& problem, const std::vector<Point>& points,
                  const std::optional<Point>& published) {
    std::vector<Built> batch;
    for (const Point& point : points) {
      const std::string variant = family.variant(point, problem);
      if (!asked_.insert(variant).second) continue;  // the published point, come up again
      if (times_.contains(variant)) {
        ++summary_.known;
        progress_.step(true);
      } else if (const auto reason = family.unsupported(point, problem, shop_.target.device)) {
        Candidate row = new_row(family, problem, point, published);
        row.outcome = Outcome::Illegal;
        row.reason = *reason;
        record(row);
      } else {
        batch.push_back({&family, point, problem, {}});
      }
    }
    compile_and_keep(batch, published);
    for (size_t begin = 0; begin < batch.size() && !stop_.stop_requested(); begin += shop_.proof->batch()) {
      const size_t count = std::min(shop_.proof->batch(), batch.size() - begin);
      const auto first = batch.begin() + static_cast<std::ptrdiff_t>(begin);
      const std::vector<Built> part(first, first + static_cast<std::ptrdiff_t>(count));
      const std::vector<verify::Verdict> verdicts = shop_.proof->prove(part, stop_);
      for (size_t i = 0; i < part.size() && !stop_.stop_requested(); ++i)
        time_and_record(part[i], verdicts[i], published);
    }
  }

  /// Builds the batch; what does not compile, or spills, is recorded and leaves it.
  void compile_and_keep(std::vector<Built>& batch, const std::optional<Point>& published) {
    std::vector<Source> sources;
    for (const Built& b : batch) sources.push_back(b.family->source(b.point, b.problem));
    const std::vector<compile::Build> builds = shop_.compiler->build(sources, {}, stop_);
    std::vector<Built> kept;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (builds[i].cancelled) continue;
      batch[i].build = builds[i];
      if (const std::string reason = refusal(builds[i]); !reason.empty()) {
        Candidate row = new_row(*batch[i].family, batch[i].problem, batch[i].point, published);
        row.outcome = Outcome::CompileFailed;
        row.reason = reason;
        record(row);
      } else {
        kept.push_back(std::move(batch[i]));
      }
    }
    batch = std::move(kept);
  }

  static std::string refusal(const compile::Build& build) {
    if (!build.ok) {
      const size_t error = build.log.find("error");  // warnings, and what was wrong with the cache, come before
      const size_t before = error == std::string::npos ? error : build.log.rfind('\n', error);
      const size_t begin = before == std::string::npos ? 0 : before + 1;
      return "the compiler refused it: " + build.log.substr(begin, build.log.find('\n', begin) - begin);
    }
    for (const auto& [entry, resources] : build.entries) {
      if (resources.spill_store_bytes + resources.spill_load_bytes > 0) return "spills registers to local memory";
    }
    return "";
  }

  void time_and_record(const Built& b, const verify::Verdict& verdict, const std::optional<Point>& published) {
    Candidate row = new_row(*b.family, b.problem, b.point, published);
    row.verified_on = verdict.where;
    row.verify_problem = verdict.problem.text();
    row.max_error = verdict.max_error;
    row.seed = verdict.seed;
    row.kernels = kernel_rows(b);
    switch (verdict.status) {
      case verify::Verdict::Status::Ok:
        row.outcome = Outcome::Ok;
        break;
      case verify::Verdict::Status::Wrong:
        row.outcome = Outcome::Wrong;
        break;
      case verify::Verdict::Status::LaunchFailed:
        row.outcome = Outcome::LaunchFailed;
        break;
      case verify::Verdict::Status::Timeout:
        row.outcome = Outcome::Timeout;
        break;
    }
    row.reason = verdict.message;
    if (row.outcome == Outcome::Ok) {
      const Timing timing = shop_.clock->time(*b.family, b.point, b.problem, b.build);
      if (timing.failure.empty()) {
        row.source = timing.source;
        row.median_us = timing.median_us;
        if (timing.source == store::Source::Measured) row.noise = timing.relative_iqr;
        row.samples_us = timing.samples_us;
        row.details = timing.details;
        good_variants_.insert(row.variant);
        note_best(row);
      } else {
        row.outcome = Outcome::LaunchFailed;
        row.reason = timing.failure;
      }
    }
    record(row);
  }

  Candidate new_row(const Family& family, const Problem& problem, const Point& point,
                    const std::optional<Point>& published) const {
    Candidate row;
    row.problem = problem.text();
    row.family = family.name();
    row.variant = family.variant(point, problem);
    row.layout = family.layout(point, problem);
    row.point = nlohmann::json(point).dump();
    row.published = published && *published == point;
    if (shop_.target.sheet)
      row.speed_of_light_us = roofline::speed_of_light_us(*shop_.target.sheet, family.work(problem));
    return row;
  }

  std::vector<store::KernelRow> kernel_rows(const Built& b) const {
    std::vector<store::KernelRow> rows;
    for (const Launch& launch : b.family->plan(b.point, b.problem, shop_.target.device).launches) {
      const auto found = b.build.entries.find(launch.entry);
      const compile::EntryResources resources =
          found == b.build.entries.end() ? compile::EntryResources{} : found->second;
      store::KernelRow row;
      row.digest = b.build.key;
      row.entry = launch.entry;
      row.registers = resources.registers;
      row.static_shared_bytes = resources.static_shared_bytes;
      row.spill_bytes = resources.spill_store_bytes + resources.spill_load_bytes;
      row.local_bytes = resources.stack_bytes;
      row.dynamic_shared_bytes = launch.shared_bytes;
      row.ctas = static_cast<int64_t>(launch.grid.count());
      row.threads = static_cast<int>(launch.block.count());
      rows.push_back(row);
    }
    return rows;
  }

  void record(const Candidate& row) {
    store_.record(environment_, row);
    ++summary_.outcomes[row.outcome];
    times_[row.variant] = row.median_us;
    progress_.step(false);
  }

  std::vector<search::Evaluated> answers(const Family& family, const Problem& problem,
                                         const std::vector<Point>& points) const {
    std::vector<search::Evaluated> evaluated;
    for (const Point& point : points) {
      evaluated.push_back({point, times_.at(family.variant(point, problem))});
    }
    return evaluated;
  }

  const job::Job& job_;
  Workshop& shop_;
  store::Store& store_;
  const search::Settings& settings_;
  Progress& progress_;
  std::stop_token stop_;
  Summary& summary_;
  const job::Families& families_;
  int64_t environment_ = 0;
  std::set<std::string> good_variants_;
  // of the current problem
  std::set<std::string> asked_;                         ///< variants this run has asked for
  std::map<std::string, std::optional<double>> times_;  ///< variants that are in the database, nothing where one failed
  double best_us_ = 0;
};

void put_job(const job::Job& job, store::Store& store, const job::Families& families) {
  store::JobRow row{job.name, job.text, {}, ""};
  for (const job::WorkItem& item : job.work) {
    const Family& family = *solvers(item.problem, families).front();
    const Work work = family.work(item.problem);
    store.put_problem({item.problem.text(), item.problem.op, item.problem.scheme, family.layout_group(item.problem),
                       work.ops, work.arithmetic, work.read_bytes, work.write_bytes});
    std::string label;
    for (const std::string& origin : item.origins) label += (label.empty() ? "" : ", ") + origin;
    row.items.push_back({item.problem.text(), label, item.weight});
  }
  store.put_job(row);
}

}  // namespace

search::Space space_of(const job::Job& job, const Family& family, const Problem& problem) {
  return search::Space(job.parameters(family),
                       [&family, problem](const Point& point) { return !family.illegal(point, problem); });
}

uint64_t expected_candidates(const job::Job& job, size_t targets, const search::Settings& settings,
                             const job::Families& families) {
  constexpr uint64_t countable = 500'000;
  std::map<std::string, std::set<Point>> spaces;  // of a family and scheme; empty: too many to list
  uint64_t total = 0;
  for (const job::WorkItem& item : job.work) {
    for (const Family* family : solvers(item.problem, families)) {
      const search::Space space = space_of(job, *family, item.problem);
      const bool listed = space.combinations() <= countable;
      if (!listed && !settings.budget) return 0;
      const auto [points, fresh] = spaces.try_emplace(std::string(family->name()) + item.problem.scheme);
      if (fresh && listed) {
        for (Point& point : search::enumerate(space)) points->second.insert(std::move(point));
      }
      const uint64_t size = listed ? points->second.size() : space.combinations();
      const uint64_t asked = settings.budget ? std::min(size, static_cast<uint64_t>(*settings.budget)) : size;
      const auto published = published_point(*family, item.problem);
      total += asked + (published && !(asked == size && points->second.contains(*published)) ? 1 : 0);
    }
  }
  return total * targets;
}

Summary tune(const job::Job& job, std::vector<Workshop>& workshops, store::Store& store,
             const search::Settings& settings, Progress& progress, std::stop_token stop,
             const job::Families& families) {
  put_job(job, store, families);
  Summary summary;
  std::set<std::string> variants;
  for (Workshop& workshop : workshops) {
    Run run(job, workshop, store, settings, progress, stop, summary, families);
    for (const job::WorkItem& item : job.work) {
      if (stop.stop_requested()) break;
      run.problem(item.problem);
    }
    variants.insert(run.good_variants().begin(), run.good_variants().end());
  }
  summary.variants = variants.size();
  summary.stopped = stop.stop_requested();
  summary.seconds = progress.seconds();
  return summary;
}

}  // namespace qoq::tune
