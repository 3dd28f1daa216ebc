// Is B slower than A: exit codes and sentences, from databases made by hand.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"
#include "tests/autotune/compare/stores.h"

namespace qoq::cli {
namespace {

using namespace testing;
using compare::testing::attached;
using compare::testing::draw;
using compare::testing::measured;
using compare::testing::problem;
using compare::testing::put;
using nlohmann::json;

class CompareCommand : public ::testing::Test {
 protected:
  Folder folder_;
  std::string a() const { return folder_ / "A.db"; }
  std::string b() const { return folder_ / "B.db"; }

  /// A has a row of 20 us; B one of `ratio` × that, with this many samples.
  void make(double ratio, size_t samples = 60, const store::Environment& environment = attached()) const {
    fs::remove(a());
    fs::remove(b());
    put(a(), attached(), {measured(problem(1), "v", draw(20, 0.002, 60, 1))});
    put(b(), environment, {measured(problem(1), "v", draw(20 * ratio, 0.002, samples, 2))});
  }
  Ran compared(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"compare", a(), b()};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
};

TEST_F(CompareCommand, ExitCodes) {
  make(1);
  EXPECT_EQ(compared().code, 0) << compared().out;
  make(0.8);
  EXPECT_EQ(compared().code, 0);
  make(1.03);
  const Ran slower = compared();
  EXPECT_EQ(slower.code, 3);
  EXPECT_EQ(slower.err, "");
  for (const char* words : {"slower", "20.0", "20.6", "1.03", "1 slower, 0 unclear, 0 same, 0 faster"})
    EXPECT_NE(slower.out.find(words), std::string::npos) << words << "\n" << slower.out;
  EXPECT_EQ(compared({"--tie", "5%"}).code, 0);
  EXPECT_EQ(compared({"--tie", "0.05"}).code, 0);
  make(1.03, 7);
  EXPECT_EQ(compared().code, 4);
}

TEST_F(CompareCommand, WhatIsOnlyInAIsUnclear) {
  make(1);
  put(a(), attached(), {measured(problem(2), "v", draw(20, 0.002, 60, 1))});
  const Ran ran = compared();
  EXPECT_EQ(ran.code, 4);
  EXPECT_NE(ran.out.find("1 problem only in A"), std::string::npos) << ran.out;
  EXPECT_EQ(run({"compare", b(), a()}).code, 0) << "the other way round it is new";
}

TEST_F(CompareCommand, AsJson) {
  make(1.03);
  const Ran ran = compared({"--format", "json", "--gpu", "cuda:0"});
  EXPECT_EQ(ran.code, 3);
  const json file = json::parse(ran.out);
  EXPECT_EQ(file.at("exit_code"), 3);
  EXPECT_EQ(file.at("matches")[0].at("problems")[0].at("verdict"), "slower");
}

TEST_F(CompareCommand, HelpNamesTheExitCodes) {
  const Ran ran = run({"compare", "--help"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.out.find("Exit codes: 0 nothing is slower · 3 something is slower · 4 "), std::string::npos) << ran.out;
}

TEST_F(CompareCommand, WhatIsWrongIsSaidInASentence) {
  EXPECT_SENTENCE(run({"compare"}), 2, "needs two databases");
  EXPECT_SENTENCE(run({"compare", a()}), 2, "needs two databases");
  EXPECT_SENTENCE(compared(), 2, a(), "no such database");
  make(1);
  EXPECT_SENTENCE(run({"compare", a(), folder_ / "C.db"}), 2, folder_ / "C.db", "no such database");
  EXPECT_SENTENCE(run({"compare", a(), a()}), 2, "are the same file");
  fs::create_symlink(a(), folder_ / "link.db");
  EXPECT_SENTENCE(run({"compare", a(), folder_ / "link.db"}), 2, "are the same file");
  EXPECT_SENTENCE(compared({"--gpu", "cuda:7"}), 2, "no rows of cuda:7", "it has: cuda:0");
  for (const char* tie : {"1", "-1%", "x", "1%%", "", "51%", "nan"})
    EXPECT_SENTENCE(compared({std::string("--tie=") + tie}), 2, "--tie");
  EXPECT_SENTENCE(compared({"--format", "xml"}), 2, "--format xml");
  store::Environment other = attached();
  other.product = "NVIDIA L40S";
  make(1, 60, other);
  EXPECT_SENTENCE(compared(), 2, "NVIDIA H200", "NVIDIA L40S", "only one product's times");
  other = attached();
  other.cache_mode = "hot";
  make(1, 60, other);
  EXPECT_SENTENCE(compared(), 2, "weights-cold", "hot", "same cache and launch mode");
}

}  // namespace
}  // namespace qoq::cli
