// The emulator's proof, repeated on the machine itself at full size.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/verify/cuda_verifier.h"
#include "kernels/attention/append/family.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

TEST(AppendOnGpu, EqualsTheReferenceByteForByte) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const Device& device = attached.gpus.front().device;
  const auto family = attention::make_append_family();
  compile::NvrtcCompiler compiler(nvrtc, device.architecture(),
                                  std::filesystem::path(testing::TempDir()) / "qoqtune-gpu-append", 4);
  verify::CudaVerifier verifier{runtime::CudaDevice(0)};
  const uint64_t seed = fresh_seed();
  for (const char* sizes :
       {"kv4 batch=64 heads=8 dh=128 ctx=1536", "kv4 batch=3 heads=8 dh=128 ctx=300,1021,77 tokens=70 rope=1",
        "kv8 batch=5 heads=4 dh=256 ctx=65 rope=1 in=bf16", "kv8 batch=2 heads=3 dh=64 ctx=999 tokens=512",
        "kv16 batch=3 heads=8 dh=128 ctx=200,33,47 tokens=33 rope=1", "kv16 batch=9 heads=2 dh=64 ctx=63 in=bf16"}) {
    const Problem problem = family->canonical(Problem::parse(fmt::format("append {}", sizes)));
    for (const int layout : {0, 1}) {
      for (const int page : {16, 64, 128}) {
        const Point point{{"warps", 4}, {"layout", layout}, {"page", page}};
        SCOPED_TRACE(fmt::format("{} on \"{}\", seed {}", family->variant(point, problem), problem.text(), seed));
        ASSERT_EQ(family->unsupported(point, problem, device), std::nullopt);
        const Source source = family->source(point, problem);
        const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
        ASSERT_TRUE(build.ok) << build.log;
        const verify::Verdict verdict = verifier.verify(*family, point, problem, build.object, seed);
        EXPECT_EQ(verdict.status, verify::Verdict::Status::Ok) << verdict.message;
        EXPECT_EQ(verdict.problem, problem);
      }
    }
  }
}

}  // namespace
}  // namespace qoq::test
