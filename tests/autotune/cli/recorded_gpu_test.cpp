// The whole program on a GPU that is only a record: candidates that hang, crash and compute nonsense in the child
// process, the race, and a second run.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "autotune/store/store.h"
#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

class RecordedGpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = no_nvrtc(); !why.empty()) GTEST_SKIP() << why;
    write_text(folder_ / "job.yaml", R"(name: recorded
targets: [sim:h200]
problems: [gemm w4a8-g128 m=16 n=256 k=1024]
spaces:
  gemm/mma: {block_m: [16], block_n: [64], block_k: [128], warp_m: [16], warp_n: [32], stages: [2, 3, 4], slices: [1],
             split_k: [1], raster: [1], dequant: [imad, vadd4], layout: [qserve]}
)");
  }
  void record(const std::string& more, const std::string& driver = "580.159.04") const {
    write_text(folder_ / "gpu.json", fmt::format(R"({{"recorded_gpu": 1,
      "gpu": {{"name": "NVIDIA H200", "uuid": "GPU-recorded", "compute_capability": 90, "sm_count": 132,
               "shared_per_block_bytes": 232448, "shared_per_sm_bytes": 233472, "threads_per_sm": 2048,
               "blocks_per_sm": 32, "l2_bytes": 62914560, "memory_bytes": 150754820096, "driver": "{}"}},
      "noise": {{"share": 0.01}}, "counters": {{"dram_read_bytes": 12345}}{}}})",
                                                 driver, more));
  }
  Ran tune_it(const std::vector<std::string>& more = {}) const {
    auto arguments = tune(folder_.path(), {"--gpu", "recorded:" + (folder_ / "gpu.json").string()});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  store::Store read() const { return store::Store::open(folder_ / "tune.db", store::Mode::ReadOnly); }
  int64_t environment() const { return read().environments().back().id; }
  /// The row whose variant ends so; of the last environment.
  store::Candidate row(const std::string& end) const {
    for (store::Candidate& row :
         read().candidates({.environment = environment(), .ablated = false, .baseline = false})) {
      if (row.variant.ends_with(end)) return std::move(row);
    }
    ADD_FAILURE() << "no row of a variant that ends with " << end;
    return {};
  }
  Folder folder_;
};

TEST_F(RecordedGpuTest, WhatHangsCrashesOrIsWrongCostsItsRowAlone) {
  record(R"(, "times": [{"variant": ".*st2.*imad.*", "us": 9.7}, {"variant": ".*", "us": 10}],
    "timeout_s": 0.2,
    "faults": [{"variant": ".*st2.*vadd4.*", "fault": "hang", "during": ["time"]},
               {"variant": ".*st3.*vadd4.*", "fault": "sticky-error", "during": ["verify"]},
               {"variant": ".*st4.*vadd4.*", "fault": "wrong-output"},
               {"variant": ".*st4.*imad.*", "fault": "out-of-memory", "during": ["time"]}])");
  const Ran ran = tune_it();
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(row("st2.ks1.sk1.ra1.vadd4.qserve").outcome, store::Outcome::Timeout);
  EXPECT_EQ(row("st3.ks1.sk1.ra1.vadd4.qserve").outcome, store::Outcome::LaunchFailed);
  EXPECT_EQ(row("st4.ks1.sk1.ra1.vadd4.qserve").outcome, store::Outcome::Wrong);
  EXPECT_EQ(row("st4.ks1.sk1.ra1.imad.qserve").outcome, store::Outcome::LaunchFailed);
  for (const char* failed : {"st2.ks1.sk1.ra1.vadd4.qserve", "st4.ks1.sk1.ra1.vadd4.qserve"}) {
    EXPECT_FALSE(row(failed).median_us.has_value()) << failed;
    EXPECT_NE(row(failed).reason, "") << failed;
  }
  const store::Candidate won = row("st2.ks1.sk1.ra1.imad.qserve");
  EXPECT_EQ(won.source, store::Source::Measured);
  EXPECT_NEAR(won.median_us.value(), 9.7, 0.1);
  const auto races = read().races(environment());
  ASSERT_EQ(races.size(), 1u);
  EXPECT_EQ(races[0].winner, won.variant);
  EXPECT_NE(won.details.find("12345"), std::string::npos) << "the counters of the winner";

  const size_t before = count_candidates(folder_ / "tune.db");
  const Ran again = tune_it();
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(count_candidates(folder_ / "tune.db"), before) << "nothing is run twice";
}

TEST_F(RecordedGpuTest, PredictThenMeasureKeepsWhatWasExpected) {
  record(R"(, "times": [{"variant": ".*", "us": 10}])");
  const Ran ran = tune_it({"--strategy", "predict-then-measure"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const store::Candidate expected = row("st3.ks1.sk1.ra1.imad.qserve");
  EXPECT_EQ(expected.source, store::Source::Measured);
  EXPECT_NE(expected.details.find("\"predicted\":{\"median_us\":"), std::string::npos) << expected.details;
  const Ran replayed =
      run({"replay", "--db", folder_ / "tune.db", "--gpu", "recorded:" + (folder_ / "gpu.json").string(), "--strategy",
           "predict-then-measure", "--seeds", "3"});
  EXPECT_EQ(replayed.code, 0) << replayed.err;

  // A product that no sheet describes cannot be predicted for; other strategies do not need to.
  std::string other = read_text(folder_ / "gpu.json");
  other.replace(other.find("NVIDIA H200"), 11, "NVIDIA X999");
  write_text(folder_ / "gpu.json", other);
  EXPECT_SENTENCE(tune_it({"--strategy", "predict-then-measure"}), 2, "no sheet of NVIDIA X999");
}

TEST_F(RecordedGpuTest, AfterAChangeOfDriverWinnersAreRacedAgain) {
  record(R"(, "times": [{"variant": ".*st2.*imad.*", "us": 9.7}, {"variant": ".*", "us": 10}])");
  ASSERT_EQ(tune_it().code, 0);
  const std::string winner = read().races(environment())[0].winner;
  record(R"(, "times": [{"variant": ".*st3.*imad.*", "us": 9}, {"variant": ".*", "us": 10}])", "590.1");
  const Ran again = tune_it({"--revalidate"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(read().environments().size(), 2u);
  const auto race = read().races(environment())[0];
  EXPECT_EQ(race.incumbent, winner);
  EXPECT_NE(race.winner, winner);
  EXPECT_NE(race.winner.find("st3.ks1.sk1.ra1.imad"), std::string::npos) << race.winner;
}

TEST_F(RecordedGpuTest, ModesAreEnvironmentsOfTheirOwn) {
  record("");
  ASSERT_EQ(tune_it().code, 0);
  ASSERT_EQ(tune_it({"--l2", "hot", "--launch", "graph"}).code, 0);
  ASSERT_EQ(read().environments().size(), 2u);
  EXPECT_EQ(read().environments()[1].environment.cache_mode, "hot");
  EXPECT_EQ(read().environments()[1].environment.launch_mode, "graph");
  EXPECT_SENTENCE(tune_it({"--l2", "warm"}), 2, "\"warm\" is no cache mode", "weights-cold, cold, hot");
  EXPECT_SENTENCE(run(tune(folder_.path(), {"--revalidate"})), 2, "--revalidate needs an attached GPU", "sim:h200");
  EXPECT_SENTENCE(tune_it({"--skip", "lunch"}), 2, "--skip lunch", "race, cross-check, baselines, counters");
}

}  // namespace
}  // namespace qoq::cli
