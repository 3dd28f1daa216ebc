// The real tuner, killed and interrupted: the database stays whole and nothing is done twice.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

class Interruption : public ::testing::Test {
 protected:
  Folder folder_;
  fs::path db() const { return folder_ / "tune.db"; }

  void SetUp() override {
    if (const std::string reason = no_nvrtc(); !reason.empty()) GTEST_SKIP() << reason;
    write_text(folder_ / "job.yaml",
               tiny_job({"gemm w4a8-g128 m=16 n=256 k=1024"}, "[sim:a100-80, sim:l40s, sim:h200]"));
    ASSERT_EQ(run(tune(folder_.path())).code, 0) << "this compiles the kernels";
    fs::remove(db());
    write_text(folder_ / "job.yaml", long_job());
  }
  std::vector<std::string> rows() const { return fs::exists(db()) ? checked_rows(db()) : std::vector<std::string>{}; }
  /// Waits until the tuner has recorded more than `before` candidates.
  void wait_for_rows(Program& program, size_t before) const {
    while (program.running() && count_candidates(db()) <= before)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(program.running()) << program.wait().err << "it ended before it could be interrupted";
  }
  /// The rest of the job. Nothing that was finished is asked again: all of it is "known before".
  void expect_rest(const std::vector<std::string>& before) {
    const Ran rest = run(tune(folder_.path(), {"--quiet"}));
    EXPECT_EQ(rest.code, 0) << rest.err;
    const auto after = rows();
    EXPECT_TRUE(std::ranges::includes(after, before)) << "no row is lost or changed";
    EXPECT_EQ(std::set(after.begin(), after.end()).size(), after.size());
    EXPECT_NE(rest.out.find(fmt::format(" {} recorded", after.size() - before.size())), std::string::npos) << rest.out;
    EXPECT_NE(rest.out.find(fmt::format(", {} known before", before.size())), std::string::npos) << rest.out;
  }
};

TEST_F(Interruption, KilledAtTwentyRandomMomentsItLosesAndRepeatsNothing) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  std::vector<std::string> before;
  int grew = 0, came_too_late = 0;
  for (int round = 0; round < 20; ++round) {
    Program program(tune(folder_.path(), {"--quiet"}));
    // A quarter dies while it starts, the others among the candidates.
    if (round % 4 != 0) wait_for_rows(program, before.size());
    std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<>(0, 80'000)(random)));
    came_too_late += program.running() ? 0 : 1;
    program.signal(SIGKILL);
    program.wait();
    const auto now = rows();
    EXPECT_TRUE(std::ranges::includes(now, before)) << "round " << round << ": no row is lost or changed";
    grew += now.size() > before.size() ? 1 : 0;
    before = now;
  }
  EXPECT_EQ(came_too_late, 0);
  EXPECT_GE(grew, 10) << "the kills came too early to show anything";
  expect_rest(before);
  const auto whole = rows();
  expect_rest(whole);
}

TEST_F(Interruption, CtrlCEndsSoonAndTheNextRunGoesOn) {
  for (const int number : {SIGINT, SIGTERM}) {
    SCOPED_TRACE(number);
    const size_t before = rows().size();
    Program program(tune(folder_.path(), {"--quiet"}));
    wait_for_rows(program, before);
    const auto asked = std::chrono::steady_clock::now();
    program.signal(number);
    program.signal(number);  // as timeout(1) sends it, to the process and to its group
    const Ran ran = program.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(10));
    EXPECT_EQ(ran.code, 130);
    EXPECT_EQ(ran.err, "");
    EXPECT_NE(ran.out.find("stopped early; the same command goes on from here"), std::string::npos) << ran.out;
    EXPECT_FALSE(fs::exists(db().string() + "-wal")) << "closed in order: one file";
    EXPECT_GT(rows().size(), before);
  }
  expect_rest(rows());
}

TEST_F(Interruption, ASecondCtrlCEndsItAtOnce) {
  Program program({"tune", "llama-3-8b", "--gpu", "sim:h200", "--db", db(), "--cache", folder_ / "cold", "--quiet"});
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  program.signal(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  const bool still_ending = program.running();
  program.signal(SIGINT);
  EXPECT_EQ(program.wait().code, 130) << (still_ending ? "" : "it had ended already");
  if (fs::exists(db())) checked_rows(db());
}

TEST_F(Interruption, CtrlCWhileCompilingEndsSoon) {
  const auto cold = [&] {
    return std::vector<std::string>{"tune", "llama-3-8b", "--gpu",          "sim:h200", "--db",
                                    db(),   "--cache",    folder_ / "cold", "--quiet"};
  };
  Program program(cold());
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  const auto asked = std::chrono::steady_clock::now();
  program.signal(SIGINT);
  EXPECT_EQ(program.wait().code, 130);
  EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(10));
  for (const std::string& row : rows())
    EXPECT_EQ(row.find("launch_failed"), std::string::npos) << "a killed compiler is no candidate's fault: " << row;
}

TEST_F(Interruption, MinutesStopItWithoutAFault) {
  const Ran ran = run(tune(folder_.path(), {"--quiet", "--minutes", "0.005"}));
  EXPECT_EQ(ran.code, 0);
  EXPECT_LT(ran.seconds, 11);
  EXPECT_NE(ran.out.find("stopped early"), std::string::npos) << ran.out;
  expect_rest(rows());
}

}  // namespace
}  // namespace qoq::cli
