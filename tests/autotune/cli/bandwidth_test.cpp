// Each problem's GB/s beside the fastest read, from a database made by hand.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;
using nlohmann::json;

class Bandwidth : public ::testing::Test {
 protected:
  Folder folder_;
  std::string db() const { return folder_ / "tune.db"; }
  std::vector<std::string> command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"bandwidth", "--db", db()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// An environment with this many rows, used last of all so far.
  static void add(store::Store& store, const std::string& target, const std::string& kernels, int rows) {
    store::Environment environment = store::testing::simulated(target);
    environment.kernels = kernels;
    const int64_t id = store.environment(environment);
    for (int i = 0; i < rows; ++i) store.record(id, store::testing::candidate(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // moments of use are told apart by milliseconds
  }
};

TEST_F(Bandwidth, OneTableATarget) {
  {
    store::Store store = store::testing::open_with_problem(db());
    add(store, "sim:h200", "k1", 2);
    add(store, "sim:l40s", "k1", 2);
  }
  const Ran text = run(command());
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* words : {"sim:h200 (NVIDIA H200), 700 W, weights-cold, eager, predicted by model 1\n", "sim:l40s",
                            "read-only ceiling: none", "predicted", "10.00", "mma.bm16.st0"})
    EXPECT_NE(text.out.find(words), std::string::npos) << words << "\n" << text.out;
  EXPECT_EQ(json::parse(run(command({"--format", "json"})).out).size(), 2u);
  const json one = json::parse(run(command({"--gpu", "sim:l40s", "--format", "json"})).out);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].at("target"), "sim:l40s");
  EXPECT_EQ(one[0].at("problems")[0].at("variant"), "mma.bm16.st0");
}

TEST_F(Bandwidth, OfTheNewestEnvironmentThatHasRows) {
  {
    store::Store store = store::testing::open_with_problem(db());
    add(store, "sim:h200", "old", 1);
    add(store, "sim:h200", "new", 8);
    add(store, "sim:h200", "stopped at once", 0);
  }
  {  // all but the first environment lose their fastest row
    store::Store store = store::Store::open(db(), store::Mode::ReadWrite);
    store::Candidate wrong = store::testing::candidate(0);
    wrong.outcome = store::Outcome::Wrong;
    wrong.reason = "for this test";
    wrong.source = store::Source::None;
    wrong.median_us.reset();
    store.record(2, wrong);
  }
  const json table = json::parse(run(command({"--format", "json"})).out);
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table[0].at("problems")[0].at("variant"), "mma.bm32.st1");
}

TEST_F(Bandwidth, WhatIsWrongIsSaidInASentence) {
  EXPECT_SENTENCE(run(command()), 2, db(), "no such database");
  {
    store::Store store = store::testing::open_with_problem(db());
    add(store, "sim:h200", "k1", 0);
  }
  EXPECT_SENTENCE(run(command()), 1, db(), "holds no verified row with a time");
  EXPECT_SENTENCE(run(command({"--gpu", "cuda:0"})), 2, "no rows of cuda:0", "it has: sim:h200");
  EXPECT_SENTENCE(run(command({"--format", "xml"})), 2, "--format xml");
}

}  // namespace
}  // namespace qoq::cli
