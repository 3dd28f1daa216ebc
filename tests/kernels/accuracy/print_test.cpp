#include "kernels/accuracy/print.h"

#include <gtest/gtest.h>

namespace qoq::accuracy {
namespace {

StudyRow row(const char* way, double outliers, uint64_t seed, double kl) {
  return {"llama", outliers, seed, way, "w4a8-g128", "text", {0.5, kl, 0.75, 2, 10}, 1e-6};
}

const std::vector<StudyRow> rows{row("rtn", 8, 1, 0.2),
                                 row("rtn", 8, 2, 0.4),
                                 row("qoq", 8, 1, 0.1),
                                 row("qoq", 8, 2, 0.5),
                                 row("qoq - rotation", 8, 1, 0.1),
                                 row("qoq - rotation", 8, 2, 0.2),
                                 row("rtn + clip", 8, 1, 0.1),
                                 row("rtn + clip", 8, 2, 0.1)};

TEST(AccuracyTables, MeansOverSeedsWithTheirEnds) {
  const std::string text = to_markdown(rows, {10, 5, 7, 0});
  EXPECT_NE(text.find("| w4a8-g128 | rtn | 0.3000 (0.2000 … 0.4000) | 75.0 % | 0.50000 |"), std::string::npos) << text;
  EXPECT_NE(text.find("10 positions in sequences of 5, means over 2 seeds"), std::string::npos) << text;
  EXPECT_NE(text.find("7 other tokens"), std::string::npos) << text;
}

TEST(AccuracyTables, SayWhereItDoesNotPay) {
  const std::string text = to_markdown(rows, {10, 5, 7, 0});
  EXPECT_NE(text.find("seed 2: QoQ's KL is 0.5000, rounding to nearest has 0.4000"), std::string::npos) << text;
  EXPECT_EQ(text.find("seed 1: QoQ's"), std::string::npos) << text;
  EXPECT_NE(text.find("without rotation, QoQ's mean KL is 0.1500 instead of 0.3000"), std::string::npos) << text;
  EXPECT_EQ(text.find("clip alone"), std::string::npos) << text;
  EXPECT_NE(to_markdown(std::span(rows).first(1), {}).find("nowhere"), std::string::npos);
}

TEST(AccuracyTables, AsJsonEveryRow) {
  const nlohmann::json json = to_json(rows, {10, 5, 7, 0});
  ASSERT_EQ(json["rows"].size(), rows.size());
  EXPECT_EQ(json["rows"][3]["kl_nats"], 0.5);
  EXPECT_EQ(json["rows"][3]["seed"], 2);
  EXPECT_EQ(json["calibration_tokens"], 7);
}

}  // namespace
}  // namespace qoq::accuracy
