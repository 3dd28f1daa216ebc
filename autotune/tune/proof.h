#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/compile/compiler.h"
#include "autotune/verify/verifier.h"
#include "autotune/worker/worker.h"
#include "kernels/family.h"

namespace qoq::tune {

/// A point of a family that has been built for its target.
struct Built {
  const Family* family = nullptr;
  Point point;
  Problem problem;
  compile::Build build;
};

/// Shows that built variants compute what they should, before anybody times them.
class Proof {
 public:
  virtual ~Proof() = default;
  /// How many variants are best proven together: each batch is recorded before the next begins, so that one which takes
  /// the GPU's context with it is on record.
  virtual size_t batch() const = 0;
  /// The fewest that keep all processors busy: taken shortly before a deadline, since a batch that it cuts is lost.
  virtual size_t short_batch() const { return batch(); }
  /// One verdict each, in order. Nothing is timed meanwhile.
  virtual std::vector<verify::Verdict> prove(const std::vector<Built>& built, std::stop_token stop) = 0;
};

/// On the emulator, at the reduced size: the same source goes through the host's compiler. Verdicts are remembered,
/// since neither the GPU nor the problem's own size changes them.
std::unique_ptr<Proof> make_emulator_proof(std::unique_ptr<compile::Compiler> host_compiler,
                                           std::unique_ptr<verify::Verifier> verifier, int jobs, uint64_t seed);

/// On the attached GPU, from the very cubin that is timed.
std::unique_ptr<Proof> make_cuda_proof(std::shared_ptr<worker::Gpu> gpu, uint64_t seed);

}  // namespace qoq::tune
