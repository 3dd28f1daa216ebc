#pragma once
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/job/job.h"
#include "autotune/store/store.h"
#include "autotune/tune/workshop.h"
#include "roofline/model/subject.h"

namespace qoq::tune {

/// Which of a problem's winners on a simulated GPU owe their place to a rate that nobody vouches for. Written into the
/// details of the fastest row, and of the fastest of each layout against its own layout's rows, as
///   "fragile": [{"rate": "latency.dram", "factor": 0.7, "winner": "<variant>", "loss": 0.03}, …]
/// with the largest loss first; [] where no assumed rate changes the winner; absent where nobody has asked.
class Fragile {
 public:
  Fragile(Workshop& workshop, store::Store& store, int64_t environment, const job::Families& families);

  /// Another problem begins.
  void begin();
  /// A candidate of the current problem that has been predicted in this run.
  void keep(const std::string& variant, std::shared_ptr<const roofline::Subject> subject);
  /// After the problem's search. Does nothing when this run has brought nothing new.
  void assess(const Problem& problem, const std::stop_token& stop);

 private:
  using Rows = std::vector<const store::Candidate*>;
  void assess(const Problem& problem, const Rows& rows, const std::stop_token& stop);
  void fetch(const Problem& problem, const Rows& rows, const std::stop_token& stop);

  Workshop& shop_;
  store::Store& store_;
  int64_t environment_;
  const job::Families& families_;
  std::map<std::string, std::shared_ptr<const roofline::Subject>> kept_;
};

}  // namespace qoq::tune
