#include "autotune/model_check/measured.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/families.h"
#include "roofline/gpu/measured.h"

namespace qoq::model_check {
namespace {

/// The ceilings measured last on the environment's GPU.
std::vector<roofline::Measured> ceilings_of(const store::Store& store, const store::EnvironmentRow& of) {
  std::vector<roofline::Measured> measured;
  std::string latest;
  for (const store::EnvironmentRow& row : store.environments()) {
    if (row.environment.uuid != of.environment.uuid || row.used_at < latest) continue;
    const auto ceilings = store.ceilings(row.id);
    if (ceilings.empty()) continue;
    latest = row.used_at;
    measured.clear();
    for (const auto& each : ceilings) measured.push_back({each.name, each.value, each.created_at.substr(0, 10)});
  }
  return measured;
}

std::vector<store::Candidate> measured_rows(const store::Store& store, int64_t environment,
                                            const std::string& problem) {
  store::Filter filter{.environment = environment,
                       .outcome = store::Outcome::Ok,
                       .ablated = false,
                       .baseline = false,
                       .timed = true,
                       .samples = false};
  if (!problem.empty()) filter.problem = problem;
  std::vector<store::Candidate> rows = store.candidates(filter);
  std::erase_if(rows, [](const store::Candidate& row) {
    return row.source != store::Source::Measured || Problem::parse(row.problem).op == "ceiling";
  });
  return rows;
}

/// Compiles a set's rows and makes their subjects; rows that cannot be had are counted in its notes.
class Rebuilder {
 public:
  Rebuilder(MeasuredSet& set, compile::Compiler& compiler) : set_(set), compiler_(compiler) {}

  void add(const std::vector<store::Candidate>& rows) {
    std::vector<Source> sources;
    std::vector<std::tuple<const store::Candidate*, const Family*, Point, Problem>> kept;
    for (const store::Candidate& row : rows) {
      try {
        const Family& family = family_named(row.family);
        const Problem problem = parse_problem(row.problem);
        const Point point = nlohmann::json::parse(row.point).get<Point>();
        if (family.illegal(point, problem) || family.unsupported(point, problem, set_.sheet.device)) {
          ++refused_;
          continue;
        }
        sources.push_back(family.source(point, problem));
        kept.emplace_back(&row, &family, point, problem);
      } catch (const Error&) {  // a family, field or parameter that this program does not have
        ++refused_;
      }
    }
    const std::vector<compile::Build> builds = compiler_.build(sources);
    for (size_t i = 0; i < kept.size(); ++i) {
      const auto& [row, family, point, problem] = kept[i];
      if (builds[i].ok) {
        keep(*row, *family, point, problem, builds[i]);
      } else {
        ++failed_;
      }
    }
    note(refused_, "no variants of this program");
    note(failed_, "of variants that do not compile now");
    note(planned_otherwise_, "launched with other grids than this program would");
  }

 private:
  void keep(const store::Candidate& row, const Family& family, const Point& point, const Problem& problem,
            const compile::Build& build) {
    const auto [entries, fresh] = entries_.try_emplace(build.key);
    if (fresh) {
      const std::string cubin = read_file(build.object);
      for (const auto& code : roofline::read_cubin(std::as_bytes(std::span(cubin))))
        entries->second[code.name] = roofline::footprint_of(code);
    }
    MeasuredRow made{row.problem, row.variant, *row.median_us,
                     roofline::subject_of(family, point, problem, set_.sheet.device,
                                          [&](const std::string& entry) { return entries->second.at(entry); })};
    const bool same = std::ranges::equal(made.subject.steps, row.kernels, [](const auto& step, const auto& kernel) {
      return static_cast<int64_t>(step.launch.grid.count()) == kernel.ctas &&
             static_cast<int>(step.launch.block.count()) == kernel.threads;
    });
    if (same || row.kernels.empty()) {
      set_.rows.push_back(std::move(made));
    } else {
      ++planned_otherwise_;
    }
  }

  void note(size_t count, const char* what) {
    if (count > 0) set_.notes.push_back(fmt::format("{} measured rows are left out: {}", count, what));
  }

  MeasuredSet& set_;
  compile::Compiler& compiler_;
  std::map<std::string, std::map<std::string, roofline::Footprint>> entries_;
  size_t refused_ = 0, failed_ = 0, planned_otherwise_ = 0;
};

}  // namespace

std::vector<MeasuredSet> read_measured(const store::Store& store, const ReadSettings& settings) {
  std::vector<MeasuredSet> sets;
  for (const store::EnvironmentRow& row : store.environments()) {
    const auto rows = measured_rows(store, row.id, settings.problem);
    if (rows.empty()) continue;
    MeasuredSet set;
    set.environment = row.environment;
    const auto sheet = roofline::sheet_of(set.environment.product, set.environment.architecture);
    if (!sheet)
      bad_input("{}: there is no sheet of {} ({}) to predict by", store.path().string(), set.environment.product,
                set.environment.architecture);
    set.sheet = *sheet;
    set.sheet.device.sm_count = set.environment.sm_count;
    const auto measured = ceilings_of(store, row);
    set.ceilings = roofline::with_measured(set.sheet, measured);
    set.measured_rates = measured.size();
    if (set.environment.kernels != settings.kernels)
      set.notes.push_back(fmt::format(
          "the database's kernels ({}) are not this program's ({}): what is predicted is not quite what was "
          "measured",
          set.environment.kernels, settings.kernels));
    Rebuilder(set, settings.compiler(set.environment.architecture)).add(rows);
    sets.push_back(std::move(set));
  }
  if (sets.empty())
    bad_input("{}: holds no measured row{}{} to score the model on", store.path().string(),
              settings.problem.empty() ? "" : " of ", settings.problem);
  return sets;
}

std::vector<ProblemPairs> predict_all(const MeasuredSet& set, const roofline::Gpu& gpu) {
  std::vector<ProblemPairs> all;
  for (const MeasuredRow& row : set.rows) {
    auto found = std::ranges::find(all, row.problem, &ProblemPairs::problem);
    if (found == all.end()) found = all.insert(all.end(), ProblemPairs{row.problem, {}, {}, {}});
    found->rows.push_back(&row);
    found->forecasts.push_back(roofline::predict(gpu, row.subject));
    found->pairs.push_back({found->forecasts.back().total_us, row.measured_us});
  }
  return all;
}

}  // namespace qoq::model_check
