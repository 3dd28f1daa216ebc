#include "autotune/cli/workshop.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "autotune/compile/host_compiler.h"
#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/verify/emulator_verifier.h"
#include "autotune/worker/client.h"
#include "kernels/base/error.h"
#include "kernels/runtime/nvml.h"

namespace qoq::cli {

namespace {

/// Says on stderr what was wrong with the cache; the build is as good as any.
class Announcing final : public compile::Compiler {
 public:
  explicit Announcing(std::unique_ptr<compile::Compiler> compiler) : compiler_(std::move(compiler)) {}
  std::string identity() const override { return compiler_->identity(); }
  std::vector<compile::Build> build(std::span<const Source> sources, const compile::Done& done,
                                    std::stop_token stop) override {
    auto builds = compiler_->build(sources, done, stop);
    std::set<std::string> said;
    for (const compile::Build& build : builds) {
      if (build.from_cache || !build.log.starts_with("cache entry ") || !said.insert(build.key).second) continue;
      if (::isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");  // over the progress line
      fmt::print(stderr, "{}: {}\n", build.object.parent_path().string(), build.log.substr(0, build.log.find('\n')));
    }
    return builds;
  }

 private:
  std::unique_ptr<compile::Compiler> compiler_;
};

/// Whoever else computes on the GPU disturbs every time taken there.
void warn_of_others(const tune::Target& target) {
  const auto others = runtime::Nvml(target.attached->uuid).other_processes();
  if (!others || others->empty()) return;
  fmt::print(stderr, "{}: {} other process{} on this GPU (process {}): times will be disturbed\n", target.name,
             others->size(), others->size() == 1 ? " is" : "es are", others->front().pid);
}

}  // namespace

std::shared_ptr<tune::Proof> emulator_proof(const tune::Target& target, const std::string& cache_folder, int jobs,
                                            uint64_t seed) {
  return tune::make_emulator_proof(
      std::make_unique<Announcing>(std::make_unique<compile::HostCompiler>(cache_folder, jobs)),
      std::make_unique<verify::EmulatorVerifier>(target.device), jobs, seed);
}

std::vector<tune::Workshop> make_workshops(const std::vector<tune::Target>& targets, const WorkshopSettings& settings) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) fail("tuning compiles real kernels, for simulated GPUs too: {}", nvrtc.reason);
  std::vector<tune::Workshop> workshops;
  std::shared_ptr<tune::Proof> emulator;  // simulated GPUs share it: what it proves does not depend on them
  for (const tune::Target& target : targets) {
    tune::Workshop workshop;
    workshop.target = target;
    workshop.modes = settings.modes;
    workshop.extras = settings.extras;
    // While an attached GPU works, two processors are left to those that feed it.
    const int jobs = target.simulated() ? settings.jobs : std::max(1, settings.jobs - 2);
    workshop.compiler = std::make_unique<Announcing>(
        std::make_unique<compile::NvrtcCompiler>(nvrtc, target.device.architecture(), settings.cache_folder, jobs));
    if (target.simulated()) {
      if (!emulator) emulator = emulator_proof(target, settings.cache_folder, settings.jobs, settings.seed);
      workshop.proof = emulator;
      workshop.clock = tune::make_predicting_clock(target);
    } else {
      warn_of_others(target);
      const auto command = worker::worker_command(target.name, settings.cache_folder);
      workshop.gpu = std::make_shared<worker::Worker>(command);
      if (settings.extras.counters || settings.extras.cross_check)
        workshop.profiler = std::make_shared<worker::Worker>(command);
      workshop.proof = tune::make_cuda_proof(workshop.gpu, settings.seed);
      workshop.clock = tune::make_measuring_clock(workshop.gpu, settings.modes);
    }
    workshops.push_back(std::move(workshop));
  }
  return workshops;
}

}  // namespace qoq::cli
