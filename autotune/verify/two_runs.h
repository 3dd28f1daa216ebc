#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autotune/verify/verifier.h"

namespace qoq::verify {

/// A place where kernels run: named memory and launches. Operands and workspaces already lie there.
class Machine {
 public:
  struct Failure {
    Verdict::Status status;
    std::string message;
  };
  virtual ~Machine() = default;
  virtual Addresses addresses() const = 0;
  virtual void write(const std::string& name, std::span<const std::byte> bytes) = 0;
  virtual void read(const std::string& name, std::span<std::byte> bytes) = 0;
  /// Runs every launch of the plan to its end. `run` is 0, then 1; a machine may schedule them differently.
  virtual std::optional<Failure> run(const Plan& plan, const Arguments& arguments, int run) = 0;
};

/// What a kernel must do on any machine, run twice on the same workspaces:
/// its outputs, poisoned differently each time (what is read and written begins alike), pass `check` (agree with the
/// reference) and byte for byte with each other; workspaces that promise to be zero again are; inputs are as they were.
/// `buffers` are the family's operands; outputs come back in them. Fills status, max_error and message.
void run_twice(Machine& machine, const std::function<Check(const std::vector<Buffer>&)>& check, const Plan& plan,
               const Arguments& arguments, std::vector<Buffer>& buffers, Verdict& verdict);

}  // namespace qoq::verify
