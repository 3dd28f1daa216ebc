#include "autotune/tune/proof.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"

namespace qoq::tune {

namespace {

/// Runs body(i) for i in [0, count) on `jobs` threads; the first exception is thrown again here.
template <class Body>
void parallel_for(size_t count, int jobs, Body body) {
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < count; i = next++) body(i);
    } catch (...) {
      const std::lock_guard lock(guard);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int j = 1; j < jobs; ++j) threads.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

class EmulatorProof final : public Proof {
 public:
  EmulatorProof(std::unique_ptr<compile::Compiler> compiler, std::unique_ptr<verify::Verifier> verifier, int jobs,
                uint64_t seed)
      : compiler_(std::move(compiler)), verifier_(std::move(verifier)), jobs_(jobs), seed_(seed) {}

  size_t batch() const override { return 64; }
  size_t short_batch() const override { return std::clamp<size_t>(static_cast<size_t>(jobs_), 1, batch()); }

  std::vector<verify::Verdict> prove(const std::vector<Built>& built, std::stop_token stop) override {
    std::vector<size_t> open;  // first of each kind that has no verdict yet
    std::vector<std::string> keys;
    for (size_t i = 0; i < built.size(); ++i) {
      keys.push_back(key_of(built[i]));
      if (!verdicts_.contains(keys[i])) {
        verdicts_[keys[i]] = {};
        open.push_back(i);
      }
    }
    std::vector<Source> sources;
    for (const size_t i : open) sources.push_back(built[i].family->source(built[i].point, built[i].problem));
    const std::vector<compile::Build> builds = compiler_->build(sources, {}, stop);
    std::vector<verify::Verdict> fresh(open.size());
    parallel_for(open.size(), jobs_, [&](size_t j) { fresh[j] = verdict_of(built[open[j]], builds[j], stop); });
    for (size_t j = 0; j < open.size(); ++j) {
      if (fresh[j].message == cancelled)
        verdicts_.erase(keys[open[j]]);
      else
        verdicts_[keys[open[j]]] = fresh[j];
    }
    std::vector<verify::Verdict> result;
    for (const std::string& key : keys) {
      const auto found = verdicts_.find(key);
      result.push_back(found != verdicts_.end() ? found->second : verify::Verdict{});
    }
    return result;
  }

 private:
  static constexpr const char* cancelled = "cancelled";

  verify::Verdict verdict_of(const Built& b, const compile::Build& build, const std::stop_token& stop) {
    verify::Verdict verdict;
    verdict.where = "emulator";
    verdict.problem = b.problem;
    if (build.cancelled || stop.stop_requested()) {
      verdict.message = cancelled;
    } else if (!build.ok) {
      verdict.message = "the host's compiler refused the emulated kernel: " + build.log.substr(0, 400);
    } else {
      verdict = verifier_->verify(*b.family, b.point, b.problem, build.object, seed_);
    }
    return verdict;
  }

  /// What a verdict depends on: the kernel's text, the problem really run, and the point (splits, raster).
  static std::string key_of(const Built& b) {
    const Problem reduced = b.family->reduced(b.point, b.problem);
    return digest(b.family->source(b.point, b.problem).text) + reduced.text() + b.family->variant(b.point, reduced);
  }

  std::unique_ptr<compile::Compiler> compiler_;
  std::unique_ptr<verify::Verifier> verifier_;
  int jobs_;
  uint64_t seed_;
  std::map<std::string, verify::Verdict> verdicts_;
};

class CudaProof final : public Proof {
 public:
  CudaProof(std::shared_ptr<worker::Gpu> gpu, uint64_t seed) : gpu_(std::move(gpu)), seed_(seed) {}

  size_t batch() const override { return 1; }

  std::vector<verify::Verdict> prove(const std::vector<Built>& built, std::stop_token stop) override {
    std::vector<verify::Verdict> verdicts(built.size());
    for (size_t i = 0; i < built.size() && !stop.stop_requested(); ++i) {
      verdicts[i] = gpu_->verify({built[i].family, built[i].point, built[i].problem, built[i].build.object}, seed_);
    }
    return verdicts;
  }

 private:
  std::shared_ptr<worker::Gpu> gpu_;
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<Proof> make_emulator_proof(std::unique_ptr<compile::Compiler> host_compiler,
                                           std::unique_ptr<verify::Verifier> verifier, int jobs, uint64_t seed) {
  return std::make_unique<EmulatorProof>(std::move(host_compiler), std::move(verifier), jobs, seed);
}

std::unique_ptr<Proof> make_cuda_proof(std::shared_ptr<worker::Gpu> gpu, uint64_t seed) {
  return std::make_unique<CudaProof>(std::move(gpu), seed);
}

}  // namespace qoq::tune
