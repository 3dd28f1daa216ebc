#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "autotune/compile/host_compiler.h"
#include "kernels/emulator/emulator.h"
#include "kernels/families.h"

namespace qoq::test {

/// A generous GPU to plan for: H200's limits.
Device test_device();

/// A gemm/mma point by its parameters' values, with the rest at plain defaults; enums by number.
Point mma_point(int block_m, int block_n, int block_k, int warp_m, int warp_n, int stages);

/// How a kernel ended on the emulator and against its reference.
struct RunResult {
  emulator::Result result;
  Check check;
};

/// Builds variants for the emulator and runs them: every check on, outputs and workspaces poisoned.
class Bench {
 public:
  explicit Bench(compile::Headers headers = compile::emulator_headers());
  ~Bench();

  struct Job {
    Point point;
    Problem problem;
    const Family* family = &family_named("gemm/mma");
  };
  /// Compiles the jobs' sources together; a source that does not compile fails the calling test.
  void build(const std::vector<Job>& jobs);
  /// Runs a built job's plan `launches` times on the same workspaces; check and counters are of the last launch.
  RunResult run(const Job& job, uint64_t seed, const emulator::Options& options = {}, int launches = 1);
  /// The same on operands from elsewhere, which come back as the last launch left them; nothing is compared.
  emulator::Result run(const Job& job, std::vector<Buffer>& buffers, const emulator::Options& options = {},
                       int launches = 1);

 private:
  std::filesystem::path folder_;
  std::unique_ptr<compile::HostCompiler> compiler_;
  std::map<std::string, std::filesystem::path> objects_;  // by entry
  std::vector<void*> libraries_;
};

/// A seed nobody has seen; tests print it.
uint64_t fresh_seed();

}  // namespace qoq::test
