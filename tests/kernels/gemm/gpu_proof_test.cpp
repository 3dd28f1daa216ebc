// The emulator's proof, repeated on the machine itself: every variant class at full size against the plain kernel.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/verify/cuda_verifier.h"
#include "tests/kernels/gemm/bench.h"
#include "tests/kernels/gemm/forms.h"

namespace qoq::test {
namespace {

struct Shape {
  int block_m, block_n, block_k, warp_m, warp_n, stages, slices, splits;
};

/// `sizes` outside `shapes`: a problem's operands and reference are made once for all tiles.
void prove(const Form& form, std::initializer_list<const char*> sizes, std::initializer_list<Shape> shapes) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const Device& device = attached.gpus.front().device;
  const Family& family = family_named("gemm/mma");
  compile::NvrtcCompiler compiler(nvrtc, device.architecture(),
                                  std::filesystem::path(testing::TempDir()) / "qoqtune-gpu-proof", 4);
  const auto build = [&](const Source& source) {
    const compile::Build result = compiler.build(std::span(&source, 1), {}, {}).front();
    if (!result.ok) throw std::runtime_error(result.log);
    return result.object;
  };
  verify::CudaVerifier verifier{runtime::CudaDevice(0), build};
  const uint64_t seed = fresh_seed();
  for (const char* size : sizes) {
    for (const Shape& s : shapes) {
      Point point = mma_point(s.block_m, s.block_n, s.block_k, s.warp_m, s.warp_n, s.stages);
      point["slices"] = s.slices;
      point["split_k"] = s.splits;
      point["dequant"] = static_cast<int>(form.dequant);
      point["layout"] = static_cast<int>(form.layout);
      point["ablated"] = form.ablated ? 1 : 0;
      const Problem problem = parse_problem(fmt::format("gemm {} {}", form.scheme, size));
      if (const auto why = family.unsupported(point, problem, device)) {  // only a GPU with less shared memory may pass
        const bool no_int4 = why->find("int4 tensor cores") != std::string::npos;
        EXPECT_TRUE(no_int4 || why->find("shared memory") != std::string::npos) << *why;
        if (no_int4) GTEST_SKIP() << *why;
        continue;
      }
      SCOPED_TRACE(fmt::format("{} on \"{}\", seed {}", family.variant(point, problem), problem.text(), seed));
      const verify::Verdict verdict =
          verifier.verify(family, point, problem, build(family.source(point, problem)), seed);
      EXPECT_EQ(verdict.status, verify::Verdict::Status::Ok) << verdict.message;
      EXPECT_EQ(verdict.problem, problem);
    }
  }
}

class MmaOnGpu : public testing::TestWithParam<Form> {};

TEST_P(MmaOnGpu, EqualsThePlainKernelByteForByte) {
  prove(GetParam(), {"m=1 n=4096 k=4096", "m=77 n=4096 k=4096 out=bf16", "m=300 n=6176 k=1408 bias=1"},
        {{16, 64, 128, 16, 32, 4, 1, 4},
         {32, 64, 128, 32, 32, 3, 2, 1},
         {64, 128, 64, 64, 32, 4, 1, 1},
         {128, 128, 128, 64, 64, 3, 1, 2},
         {16, 128, 256, 16, 32, 2, 1, 1}});
}

/// Small enough for the CPU's reference: they have no plain kernel.
class FloatSumsOnGpu : public testing::TestWithParam<Form> {};

TEST_P(FloatSumsOnGpu, AgreeWithTheReference) {
  prove(GetParam(), {"m=1 n=4096 k=4096", "m=77 n=1024 k=2048 out=bf16", "m=133 n=1056 k=1408 bias=1"},
        {{16, 64, 128, 16, 32, 4, 1, 4},
         {32, 64, 128, 32, 32, 3, 2, 1},
         {64, 128, 64, 64, 32, 4, 1, 1},
         {128, 128, 128, 64, 32, 3, 1, 2},
         {16, 128, 256, 16, 32, 2, 4, 1}});
}

INSTANTIATE_TEST_SUITE_P(Forms, FloatSumsOnGpu, testing::ValuesIn(float_forms),
                         [](const auto& form) { return std::string(form.param.name); });
INSTANTIATE_TEST_SUITE_P(Forms, MmaOnGpu, testing::ValuesIn(forms),
                         [](const auto& form) { return std::string(form.param.name); });

}  // namespace
}  // namespace qoq::test
