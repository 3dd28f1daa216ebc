#include "tests/autotune/worker/scripted_gpu.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>

#include "autotune/worker/lines.h"
#include "autotune/worker/protocol.h"
#include "kernels/families.h"

namespace qoq::worker {

measure::Subject subject(Act act) {
  return {&family_named("gemm/mma"), {{"act", act}}, Problem::parse("gemm w4a8-g128 m=16 n=4096 k=4096"), "/no/file"};
}

/// Whether the context is lost after it.
bool ScriptedGpu::run(const measure::Subject& subject) const {
  switch (subject.point.at("act")) {
    case hangs:
      for (;;) ::pause();
    case aborts:
      std::abort();
    case exits:
      std::fprintf(stderr, "first words\nthe GPU fell\noff the bus\n");
      std::exit(7);
    case loses_context:
      return true;
    case throws_lost:
      throw measure::ContextLost("an illegal address", false);
    case throws_work:
      fail("no room for its operands");
    case throws_input:
      bad_input("/no/file cannot be read");
    case talks_nonsense:
      write_line(line_, "Segmentation fault");
      for (;;) ::pause();
    case half_line:
      if (::write(line_, "{\"number\":1,\"sam", 16) != 16) std::exit(1);
      std::exit(0);
    case other_number:
      write_line(line_, to_line(Answer{99, measure::Sample{}}));
      for (;;) ::pause();
    case prints_much:
      for (int i = 0; i < 20'000; ++i) std::printf("{\"number\":%d}\n", i);
      std::fflush(stdout);
      return false;
    default:
      return false;
  }
}

verify::Verdict ScriptedGpu::verify(const measure::Subject& subject, uint64_t seed) {
  verify::Verdict verdict;
  verdict.context_lost = run(subject);
  if (subject.point.at("act") == wrong_output) {
    verdict.status = verify::Verdict::Status::Wrong;
    verdict.max_error = std::numeric_limits<double>::infinity();
    verdict.message = "y[3] is \xff, expected 4";
  } else if (!verdict.context_lost) {
    verdict.status = verify::Verdict::Status::Ok;
    verdict.max_error = 1.0 / 3;
  }
  verdict.where = "cuda";
  verdict.seed = seed;
  verdict.problem = subject.problem.with("m", "5");
  return verdict;
}

measure::Sample ScriptedGpu::time(const measure::Subject& subject, measure::Modes modes) {
  measure::Sample sample;
  if (run(subject)) {
    sample.failure = "an illegal address";
    sample.context_lost = true;
    return sample;
  }
  for (int i = 0; i < 300; ++i) sample.samples_us.push_back(10 + i / 3.0 + (modes.cache == measure::Cache::Cold));
  measure::summarize(sample);
  if (subject.point.at("act") == infinite) sample.median_us = std::numeric_limits<double>::infinity();
  sample.stopped_by = "relative-iqr";
  sample.throttled = ~uint64_t{0};
  return sample;
}

measure::RaceResult ScriptedGpu::race(std::span<const measure::Subject> subjects, size_t incumbent,
                                      measure::Modes modes) {
  measure::RaceResult result;
  for (const measure::Subject& subject : subjects) {
    result.samples.push_back(time(subject, modes));
    result.left_after.push_back(-1);
  }
  result.winner = incumbent == 0 ? subjects.size() - 1 : 0;
  result.changed = true;
  result.reason = "it is faster";
  return result;
}

Gpu::CrossCheck ScriptedGpu::cross_check(const measure::Subject& subject, measure::Modes) {
  run(subject);
  return {10.1, 10.0, 9.5, ""};
}

counters::CounterReading ScriptedGpu::count(const measure::Subject& subject) {
  run(subject);
  return {counters::Rung::Activity, {{"occupancy_pct", 0.1}}, 3, "counters are not permitted"};
}

baselines::BaselineRun ScriptedGpu::run_baselines(const measure::Subject& subject, measure::Modes modes) {
  baselines::BaselineRun answer;
  baselines::BaselineRow row;
  row.name = "some-library";
  row.sample = time(subject, modes);
  row.verdict = verify(subject, 3);
  answer.context_lost = row.sample.context_lost;
  answer.rows.push_back(row);
  answer.absent.push_back({"another", "int8", true, "missing: libanother.so"});
  return answer;
}

}  // namespace qoq::worker
