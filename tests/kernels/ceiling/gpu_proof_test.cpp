// The emulator's proof, repeated on the machine itself.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/verify/cuda_verifier.h"
#include "tests/kernels/ceiling/every_ceiling.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

TEST(CeilingOnGpu, EqualsTheReferenceByteForByte) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const Device& device = attached.gpus.front().device;
  compile::NvrtcCompiler compiler(nvrtc, device.architecture(),
                                  std::filesystem::path(testing::TempDir()) / "qoqtune-gpu-ceiling", 4);
  verify::CudaVerifier verifier{runtime::CudaDevice(0)};
  const uint64_t seed = fresh_seed();
  for (const Problem& problem : every_ceiling()) {
    const Family& family = family_of(problem);
    for (const Parameter& parameter : family.parameters()) {
      Point point = first_point(family);
      point[parameter.name] = parameter.values.back();
      if (family.unsupported(point, problem, device)) continue;
      SCOPED_TRACE(fmt::format("{} on \"{}\", seed {}", family.variant(point, problem), problem.text(), seed));
      const Source source = family.source(point, problem);
      const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
      ASSERT_TRUE(build.ok) << build.log;
      const verify::Verdict verdict = verifier.verify(family, point, problem, build.object, seed);
      EXPECT_EQ(verdict.status, verify::Verdict::Status::Ok) << verdict.message;
    }
  }
}

}  // namespace
}  // namespace qoq::test
