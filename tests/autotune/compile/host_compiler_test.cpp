#include "autotune/compile/host_compiler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "kernels/base/error.h"
#include "tests/autotune/compile/tiny_source.h"

namespace qoq::compile {
namespace {

class HostCompilerTest : public testing::Test {
 protected:
  std::vector<Build> build(const std::vector<Source>& sources, const Headers& headers = emulator_headers()) {
    return HostCompiler(folder_.path(), 2, headers).build(sources, {}, {});
  }

  ScratchFolder folder_;
};

TEST_F(HostCompilerTest, ABadSourceFailsAloneWithItsLog) {
  std::vector<Source> sources;
  for (int i = 0; i < 6; ++i) sources.push_back(i == 4 ? broken("k4") : saxpy(fmt::format("k{}", i)));
  const auto builds = build(sources);
  for (int i = 0; i < 6; ++i) {
    const Build& one = builds[static_cast<size_t>(i)];
    EXPECT_EQ(one.ok, i != 4) << one.log;
    if (!one.ok) continue;
    EXPECT_TRUE(one.entries.contains(fmt::format("k{}", i)));
    EXPECT_EQ(text_of(one.object).substr(1, 3), "ELF");
    EXPECT_NE(text_of(one.object).find(fmt::format("k{}", i)), std::string::npos);
  }
  EXPECT_NE(builds[4].log.find("error"), std::string::npos) << builds[4].log;
  EXPECT_NE(builds[4].log.find("this is no C++"), std::string::npos) << builds[4].log;
}

TEST_F(HostCompilerTest, CacheAnswersUntilAnIncludedHeaderChanges) {
  Headers headers = emulator_headers();
  headers["kernels/extra.cuh"] = "#pragma once\nconstexpr int extra = 1;\n";
  headers["kernels/unrelated.cuh"] = "#pragma once\n";
  Source source = saxpy("kernel");
  source.text += "#include \"kernels/extra.cuh\"\nstatic_assert(extra >= 1);\n";

  EXPECT_FALSE(build({source}, headers)[0].from_cache);
  EXPECT_TRUE(build({source}, headers)[0].from_cache);
  headers["kernels/unrelated.cuh"] += "// changed\n";
  EXPECT_TRUE(build({source}, headers)[0].from_cache);
  headers["kernels/extra.cuh"] += "// changed\n";
  const Build rebuilt = build({source}, headers)[0];
  EXPECT_TRUE(rebuilt.ok) << rebuilt.log;
  EXPECT_FALSE(rebuilt.from_cache);
  headers["kernels/extra.cuh"] = "#pragma once\nconstexpr int extra = 0;\n";
  EXPECT_FALSE(build({source}, headers)[0].ok) << "the changed header was not what the compiler read";
}

TEST_F(HostCompilerTest, ATruncatedObjectIsCompiledAgain) {
  const Build first = build({saxpy("kernel")})[0];
  ASSERT_TRUE(first.ok) << first.log;
  const auto size = std::filesystem::file_size(first.object);
  std::filesystem::resize_file(first.object, size / 2);
  const Build second = build({saxpy("kernel")})[0];
  EXPECT_TRUE(second.ok);
  EXPECT_FALSE(second.from_cache);
  EXPECT_NE(second.log.find("was damaged"), std::string::npos) << second.log;
  EXPECT_EQ(std::filesystem::file_size(second.object), size);
}

TEST_F(HostCompilerTest, AFullDiskIsAFaultAndNotTheSources) {
  const std::filesystem::path compiler = folder_.path() / "compiler";
  write_text(compiler,
             "#!/bin/sh\ncase $* in *--version*) echo version; exit 0;; esac\n"
             "echo 'x.s: No space left on device'; exit 1\n");
  std::filesystem::permissions(compiler, std::filesystem::perms::owner_all);
  ::setenv("CXX", compiler.c_str(), 1);
  HostCompiler full(folder_.path() / "cache", 1);
  ::unsetenv("CXX");
  const std::vector<Source> sources = {saxpy("kernel")};
  EXPECT_EQ(full.identity().substr(0, 12), "host version");
  EXPECT_THROW(full.build(sources, {}, {}), Error);
}

TEST_F(HostCompilerTest, AStopKillsTheCompilerAndCancels) {
  const std::filesystem::path compiler = folder_.path() / "compiler";
  write_text(compiler, "#!/bin/sh\ncase $* in *--version*) exit 0;; esac\nsleep 60\n");
  std::filesystem::permissions(compiler, std::filesystem::perms::owner_all);
  ::setenv("CXX", compiler.c_str(), 1);
  HostCompiler slow(folder_.path() / "cache", 1);
  ::unsetenv("CXX");
  std::stop_source stop;
  const std::jthread stopper([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();
  });
  const std::vector<Source> sources = {saxpy("a"), saxpy("b")};
  const auto start = std::chrono::steady_clock::now();
  for (const Build& build : slow.build(sources, {}, stop.get_token())) EXPECT_TRUE(build.cancelled && !build.ok);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(HostCompilerTest, IdentityNamesCompilerAndFlags) {
  const std::string identity = HostCompiler(folder_.path(), 1).identity();
  EXPECT_NE(identity.find("host "), std::string::npos);
  EXPECT_NE(identity.find("-ffp-contract=off"), std::string::npos);
}

}  // namespace
}  // namespace qoq::compile
