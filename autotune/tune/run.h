#pragma once
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/job/job.h"
#include "autotune/search/strategy.h"
#include "autotune/store/store.h"
#include "autotune/tune/ablation.h"
#include "autotune/tune/finish.h"
#include "autotune/tune/fragile.h"
#include "autotune/tune/progress.h"
#include "autotune/tune/workshop.h"

namespace qoq::tune {

/// Families that solve a problem's operator and scheme.
std::vector<const Family*> solvers(const Problem& problem, const job::Families& families);

/// The published point, where it is a kernel at all.
std::optional<Point> published_point(const Family& family, const Problem& problem);

/// The run on one target: the straight line, one problem after the other.
class Run {
 public:
  Run(const job::Job& job, Workshop& workshop, store::Store& store, const search::Settings& settings,
      Progress& progress, std::stop_token stop, Summary& summary, const job::Families& families);

  void problem(const Problem& problem);
  /// After the last problem: what explains the winners.
  void explain(const Problem& problem);

  const std::set<std::string>& good_variants() const { return good_variants_; }

 private:
  void search(const Family& family, const Problem& problem);
  std::vector<std::optional<double>> predictions(const Family& family, const Problem& problem,
                                                 std::span<const Point> points);
  void revalidate(const Problem& problem);
  void say_if_nothing_came_of(const Problem& problem);
  void finish(const Problem& problem);
  void remember(const Problem& problem);
  void note_best(const store::Candidate& row);
  void candidates(const Family& family, const Problem& problem, const std::vector<Point>& points,
                  const std::optional<Point>& published);
  void build_prove_time(const std::vector<Built>& batch, const std::optional<Point>& published);
  std::vector<Built> kept(std::vector<Built> part, const std::vector<compile::Build>& builds,
                          const std::optional<Point>& published);
  void prove_and_time(const std::vector<Built>& built, const std::optional<Point>& published);
  void time_and_record(const Built& built, const verify::Verdict& verdict, const std::optional<Point>& published);
  void record(const store::Candidate& row);
  std::vector<search::Evaluated> answers(const Family& family, const Problem& problem,
                                         const std::vector<Point>& points) const;

  const job::Job& job_;
  Workshop& shop_;
  store::Store& store_;
  const search::Settings& settings_;
  Progress& progress_;
  std::stop_token stop_;
  Summary& summary_;
  const job::Families& families_;
  int64_t environment_ = 0;
  std::optional<Finish> finish_;    ///< on an attached GPU
  std::optional<Fragile> fragile_;  ///< on a simulated one
  std::optional<Ablation> ablation_;
  std::set<std::string> good_variants_;
  // of the current problem
  std::set<std::string> asked_;                         ///< variants this run has asked for
  std::map<std::string, std::optional<double>> times_;  ///< variants that are in the database, nothing where one failed
  std::map<std::string, double> predicted_us_;          ///< of variants, where the strategy asked for them
  double best_us_ = 0;
};

}  // namespace qoq::tune
