#include "autotune/tune/tune.h"

#include <algorithm>
#include <map>
#include <set>

#include "autotune/tune/predictor.h"
#include "autotune/tune/run.h"

namespace qoq::tune {

namespace {

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
  if (predicts(settings)) return 0;               // as many as the predictions' error asks for
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
  if (!workshops.empty() && !workshops.front().extras.revalidate) check_predictions(settings, workshops, progress);
  put_job(job, store, families);
  Summary summary;
  std::set<std::string> variants;
  for (Workshop& workshop : workshops) {
    Run run(job, workshop, store, settings, progress, stop, summary, families);
    for (const job::WorkItem& item : job.work) {
      if (stop.stop_requested()) break;
      run.problem(item.problem);
    }
    for (const job::WorkItem& item : job.work) run.explain(item.problem);
    variants.insert(run.good_variants().begin(), run.good_variants().end());
  }
  summary.variants = variants.size();
  summary.stopped = stop.stop_requested();
  summary.seconds = progress.seconds();
  return summary;
}

}  // namespace qoq::tune
