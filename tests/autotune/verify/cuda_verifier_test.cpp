#include "autotune/verify/cuda_verifier.h"

#include <gtest/gtest.h>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/base/error.h"
#include "tests/autotune/compile/tiny_source.h"
#include "tests/autotune/verify/tiny_family.h"

namespace qoq::verify {
namespace {

class CudaVerifierTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto attached = runtime::list_attached_gpus();
    if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
    const auto nvrtc = compile::Nvrtc::open();
    if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
    architecture_ = attached.gpus[0].device.architecture();
    compiler_ = std::make_unique<compile::NvrtcCompiler>(nvrtc, architecture_, folder_.path(), 2);
  }
  Verdict verify(CudaVerifier& verifier, int defect, const std::string& problem) {
    const Point point = {{"fault", defect}};
    const std::vector<Source> sources = {TinyFamily().source(point, {})};
    const auto build = compiler_->build(sources, {}, {})[0];
    EXPECT_TRUE(build.ok) << build.log;
    return verifier.verify(TinyFamily(), point, Problem::parse(problem), build.object, 5);
  }

  compile::ScratchFolder folder_;
  std::string architecture_;
  std::unique_ptr<compile::NvrtcCompiler> compiler_;
};

TEST_F(CudaVerifierTest, ACorrectKernelIsOkAndTheProblemThatRanIsSaid) {
  CudaVerifier verifier(runtime::CudaDevice(0), {}, {.reference_ops = 1e6});
  const Verdict full = verify(verifier, TinyFamily::none, "tiny i32 n=100001");
  EXPECT_EQ(full.status, Verdict::Status::Ok) << full.message;
  EXPECT_EQ(full.where, "cuda");
  EXPECT_EQ(full.problem.text(), "tiny i32 n=100001");
  const Verdict large = verify(verifier, TinyFamily::none, "tiny i32 n=10000000");
  EXPECT_EQ(large.status, Verdict::Status::Ok) << large.message;
  EXPECT_EQ(large.problem.text(), "tiny i32 n=300");
}

TEST_F(CudaVerifierTest, DefectsAreSeenAndTheNextKernelIsNotHarmed) {
  CudaVerifier verifier{runtime::CudaDevice(0)};
  const std::pair<int, const char*> all[] = {{TinyFamily::wrong_value, "y[0] is"},
                                             {TinyFamily::last_element_lost, "y[299] is"},
                                             {TinyFamily::out_of_bounds, "wrote outside 'y'"},
                                             {TinyFamily::counter_left, "'counter' is not zero again"},
                                             {TinyFamily::reads_garbage, "two runs differ"}};
  for (const auto& [defect, words] : all) {
    const Verdict verdict = verify(verifier, defect, "tiny i32 n=300");
    EXPECT_EQ(verdict.status, Verdict::Status::Wrong) << words;
    EXPECT_NE(verdict.message.find(words), std::string::npos) << verdict.message;
    EXPECT_EQ(verify(verifier, TinyFamily::none, "tiny i32 n=300").status, Verdict::Status::Ok);
  }
}

// Each costs its process the GPU's context: keep them in processes of their own, as ctest does.
TEST_F(CudaVerifierTest, AFaultIsAVerdictAndThenTheContextIsLost) {
  CudaVerifier verifier{runtime::CudaDevice(0)};
  const Verdict verdict = verify(verifier, TinyFamily::wild_address, "tiny i32 n=300");
  EXPECT_EQ(verdict.status, Verdict::Status::LaunchFailed);
  EXPECT_NE(verdict.message, "");
  EXPECT_THROW(verify(verifier, TinyFamily::none, "tiny i32 n=300"), Error);
}

TEST_F(CudaVerifierTest, AnEndlessKernelIsATimeout) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a fresh process: a forked one cannot use its parent's driver
  EXPECT_EXIT(
      {
        auto& verifier = *new CudaVerifier(runtime::CudaDevice(0), {}, {.timeout_s = 0.5});
        const Verdict verdict = verify(verifier, TinyFamily::endless, "tiny i32 n=300");
        ::_exit(verdict.status == Verdict::Status::Timeout ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace qoq::verify
