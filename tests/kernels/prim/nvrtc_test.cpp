// The PTX half of the vocabulary through NVRTC: every sm_90 name for Hopper, the headers for the others, and the kernel
// that the emulator's tests run, so that the two meanings stay in step.
#include <gtest/gtest.h>

#include <filesystem>
#include <span>
#include <string>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/base/file.h"

namespace qoq::tests {
namespace {

/// Every wgmma is used, and every other sm_90 operation once.
constexpr const char* every_name = R"(
#include "kernels/prim/prim.cuh"
using namespace qoq;
using namespace qoq::prim;
struct Args { i32* out; const u8* in; u32 a[4]; };
template <int R>
QOQ_DEVICE void multiply(const Args& args) {
  i32 d[R];
  const u64 b = wgmma_descriptor(shared_base(), 128, 256);
  pin_registers(d);
  wgmma_fence();
  wgmma_s8s8(d, args.a, b, false);
  wgmma_s8u8(d, args.a, wgmma_descriptor_swizzled(shared_base(), 1024));
  wgmma_u8s8(d, args.a, b);
  wgmma_commit();
  wgmma_wait<1>();
  wgmma_wait<0>();
  pin_registers(d);
  QOQ_UNROLL for (int i = 0; i < R; ++i) store_global(args.out + thread_index() * R + i, d[i]);
}
template <int... R>
QOQ_DEVICE void multiply_all(const Args& args) { (multiply<R>(args), ...); }
QOQ_DEVICE void kernel(const Args& args) {
  const u32 at = shared_base();
  setmaxnreg_dec<40>();
  if (thread_index() == 0) {
    mbarrier_init(at, 1);
    fence_mbarrier_init();
  }
  sync_threads();
  if (thread_index() == 0) {
    mbarrier_arrive_expect_tx(at, 64);
    cp_async_bulk(at + 1024, args.in, 64, at);
  }
  mbarrier_wait(at, 0);
  fence_proxy_async();
  mbarrier_arrive(at);
  mbarrier_wait(at, 1);
  setmaxnreg_inc<240>();
  multiply_all<4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128>(args);
}
QOQ_ENTRY(every_name, kernel, Args, 128, 1)
)";

constexpr const char* old_name = R"(
#include "kernels/prim/prim.cuh"
struct Args { qoq::i32* out; };
QOQ_DEVICE void kernel(const Args& args) { qoq::prim::store_global(args.out, 1); }
QOQ_ENTRY(old_name, kernel, Args, 128, 1)
)";

constexpr const char* w4a8_header = "tests/kernels/emulator/w4a8_kernel.cuh";
/// The emulator tests' kernel, or one of its mutants.
std::string w4a8_source(const std::string& bug) {
  return "#include \"" + std::string(w4a8_header) + "\"\nusing namespace qoq::tests;\n" +
         "QOQ_ENTRY(w4a8, w4a8_kernel<Bug::" + bug + ">, W4a8Args, w4a8_threads, 1)\n";
}

struct NvrtcTest : testing::Test {
  void SetUp() override {
    if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  compile::Build build(const std::string& text, const std::string& entry, const std::string& architecture) {
    compile::Headers headers = compile::device_headers();
    headers[w4a8_header] = read_file(std::string(QOQ_SOURCE_DIR) + "/" + w4a8_header);
    compile::NvrtcCompiler compiler(nvrtc, architecture, folder, 1, headers);
    const Source source{text, {entry}};
    return compiler.build(std::span(&source, 1), {}, {}).front();
  }
  compile::Nvrtc nvrtc = compile::Nvrtc::open();
  std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("qoq_nvrtc_test." + std::to_string(getpid()));
};
using PtxVocabulary = NvrtcTest;

TEST_F(PtxVocabulary, EveryHopperNameAssembles) {
  const compile::Build result = build(every_name, "every_name", "sm_90a");
  EXPECT_TRUE(result.ok) << result.log;
}

TEST_F(PtxVocabulary, OlderAndNewerArchitecturesStillCompile) {
  for (const char* architecture : {"sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a"}) {
    const compile::Build result = build(old_name, "old_name", architecture);
    EXPECT_TRUE(result.ok) << architecture << ": " << result.log;
  }
  EXPECT_FALSE(build(every_name, "every_name", "sm_80").ok);  // and the new names are not there
}

/// ptxas knows which registers a wgmma in flight uses; where they are touched it waits after each one, and says so.
bool is_serialized(const compile::Build& build) { return build.log.find("are serialized") != std::string::npos; }

TEST_F(PtxVocabulary, TheEmulatedKernelIsAGoodOneOnHopper) {
  const compile::Build result = build(w4a8_source("None"), "w4a8", "sm_90a");
  ASSERT_TRUE(result.ok) << result.log;
  EXPECT_EQ(result.entries.at("w4a8").spill_store_bytes, 0);
  EXPECT_EQ(result.entries.at("w4a8").stack_bytes, 0);
  EXPECT_FALSE(is_serialized(result)) << result.log;
}

TEST_F(PtxVocabulary, PtxasFindsMutantsOfItsRegistersToo) {
  for (const char* bug : {"NoWgmmaFence", "WaitTooFew", "NoLastWait"}) {
    const compile::Build result = build(w4a8_source(bug), "w4a8", "sm_90a");
    ASSERT_TRUE(result.ok) << result.log;
    EXPECT_TRUE(is_serialized(result)) << bug << ": " << result.log;
  }
}

}  // namespace
}  // namespace qoq::tests
