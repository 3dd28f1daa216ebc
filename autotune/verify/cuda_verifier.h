#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "autotune/verify/verifier.h"
#include "kernels/runtime/cuda_device.h"

namespace qoq::verify {

/// Builds the reference kernel's source for this GPU: its cubin.
using BuildReference = std::function<std::filesystem::path(const Source&)>;

struct CudaLimits {
  double reference_ops = 4e8;  ///< the CPU checks problems up to this many operations (Work::ops), the GPU larger ones
  double timeout_s = 10;       ///< of one run
};

/// Runs cubins on an attached GPU: outputs poisoned, guard bands around every buffer, two runs.
/// A problem beyond CudaLimits::reference_ops is compared, byte for byte, with the family's reference kernel on the
/// same GPU, which itself is first compared with the CPU; without one it runs at the family's reduced size instead.
/// Verdict::problem says what was run. Use it from one thread, the one that made the device current.
///
/// A kernel that faults or hangs takes the GPU's context with it. It still gets its verdict; after that every call
/// throws Fault::Work, and the program must be started again (it then skips what is already recorded).
class CudaVerifier final : public Verifier {
 public:
  explicit CudaVerifier(runtime::CudaDevice device, BuildReference build_reference = {}, CudaLimits limits = {});
  ~CudaVerifier() override;
  Verdict verify(const Family& family, const Point& point, const Problem& problem, const std::filesystem::path& object,
                 uint64_t seed) override;

  /// The operands that the last verdicts prepared for this point's layout of this problem, whatever their seed; nullptr
  /// where there are none (also when only the reduced problem ran). Good until the next verify().
  const std::vector<Buffer>* prepared(const Family& family, const Point& point, const Problem& problem) const;

 private:
  struct Operands;  // on the GPU, guarded; a few are kept for the next points that read the same
  struct Expected;  // what the reference kernel gave, kept likewise

  bool fits_cpu(const Family& family, const Problem& problem) const;
  /// Whether the family has a reference kernel, and it solves this problem.
  bool has_reference(const Family& family, const Point& point, const Problem& problem) const;
  void run_reference(const Family& plain, const Point& point, const Problem& problem,
                     std::vector<Buffer>& buffers) const;
  const Expected& expected_for(const Family& family, const Point& point, const Problem& problem, const Case& values,
                               uint64_t seed);
  static Check compare(const Expected& expected, const std::vector<Buffer>& buffers);

  Problem problem_to_run(const Family& family, const Point& point, const Problem& problem) const;
  Operands& operands_for(const Family& family, const Point& point, const Problem& problem, uint64_t seed);

  runtime::CudaDevice device_;
  BuildReference build_reference_;
  CudaLimits limits_;
  runtime::Stream stream_;
  std::vector<std::unique_ptr<Operands>> operands_;  // used last first, as the next
  std::vector<std::unique_ptr<Expected>> expected_;
  std::set<std::string> trusted_;  // reference kernels that agreed with the CPU
  std::string lost_;               ///< why the context is gone; empty while it lives
};

}  // namespace qoq::verify
