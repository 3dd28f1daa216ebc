// The emulator's proof with its compiler and verifier scripted: what is remembered, and what is not.
#include "autotune/tune/proof.h"

#include <gtest/gtest.h>

#include <mutex>

#include "kernels/base/error.h"
#include "tests/autotune/tune/fakes.h"

namespace qoq::tune {
namespace {

using namespace testing;
using Status = verify::Verdict::Status;

class CountingVerifier final : public verify::Verifier {
 public:
  explicit CountingVerifier(std::vector<std::string>& seen, std::function<void()> during)
      : seen_(seen), during_(std::move(during)) {}
  verify::Verdict verify(const Family& family, const Point& point, const Problem& problem, const std::filesystem::path&,
                         uint64_t seed) override {
    {
      const std::lock_guard lock(guard_);
      seen_.push_back(family.variant(point, problem));
    }
    if (during_) during_();
    verify::Verdict verdict;
    verdict.status = Status::Ok;
    verdict.where = "emulator";
    verdict.seed = seed;
    verdict.problem = family.reduced(point, problem);
    return verdict;
  }

 private:
  std::vector<std::string>& seen_;
  std::function<void()> during_;
  std::mutex guard_;
};

class EmulatorProofTest : public ::testing::Test {
 protected:
  std::unique_ptr<Proof> proof(std::function<void()> during = {}, int jobs = 1) {
    return make_emulator_proof(std::make_unique<ScriptedCompiler>(script_),
                               std::make_unique<CountingVerifier>(seen_, std::move(during)), jobs, 5);
  }
  Built built(int a, const std::string& problem = "toy i8 n=64") const {
    return {&toy_, {{"a", a}, {"b", 0}}, Problem::parse(problem), {}};
  }

  ToyFamily toy_;
  Script script_;
  std::vector<std::string> seen_;
};

TEST_F(EmulatorProofTest, WhatWasProvenAtTheReducedSizeIsNotProvenAgain) {
  const auto emulator = proof();
  emulator->prove({built(0), built(1)}, {});
  const auto verdicts = emulator->prove({built(1, "toy i8 n=128"), built(2), built(0, "toy i8 n=32")}, {});
  EXPECT_EQ(seen_, (std::vector<std::string>{"toy/only.a0.b0", "toy/only.a1.b0", "toy/only.a2.b0"}));
  ASSERT_EQ(verdicts.size(), 3u);
  for (const auto& verdict : verdicts) {
    EXPECT_EQ(verdict.status, Status::Ok);
    EXPECT_EQ(verdict.where, "emulator");
    EXPECT_EQ(verdict.seed, 5u);
    EXPECT_EQ(verdict.problem.text(), "toy i8 n=8");
  }
}

TEST_F(EmulatorProofTest, AnotherReducedProblemIsProvenByItself) {
  const auto emulator = proof();
  emulator->prove({built(0), built(0, "toy i4 n=64")}, {});
  EXPECT_EQ(seen_.size(), 2u);
}

TEST_F(EmulatorProofTest, VerdictsComeInOrderFromSeveralThreads) {
  script_.refused = {"toy/only.a17.b0"};
  std::vector<Built> batch;
  for (int a = 0; a < 40; ++a) batch.push_back(built(a));
  const auto verdicts = proof({}, 4)->prove(batch, {});
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(verdicts[i].status, i == 17 ? Status::LaunchFailed : Status::Ok) << i;
  EXPECT_NE(verdicts[17].message.find("no such name"), std::string::npos) << verdicts[17].message;
  EXPECT_EQ(seen_.size(), 39u);
}

TEST_F(EmulatorProofTest, WhatAStopLeftOutIsProvenNextTime) {
  std::stop_source stop;
  const auto emulator = proof([&] { stop.request_stop(); });
  emulator->prove({built(0), built(1)}, stop.get_token());
  EXPECT_EQ(seen_.size(), 1u);
  const auto verdicts = emulator->prove({built(0), built(1)}, {});
  EXPECT_EQ(seen_.size(), 2u);
  EXPECT_EQ(verdicts[1].status, Status::Ok);
}

TEST_F(EmulatorProofTest, AFaultInAThreadComesOut) {
  const auto emulator = proof([] { fail("the emulator cannot go on"); }, 3);
  EXPECT_EQ(store::testing::fault_of([&] {
              emulator->prove({built(0), built(1), built(2)}, {});
            }),
            "Work: the emulator cannot go on");
}

}  // namespace
}  // namespace qoq::tune
