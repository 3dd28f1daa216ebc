#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "autotune/worker/worker.h"
#include "kernels/base/error.h"

namespace qoq::worker {

/// What a child process and its parent say to each other: one JSON object a line. The child begins with a Hello; then
/// each Request gets one Answer with its number, in turn.
///
/// Numbers go through as they are: doubles in the fewest digits that read back to the same bits, seeds as whole
/// numbers. Infinities and NaN are no measurements and are refused where they are written (but for the error of a wrong
/// kernel, which may be infinite).
///
/// Reading throws Fault::Work with what is wrong: the line is not JSON, a field is missing or of another kind, a
/// number out of range.

struct Hello {
  int64_t process = 0;
  std::string gpu;      ///< Gpu::uuid()
  std::string failure;  ///< why there is no GPU to work with; then the child ends
};

struct Request {
  enum class Kind { Verify, Time, Race, CrossCheck, Count, Baselines };
  uint64_t number = 0;
  Kind kind = Kind::Time;
  std::vector<measure::Subject> subjects;  ///< one, several to race
  measure::Modes modes;                    ///< not of Verify and Count
  uint64_t seed = 0;                       ///< of Verify
  size_t incumbent = 0;                    ///< of Race
};

/// The GPU's owner threw instead of answering.
struct Failure {
  std::string message;
  Fault fault = Fault::Work;
  bool timed_out = false, context_lost = false;  ///< as measure::ContextLost
};

struct Answer {
  uint64_t number = 0;
  /// After Failure in the order of Request::Kind.
  std::variant<Failure, verify::Verdict, measure::Sample, measure::RaceResult, Gpu::CrossCheck,
               counters::CounterReading, baselines::BaselineRun>
      value;

  /// Whether it is one to that request: has its number, is of its kind, tells of all its subjects.
  bool answers(const Request& request) const;
  /// Whether nothing more can run in the process that gave it.
  bool context_lost() const;
};

std::string to_line(const Hello& hello);
std::string to_line(const Request& request);
std::string to_line(const Answer& answer);

Hello read_hello(std::string_view line);
/// Families are found by name among qoq::families().
Request read_request(std::string_view line);
Answer read_answer(std::string_view line);

/// "verify", "time", "race", "cross_check", "count", "baselines".
std::string_view to_text(Request::Kind kind);

}  // namespace qoq::worker
