#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autotune/worker/child.h"
#include "autotune/worker/protocol.h"
#include "autotune/worker/worker.h"

namespace qoq::worker {

/// How long an answer may take before the child counts as hanging. Far more than it takes when all is well: the child
/// has time-outs of its own, which know the run that hangs.
struct Patience {
  double base_s = 0, each_s = 0;  ///< each: of every subject
};

struct WorkerLimits {
  Patience verify{60, 240};  ///< the CPU's reference and a compiler's run included
  Patience time{30, 210};    ///< all rests of a throttled GPU included
  Patience race{240, 30};
  Patience cross_check{30, 90};
  Patience baselines{120, 480};
  Patience count{60, 240};  ///< a run is replayed for every pass
  double start_s = 120;     ///< the driver's first start after boot included
  double end_s = 5;         ///< that it may take to end, when asked to
  int starts = 3;           ///< failed ones in a row, then the GPU counts as lost
  double rest_s = 1;        ///< between those
};

/// A GPU in a child process. What a variant does there costs one answer and, if need be, a new child: a child that
/// does not answer is killed (Timeout; Sample::timed_out), one that dies is a launch that failed, with how it died and
/// its last words. In what it returns context_lost is never set: here one can always go on.
///
/// Throws Fault::Work when no child can be had: none of WorkerLimits::starts said hello, or one found another GPU than
/// the first (numbers move up when a GPU falls off the bus). Then variants are not to blame.
/// Use it from one thread at a time.
class Worker final : public Gpu {
 public:
  /// Starts a child. `command`: a program that calls run_child(); "--in N --out N" are added. `log` gets what the
  /// child prints.
  explicit Worker(std::vector<std::string> command, WorkerLimits limits = {}, Child::Log log = print_to_stderr);
  ~Worker() override;

  verify::Verdict verify(const measure::Subject& subject, uint64_t seed) override;
  measure::Sample time(const measure::Subject& subject, measure::Modes modes) override;
  measure::RaceResult race(std::span<const measure::Subject> subjects, size_t incumbent, measure::Modes modes) override;
  CrossCheck cross_check(const measure::Subject& subject, measure::Modes modes) override;
  counters::CounterReading count(const measure::Subject& subject) override;
  baselines::BaselineRun run_baselines(const measure::Subject& subject, measure::Modes modes) override;
  std::string uuid() const override { return uuid_; }

  /// The child's process; of the last one, when it is no more.
  int64_t process() const { return process_; }
  /// How many have been started.
  int children() const { return children_; }

  static void print_to_stderr(std::string_view text);

 private:
  std::optional<std::string> try_to_start();
  void have_child();
  Failure lose_child(const std::string& did, bool timed_out);
  Answer ask(Request request);
  Answer hear(const Request& request, double seconds);
  template <class Value>
  std::variant<Value, Failure> answer(Request request);

  std::vector<std::string> command_;
  WorkerLimits limits_;
  Child::Log log_;
  std::unique_ptr<Child> child_;
  std::string uuid_;
  int64_t process_ = 0;
  int children_ = 0;
  uint64_t requests_ = 0;
};

/// This program's own command that serves a target ("cuda:0") to a Worker.
std::vector<std::string> worker_command(const std::string& target, const std::string& cache_folder);

}  // namespace qoq::worker
