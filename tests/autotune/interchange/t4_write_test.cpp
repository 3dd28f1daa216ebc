#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "autotune/interchange/summary.h"
#include "autotune/interchange/t4.h"

namespace qoq::interchange {
namespace {

RecordedSpace small_space() {
  RecordedSpace space;
  space.name = "gemm m=1, \"quoted\"";
  space.kernel = "gemm/mma";
  space.gpu = "NVIDIA H200";
  space.source = "measured";
  space.time_unit = "microseconds";
  space.parameters = {{"block", {int64_t{16}, int64_t{32}, int64_t{64}}},
                      {"dequant", {std::string("imad"), std::string("none")}},
                      {"share", {0.1, int64_t{1}}},
                      {"swizzle", {false, true}}};
  space.entries = {{{0, 0, 0, 0}, "correct", "", 1.0 / 3, {0.1, 0.3, 1.0 / 3}},
                   {{1, 1, 1, 1}, "constraints", "needs too much shared memory", {}, {}},
                   {{2, 0, 1, 0}, "compile", "ptxas: no", {}, {}},
                   {{2, 1, 0, 1}, "correctness", "differs at 3", {}, {}},
                   {{0, 1, 0, 1}, "timeout", "ran past 10 s", {}, {}},
                   {{1, 0, 1, 1}, "runtime", "illegal address", {}, {}},
                   {{1, 0, 0, 0}, "correct", "", 12.25, {12, 12.5}}};
  space.notes = {{"driver", "580.1"}, {"compiler", "NVRTC"}};
  return space;
}

TEST(T4Write, ReadsBackEqual) {
  const RecordedSpace space = small_space();
  EXPECT_EQ(parse_t4(to_t4(space), "other-name.T4.json"), space);
}

TEST(T4Write, WhatOthersReadOfIt) {
  const nlohmann::json file = nlohmann::json::parse(to_t4(small_space()));
  EXPECT_EQ(file.at("schema_version"), "1.0.0");
  EXPECT_EQ(file.at("metadata").at("timeunit"), "microseconds");
  ASSERT_EQ(file.at("results").size(), 7u);
  const auto& first = file.at("results")[0];
  EXPECT_EQ(first.at("configuration"),
            nlohmann::json::parse(R"({"block": 16, "dequant": "imad", "share": 0.1, "swizzle": false})"));
  EXPECT_EQ(first.at("correctness"), 1);
  EXPECT_EQ(first.at("measurements")[0].at("value"), 1.0 / 3);
  EXPECT_EQ(first.at("times").at("runtimes").size(), 3u);
  EXPECT_EQ(first.at("objectives"), nlohmann::json::parse(R"(["time"])"));
  std::vector<std::string> values;
  for (const auto& result : file.at("results")) {
    for (const char* key : {"configuration", "times", "invalidity", "correctness"})
      EXPECT_TRUE(result.contains(key)) << "the schema requires " << key;
    if (result.at("correctness") == 0) values.push_back(result.at("measurements")[0].at("value"));
  }
  EXPECT_EQ(values, (std::vector<std::string>{"InvalidConfig", "CompilationFailedConfig", "RuntimeFailedConfig",
                                              "RuntimeFailedConfig", "RuntimeFailedConfig"}));
}

TEST(T4Write, ASummary) {
  const RecordedSpace space = small_space();
  const Summary summary = summarize(space);
  EXPECT_EQ(summary.entries, 7u);
  EXPECT_EQ(summary.timed, 2u);
  EXPECT_EQ(summary.invalid.size(), 5u);
  EXPECT_EQ(summary.combinations, 24);
  EXPECT_EQ(summary.best, 0u);
  EXPECT_DOUBLE_EQ(summary.quartiles_us[2], (1.0 / 3 + 12.25) / 2);
  const std::string text = to_text(space, summary);
  for (const char* words : {"7, 2 with a time", "1 compile", "0.33 us, 3 samples: block=16 dequant=imad share=0.1",
                            "block   ", "16 32 64", "false true", "gemm/mma", "NVIDIA H200", "measured"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  const nlohmann::json json = nlohmann::json::parse(to_json(space, summary).dump());
  EXPECT_EQ(json.at("best").at("configuration").at("dequant"), "imad");
  EXPECT_EQ(json.at("invalid").at("constraints"), 1);
  EXPECT_EQ(json.at("parameters")[0].at("values"), (std::vector<int>{16, 32, 64}));
  EXPECT_EQ(json.at("quartiles_us")[4], 12.25);
}

TEST(T4Write, ASummaryOfNothingThatRan) {
  RecordedSpace space = small_space();
  space.entries.resize(3);
  space.entries.erase(space.entries.begin());
  const Summary summary = summarize(space);
  EXPECT_FALSE(summary.best);
  EXPECT_EQ(to_text(space, summary).find("best"), std::string::npos);
  EXPECT_TRUE(to_json(space, summary).at("best").is_null());
}

TEST(T4Write, ForeignTextsDoNotReachTheTerminalRaw) {
  RecordedSpace space = small_space();
  space.name = "evil \x1b[31m name\n";
  space.parameters[0].name = "a\tb";
  const std::string text = to_text(space, summarize(space));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\t'), std::string::npos);
}

}  // namespace
}  // namespace qoq::interchange
