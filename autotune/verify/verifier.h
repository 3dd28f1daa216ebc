#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "kernels/family.h"

namespace qoq::verify {

/// Whether a built variant computes what its family says it should. A wrong kernel is data, never an exception.
struct Verdict {
  enum class Status {
    Ok,
    Wrong,  ///< differs from the reference or from its own second run, a race, memory overwritten that is not its own
    LaunchFailed,  ///< did not load, did not start, or faulted (an illegal address, …)
    Timeout,       ///< did not end in time; on the emulator: a deadlock
  };
  Status status = Status::LaunchFailed;
  std::string where;          ///< "emulator" or "cuda"
  double max_error = 0;       ///< as Check::max_error
  std::string message;        ///< what was wrong, with its place; empty when Ok
  uint64_t seed = 0;          ///< of the operands
  Problem problem;            ///< what was really run: the problem itself, or the family's reduced one
  bool context_lost = false;  ///< it took the GPU's context with it: nothing more can run in this process
};

/// Status as the store and the reports write it: "ok", "wrong", "launch_failed", "timeout".
const char* name(Verdict::Status);

class Verifier {
 public:
  virtual ~Verifier() = default;

  /// Runs the variant twice from `object` (the built cubin or .so with the plan's entries) on operands from `seed`.
  virtual Verdict verify(const Family&, const Point&, const Problem&, const std::filesystem::path& object,
                         uint64_t seed) = 0;
};

}  // namespace qoq::verify
