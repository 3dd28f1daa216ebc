#include "autotune/verify/verifier.h"

namespace qoq::verify {

const char* name(Verdict::Status status) {
  switch (status) {
    case Verdict::Status::Ok:
      return "ok";
    case Verdict::Status::Wrong:
      return "wrong";
    case Verdict::Status::LaunchFailed:
      return "launch_failed";
    case Verdict::Status::Timeout:
      return "timeout";
  }
  return "unknown";
}

}  // namespace qoq::verify
