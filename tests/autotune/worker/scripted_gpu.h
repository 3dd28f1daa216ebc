#pragma once
#include "autotune/worker/worker.h"

namespace qoq::worker {

/// What a variant does to the process that runs it; its point's "act".
enum Act {
  answers,       // and all is well
  wrong_output,  // a verdict that says so
  hangs,
  aborts,
  exits,           // with code 7, after some last words
  loses_context,   // and an answer that says so
  throws_lost,     // the same, thrown
  throws_work,     // a plain Error: no room for operands
  throws_input,    // a missing file
  talks_nonsense,  // on the protocol's line
  half_line,       // of an answer, then dies
  other_number,    // an answer to another request
  infinite,        // a median that is no number
  prints_much,     // on standard output and error: more than a pipe holds
};

/// The subject that does so: a real family's name, a point and problem that nothing reads.
measure::Subject subject(Act act);

/// Does what its subjects say, without a GPU. `line`: where the protocol's answers go.
class ScriptedGpu final : public Gpu {
 public:
  ScriptedGpu(std::string uuid, int line) : uuid_(std::move(uuid)), line_(line) {}
  std::string uuid() const override { return uuid_; }
  verify::Verdict verify(const measure::Subject& subject, uint64_t seed) override;
  measure::Sample time(const measure::Subject& subject, measure::Modes modes) override;
  measure::RaceResult race(std::span<const measure::Subject> subjects, size_t incumbent, measure::Modes modes) override;
  CrossCheck cross_check(const measure::Subject& subject, measure::Modes modes) override;
  counters::CounterReading count(const measure::Subject& subject) override;
  baselines::BaselineRun run_baselines(const measure::Subject& subject, measure::Modes modes) override;

 private:
  bool run(const measure::Subject& subject) const;

  std::string uuid_;
  int line_;
};

}  // namespace qoq::worker
