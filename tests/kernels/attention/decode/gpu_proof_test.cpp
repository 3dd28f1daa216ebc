// The emulator's proof, repeated on the machine itself at full size: what the emulator cannot see is how tensor cores
// round sums and take subnormals, ex2.approx, and what compilers make of the kernel.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/verify/cuda_verifier.h"
#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

struct Row {
  const char* name;
  const char* problem;
  std::vector<const char*> points;
};

/// By its name; GoogleTest would print the bytes, pointers among them.
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

const Row rows[] = {
    {"llama3_kv4",
     "attention kv4 batch=64 heads=32/8 dh=128 ctx=1536 lse=1",
     {"p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment", "p64.tl64.st2.w2.rt1.rw8.sp4.tokens.kernel.fragment",
      "p64.tl32.st3.w4.rt1.rw8.sp2.heads.second.fragment", "p64.tl16.st4.w8.rt1.rw8.sp0.tokens.kernel.fragment",
      "p64.tl32.st2.w4.rt1.rw8.sp2.tokens.kernel.qserve", "p64.tl16.st2.w4.rt1.rw8.sp1.heads.kernel.qserve"}},
    {"ragged_kv4_bf16",
     "attention kv4 batch=6 heads=64/8 dh=128 ctx=1,63,64,65,5000,40000 out=bf16",
     {"p16.tl16.st4.w4.rt1.rw8.sp0.tokens.kernel.fragment", "p128.tl64.st2.w4.rt1.rw8.sp32.tokens.second.fragment",
      "p32.tl32.st3.w2.rt1.rw8.sp16.heads.kernel.qserve"}},
    {"long_context",
     "attention kv4 batch=1 heads=32/8 dh=128 ctx=131072 lse=1",
     {"p64.tl32.st3.w4.rt1.rw8.sp0.tokens.kernel.fragment", "p64.tl64.st2.w4.rt1.rw8.sp32.tokens.second.fragment",
      "p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment"}},
    {"kv8",
     "attention kv8 batch=16 heads=32/8 dh=128 ctx=1536",
     {"p64.tl32.st3.w4.rt1.rw8.sp2.tokens.kernel.fragment", "p64.tl16.st3.w4.rt1.rw8.sp1.heads.kernel.fragment",
      "p64.tl16.st2.w4.rt1.rw8.sp2.tokens.second.qserve"}},
    {"kv16",
     "attention kv16 batch=16 heads=32/8 dh=128 ctx=1536 lse=1",
     {"p64.tl16.st3.w4.rt1.rw8.sp2.tokens.kernel.fragment", "p64.tl16.st2.w4.rt1.rw8.sp1.heads.kernel.fragment",
      "p64.tl16.st2.w4.rt1.rw8.sp2.tokens.second.qserve"}},
    {"kv16_bf16",
     "attention kv16 batch=8 heads=32/8 dh=128 ctx=999 out=bf16",
     {"p64.tl16.st3.w4.rt1.rw8.sp2.tokens.kernel.fragment", "p16.tl16.st2.w4.rt1.rw8.sp1.heads.kernel.qserve"}},
    {"new_tokens_window_cap",
     "attention kv4 batch=8 heads=32/8 dh=128 ctx=3000 q=5 window=1100 cap=30",
     {"p64.tl32.st3.w4.rt2.rw8.sp2.tokens.kernel.fragment", "p64.tl32.st3.w4.rt1.rw8.sp0.heads.second.fragment"}},
    {"dh64",
     "attention kv4 batch=8 heads=16/16 dh=64 ctx=2000",
     {"p64.tl32.st4.w4.rt1.rw8.sp2.tokens.kernel.fragment", "p32.tl32.st3.w4.rt1.rw8.sp2.heads.kernel.qserve"}},
    {"dh256",
     "attention kv4 batch=8 heads=16/1 dh=256 ctx=2000",
     {"p64.tl16.st3.w4.rt1.rw8.sp8.tokens.kernel.fragment", "p32.tl16.st3.w2.rt1.rw8.sp8.tokens.kernel.qserve"}},
    {"ablation",
     "attention kv4 batch=8 heads=32/8 dh=128 ctx=1000",
     {"p64.tl32.st3.w4.rt1.rw8.sp2.tokens.kernel.fragment.ablated"}},
};

class DecodeOnGpu : public testing::TestWithParam<Row> {};

TEST_P(DecodeOnGpu, IsWithinItsClassOfTheReference) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const Row& row = GetParam();
  const Device& device = attached.gpus.front().device;
  const Family& family = family_named("attention/decode");
  const Problem problem = parse_problem(row.problem);
  compile::NvrtcCompiler compiler(nvrtc, device.architecture(),
                                  std::filesystem::path(testing::TempDir()) / "qoqtune-gpu-decode", 4);
  verify::CudaVerifier verifier{runtime::CudaDevice(0), {}, {.reference_ops = 1e13}};
  const uint64_t seed = fresh_seed();
  for (const char* id : row.points) {
    const Point point = decode_point(id, problem);
    SCOPED_TRACE(fmt::format("{} on \"{}\", seed {}", id, problem.text(), seed));
    if (const auto why = family.unsupported(point, problem, device)) {  // only a GPU with less shared memory may pass
      EXPECT_NE(why->find("shared memory"), std::string::npos) << *why;
      continue;
    }
    const Source source = family.source(point, problem);
    const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
    ASSERT_TRUE(build.ok) << build.log;
    const verify::Verdict verdict = verifier.verify(family, point, problem, build.object, seed);
    EXPECT_EQ(verdict.status, verify::Verdict::Status::Ok) << verdict.message;
    EXPECT_EQ(verdict.problem, problem);
    fmt::print("{} {}: error {:.2e}\n", row.name, id, verdict.max_error);
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, DecodeOnGpu, testing::ValuesIn(rows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace qoq::test
