#pragma once
#include <string>
#include <vector>

#include "autotune/select/select.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::select::testing {

using store::testing::fault_of;
using store::testing::Folder;

/// The text of a gemm problem.
std::string gemm(int m, int n, int k, const std::string& rest = "");

/// As a family of the operator would answer: m and "n= k=" of a gemm, Σ ctx and "heads= dh=" of an attention, whose
/// batch and list of contexts must agree.
FamilyRules toy_rules();

/// A store with one environment and one job, to be filled by hand.
class Shelf {
 public:
  Shelf();
  /// Adds a problem, and to the job when its weight is not negative.
  void want(const std::string& problem, double weight = 1);
  /// Records an ok, verified, predicted row; the result may be changed and put() again.
  store::Candidate put(const std::string& problem, const std::string& variant, const std::string& layout,
                       double time_us);
  void put(const store::Candidate& row) { store_.record(environment_, row); }
  void race(const std::string& problem, const std::string& winner) {
    store_.put_race(environment_, {.problem = problem, .winner = winner, .incumbent = winner, .reason = "it won"});
  }
  Selection choose(const Incumbents& incumbents = {}) const {
    return select::choose(store_, environment_, "job", incumbents);
  }
  Choice answer(const std::string& problem, const FamilyRules& rules = toy_rules()) const {
    return select::answer(store_, choose(), Problem::parse(problem), rules);
  }
  const store::Store& store() const { return store_; }
  int64_t environment() const { return environment_; }

 private:
  Folder folder_;
  store::Store store_;
  int64_t environment_;
  store::JobRow job_{"job", "", {}, ""};
};

/// A row that is put nowhere yet.
store::Candidate row_of(const std::string& problem, const std::string& variant, const std::string& layout,
                        double time_us);

}  // namespace qoq::select::testing
