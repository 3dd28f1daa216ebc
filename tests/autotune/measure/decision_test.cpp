#include "autotune/measure/decision.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace qoq::measure {
namespace {

/// Times that swing by `share` about `centre_us`, each track in its own order.
struct Times {
  Times(double centre_us, double share, size_t step) {
    for (size_t i = 0; i < 300; ++i) {
      us.push_back(centre_us * (1 + share * (static_cast<double>(i * step % 300) / 150 - 1)));
      logs.push_back(std::log(us.back()));
    }
  }
  Track track() const { return {.us = us, .logs = logs, .in = true, .failed = false, .failure = ""}; }
  std::vector<double> us, logs;
};

/// The decision between the incumbent at 20 us and one that is faster by `lead`.
Decision decide_at(double lead, double swing) {
  const Times incumbent(20 * (1 + lead), swing, 7), other(20, swing, 11);
  const std::vector<Track> tracks = {incumbent.track(), other.track()};
  return decide(tracks, {.incumbent = 0, .z = 3.5, .tie = 0.01, .thrown_away = 0, .broken_off = ""});
}

TEST(Decision, FasterByLessThanTheTieIsNotEnoughHoweverSure) {
  const Decision decision = decide_at(0.009, 0.02);  // the interval reaches above 1 %, but not down to 0
  EXPECT_EQ(decision.winner, 0u);
  EXPECT_NE(decision.reason.find("tie, the incumbent stays: the next one is faster by 0.9"), std::string::npos)
      << decision.reason;
  EXPECT_NE(decision.reason.find(", less than 1 %: 20 us ["), std::string::npos) << decision.reason;
}

TEST(Decision, FasterByMoreIsNotEnoughWhileItMayBeNoise) {
  const Decision decision = decide_at(0.015, 0.15);
  EXPECT_EQ(decision.winner, 0u);
  EXPECT_NE(decision.reason.find("which may be noise"), std::string::npos) << decision.reason;
}

TEST(Decision, FasterByMoreAndForSureWins) {
  const Decision decision = decide_at(0.011, 0.02);
  EXPECT_EQ(decision.winner, 1u);
  EXPECT_EQ(decision.reason.find("faster than the incumbent by 1.1"), 0u) << decision.reason;
  EXPECT_NE(decision.reason.find(" against 20.22 us ["), std::string::npos) << decision.reason;
  EXPECT_NE(decision.reason.find(" after 300 rounds"), std::string::npos) << decision.reason;
}

TEST(Decision, WhoLeftTheRaceCannotWin) {
  const Times incumbent(20, 0.02, 7), left(15, 0.02, 11);
  std::vector<Track> tracks = {incumbent.track(), left.track()};
  tracks[1].in = false;
  EXPECT_EQ(decide(tracks, {}).winner, 0u);
}

}  // namespace
}  // namespace qoq::measure
