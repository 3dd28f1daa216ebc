#include "autotune/compile/nvrtc_compiler.h"

#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "tests/autotune/compile/tiny_source.h"

namespace qoq::compile {
namespace {

/// Too many live values for 32 registers a thread.
Source spilling(const std::string& name) {
  Source source = saxpy(name);
  source.text = fmt::format(R"(#include "kernels/prim/prim.cuh"
struct Args {{ const float* x; float* y; }};
QOQ_DEVICE void body(const Args& args) {{
  using namespace qoq::prim;
  float v[96];
  const qoq::u32 i = thread_index();
  QOQ_UNROLL for (int j = 0; j < 96; ++j) v[j] = load_global(args.x + j * 1024 + i);
  sync_threads();
  QOQ_UNROLL for (int j = 0; j < 96; ++j) store_global(args.y + j * 1024 + i, v[95 - j] * v[j]);
}}
QOQ_ENTRY({}, body, Args, 1024, 2)
)",
                            name);
  return source;
}

class NvrtcCompilerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!nvrtc_) GTEST_SKIP() << nvrtc_.reason;
  }
  std::vector<Build> build(const std::vector<Source>& sources, int jobs = 2, const std::string& architecture = "sm_80",
                           const Headers& headers = device_headers()) {
    return NvrtcCompiler(nvrtc_, architecture, folder_.path(), jobs, headers).build(sources, {}, {});
  }

  Nvrtc nvrtc_ = Nvrtc::open();
  ScratchFolder folder_;
};

TEST(Nvrtc, IsThereOrSaysWhyNot) {
  const Nvrtc nvrtc = Nvrtc::open();
  EXPECT_NE(static_cast<bool>(nvrtc), nvrtc.reason.starts_with("NVRTC not found: ")) << nvrtc.reason;
  ScratchFolder folder;
  EXPECT_THROW(NvrtcCompiler(Nvrtc{nullptr, "", "NVRTC not found: a test"}, "sm_80", folder.path(), 1), Error);
}

TEST_F(NvrtcCompilerTest, EveryArchitectureTakesTheVocabulary) {
  for (const char* architecture : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"}) {
    const Build build = this->build({saxpy("kernel")}, 1, architecture)[0];
    ASSERT_TRUE(build.ok) << architecture << build.log;
    EXPECT_FALSE(build.from_cache) << architecture;
    EXPECT_GT(build.entries.at("kernel").registers, 4) << build.log;
    EXPECT_EQ(text_of(build.object).substr(1, 3), "ELF");
  }
}

TEST_F(NvrtcCompilerTest, ABadSourceFailsAloneWithItsLog) {
  const auto builds = build({saxpy("a"), broken("b"), saxpy("c")});
  EXPECT_TRUE(builds[0].ok && builds[2].ok);
  EXPECT_FALSE(builds[1].ok);
  EXPECT_FALSE(builds[1].cancelled);
  EXPECT_NE(builds[1].log.find("error"), std::string::npos) << builds[1].log;
}

TEST_F(NvrtcCompilerTest, AMissingEntryIsAFailureNotASurprise) {
  Source source = saxpy("kernel");
  source.entries = {"kernel", "other"};
  const Build build = this->build({source})[0];
  EXPECT_FALSE(build.ok);
  EXPECT_NE(build.log.find("no entry 'other'"), std::string::npos) << build.log;
}

TEST_F(NvrtcCompilerTest, SpillsAreRead) {
  const Build build = this->build({spilling("kernel")})[0];
  ASSERT_TRUE(build.ok) << build.log;
  EXPECT_LE(build.entries.at("kernel").registers, 32);
  EXPECT_GT(build.entries.at("kernel").spill_store_bytes, 100) << build.log;
  EXPECT_GT(build.entries.at("kernel").spill_load_bytes, 100) << build.log;
  const Build cached = this->build({spilling("kernel")})[0];
  EXPECT_TRUE(cached.from_cache);
  EXPECT_EQ(cached.entries, build.entries);
}

TEST_F(NvrtcCompilerTest, ParallelBuildsAreByteEqualToSerialOnes) {
  std::vector<Source> sources;
  for (int i = 0; i < 12; ++i) sources.push_back(saxpy(fmt::format("k{}", i), i));
  ScratchFolder other;
  const auto parallel = build(sources, 4);
  const auto serial = NvrtcCompiler(nvrtc_, "sm_80", other.path(), 1).build(sources, {}, {});
  for (size_t i = 0; i < sources.size(); ++i) {
    ASSERT_TRUE(parallel[i].ok && serial[i].ok) << parallel[i].log;
    EXPECT_FALSE(serial[i].from_cache);
    EXPECT_EQ(parallel[i].key, serial[i].key);
    EXPECT_EQ(text_of(parallel[i].object), text_of(serial[i].object));
  }
}

TEST_F(NvrtcCompilerTest, CacheAnswersUntilAnIncludedHeaderChanges) {
  Headers headers = device_headers();
  headers["kernels/extra.cuh"] = "#pragma once\nconstexpr int extra = 1;\n";
  Source source = saxpy("kernel");
  source.text += "#include \"kernels/extra.cuh\"\nstatic_assert(extra >= 1);\n";
  EXPECT_FALSE(build({source}, 1, "sm_80", headers)[0].from_cache);
  EXPECT_TRUE(build({source}, 1, "sm_80", headers)[0].from_cache);
  EXPECT_FALSE(build({source}, 1, "sm_89", headers)[0].from_cache);
  headers["kernels/extra.cuh"] = "#pragma once\nconstexpr int extra = 0;\n";
  EXPECT_FALSE(build({source}, 1, "sm_80", headers)[0].ok);
}

TEST_F(NvrtcCompilerTest, AProductAndASumStayTwoRoundings) {
  const auto kernel = [](const std::string& expression) {
    return Source{fmt::format(R"(#include "kernels/prim/prim.cuh"
struct Args {{ float* x; }};
QOQ_DEVICE void body(const Args& args) {{
  const float a = args.x[0], b = args.x[1], c = args.x[2];
  args.x[3] = {};
}}
QOQ_ENTRY(kernel, body, Args, 32, 1)
)",
                              expression),
                  {"kernel"}};
  };
  const auto builds = build({kernel("a * b + c"), kernel("qoq::prim::fma(a, b, c)")});
  ASSERT_TRUE(builds[0].ok && builds[1].ok) << builds[0].log;
  EXPECT_NE(text_of(builds[0].object), text_of(builds[1].object)) << "contracted into an fma";
}

}  // namespace
}  // namespace qoq::compile
