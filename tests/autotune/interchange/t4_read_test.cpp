#include <fmt/format.h>
#include <gtest/gtest.h>

#include "autotune/interchange/gunzip.h"
#include "autotune/interchange/t4.h"
#include "kernels/base/error.h"
#include "tests/autotune/interchange/gzip.h"

namespace qoq::interchange {
namespace {

constexpr auto kName = "folder/conv-2d-A4000.T4.json";

/// A file with these results.
std::string t4(const std::string& results, const std::string& metadata = R"({"timeunit": "miliseconds"})") {
  return fmt::format(R"({{"schema_version": "1.0.0", "metadata": {}, "results": [{}]}})", metadata, results);
}

/// A result that counts, of this configuration and time.
std::string result(const std::string& configuration, const std::string& value, const std::string& unit = "",
                   const std::string& runs = "[2.5, 1.5]") {
  return fmt::format(R"({{"configuration": {}, "times": {{"compilation": 9.5, "runtimes": {}}}, "invalidity": "correct",
      "correctness": 1, "measurements": [{{"name": "power", "value": 3, "unit": "W"}}, {{"name": "time", "value": {},
      "unit": "{}"}}], "objectives": ["time"]}})",
                     configuration, runs, value, unit);
}

std::string fault(const std::string& bytes) {
  try {
    parse_t4(bytes, kName);
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "one line";
    return error.what();
  }
  return "no fault";
}

TEST(T4Read, ParametersEntriesAndSamples) {
  const std::string failed = R"({"configuration": {"mode": "b", "x": 4, "half": 0.5, "on": false}, "times": {},
      "invalidity": "runtime", "correctness": 0, "measurements": [{"name": "time", "value": "RuntimeFailedConfig"}]})";
  const RecordedSpace space =
      parse_t4(t4(result(R"({"x": 16, "half": 1.0, "mode": "b", "on": true})", "2.25") + ", " + failed + ", " +
                  result(R"({"x": 4, "half": 0.5, "mode": "a", "on": true})", "1.25")),
               kName);
  EXPECT_EQ(space.kernel, "conv-2d");
  EXPECT_EQ(space.gpu, "A4000");
  EXPECT_EQ(space.name, "conv-2d on A4000");
  ASSERT_EQ(space.parameters.size(), 4u);
  const std::vector<RecordedParameter> expected{{"x", {int64_t{4}, int64_t{16}}},
                                                {"half", {0.5, int64_t{1}}},
                                                {"mode", {std::string("a"), std::string("b")}},
                                                {"on", {false, true}}};
  EXPECT_EQ(space.parameters, expected) << "in the file's order, their values sorted";
  ASSERT_EQ(space.entries.size(), 3u);
  EXPECT_EQ(space.entries[0].choices, (std::vector<uint32_t>{1, 1, 1, 1}));
  EXPECT_EQ(space.entries[1].choices, (std::vector<uint32_t>{0, 0, 1, 0})) << "keys in another order";
  EXPECT_EQ(space.entries[2].choices, (std::vector<uint32_t>{0, 0, 0, 1}));
  EXPECT_EQ(space.entries[0].time_us, 2250.0);
  EXPECT_EQ(space.entries[0].samples_us, (std::vector<double>{2500, 1500}));
  EXPECT_EQ(space.entries[0].invalidity, "correct");
  EXPECT_FALSE(space.entries[1].time_us);
  EXPECT_EQ(space.entries[1].invalidity, "runtime");
  EXPECT_EQ(space.entries[1].reason, "RuntimeFailedConfig");
  EXPECT_EQ(space.value(space.entries[2], 2), Value("a"));
}

TEST(T4Read, UnitsOfTime) {
  for (const auto& [unit, us] : std::vector<std::pair<std::string, double>>{
           {"miliseconds", 2000}, {"ms", 2000}, {"microseconds", 2}, {"us", 2}, {"ns", 2e-3}, {"seconds", 2e6}}) {
    EXPECT_EQ(parse_t4(t4(result(R"({"x": 1})", "2"), fmt::format(R"({{"timeunit": "{}"}})", unit)), kName)
                  .entries[0]
                  .time_us,
              us)
        << unit;
    const RecordedSpace own = parse_t4(t4(result(R"({"x": 1})", "2", unit, "[2]")), kName);
    EXPECT_EQ(own.entries[0].time_us, us) << unit << ": the measurement's own unit goes first";
    EXPECT_EQ(own.entries[0].samples_us[0], us);
  }
  EXPECT_EQ(parse_t4(t4(result(R"({"x": 1})", "2"), "{}"), kName).entries[0].time_us, 2000.0) << "Kernel Tuner's";
  EXPECT_NE(fault(t4("", R"({"timeunit": "fortnights"})")).find("\"fortnights\" is no unit of time"),
            std::string::npos);
  EXPECT_NE(fault(t4(result(R"({"x": 1})", "2", "GFLOP/s"))).find("\"GFLOP/s\", which is no unit of time"),
            std::string::npos);
}

TEST(T4Read, TheMedianOfTheRunsWhereNoTimeIsNamed) {
  const RecordedSpace space = parse_t4(t4(R"({"configuration": {"x": 1}, "times": {"runtimes": [4, 1, 2, 3]},
      "invalidity": "correct", "correctness": 1})"),
                                       kName);
  EXPECT_EQ(space.entries[0].time_us, 2500.0);
}

TEST(T4Read, WhatMetadataSay) {
  const RecordedSpace space =
      parse_t4(t4("", R"({"timeunit": "us", "kernel": "gemm", "gpu": "H200", "driver": "580", "cores": 132,
                         "nested": {"left": "out"}})"),
               kName);
  EXPECT_EQ(space.name, "gemm on H200");
  EXPECT_EQ(space.time_unit, "us");
  const std::vector<std::pair<std::string, std::string>> notes{{"driver", "580"}, {"cores", "132"}};
  EXPECT_EQ(space.notes, notes);
  EXPECT_TRUE(space.entries.empty());
}

TEST(T4Read, GzipOfOneOrMoreMembers) {
  const std::string text = t4(result(R"({"x": 1})", "2"));
  const RecordedSpace plain = parse_t4(text, kName);
  EXPECT_EQ(parse_t4(testing::gzip(text), "folder/conv-2d-A4000.T4.json.gz"), plain);
  EXPECT_EQ(parse_t4(testing::gzip(text.substr(0, 50)) + testing::gzip(text.substr(50)), kName), plain);
  const std::string packed = testing::gzip(text);
  EXPECT_NE(fault(packed.substr(0, packed.size() - 9)).find("end too early"), std::string::npos);
  std::string damaged = packed;
  damaged[damaged.size() - 6] ^= 1;  // of the checksum
  EXPECT_NE(fault(damaged).find("incorrect data check"), std::string::npos) << fault(damaged);
  EXPECT_NE(fault(testing::gzip(packed)).find("packed twice"), std::string::npos);
  EXPECT_NE(fault(packed + "tail").find("incorrect header check"), std::string::npos) << fault(packed + "tail");
}

TEST(T4Read, ABombIsRefused) {
  const std::string bomb = testing::gzip(std::string(size_t{8} << 20, ' '));
  EXPECT_LT(bomb.size(), 100000u);
  try {
    gunzip(bomb, "bomb.gz", size_t{4} << 20);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "bomb.gz: unpacks to more than 4 MiB");
  }
}

TEST(T4Read, WhatIsMalformedIsSaidWithItsPlace) {
  const std::string good = result(R"({"x": 1})", "2");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "conv-2d-A4000.T4.json:1:1: not JSON: syntax error while parsing value"},
      {"{\n  \"results\": [,]}", "json:2:15: not JSON: "},
      {"{\"a\": \"\xff\"}", "json:1:8: not JSON: "},
      {"[]", "has no list \"results\""},
      {R"({"results": 3})", "has no list \"results\""},
      {R"({"results": [], "metadata": 3})", "metadata: is number, expected an object"},
      {t4("17"), "results[0]: is number, expected an object"},
      {t4(R"({"times": {}, "invalidity": "correct"})"), "results[0]: has no \"configuration\""},
      {t4(R"({"configuration": 3, "times": {}, "invalidity": "compile"})"),
       "results[0].configuration: is number, expected an object"},
      {t4(good + R"(, {"configuration": {"x": 1}, "times": {}})"), "results[1]: has no \"invalidity\""},
      {t4(R"({"configuration": {"x": 1}, "invalidity": "compile"})"), "results[0]: has no \"times\""},
      {t4(good + "," + result(R"({"y": 1})", "2")), "results[1].configuration: lacks \"x\", which results[0] has"},
      {t4(good + "," + result(R"({"x": 1, "y": 1})", "2")),
       "results[1].configuration: has \"y\", which results[0] has not"},
      {t4(result(R"({"x": null})", "2")), "results[0].configuration.x: is null, expected a number or a text"},
      {t4(result(R"({"x": 1})", "-2")), "results[0].measurements: the time -2 is not positive and finite"},
      {t4(result(R"({"x": 1})", "1e999")), "not JSON: number overflow"},
      {t4(result(R"({"x": 1})", "NaN")), "not JSON: "},
      {t4(result(R"({"x": 1})", "[]")), "results[0].measurements: a time is array, expected a number"},
      {t4(result(R"({"x": 1})", "2", "", R"([1, "a"])")),
       "results[0].times.runtimes: holds \"a\", expected positive finite numbers"},
      {t4(result(R"({"x": 1})", "null", "", "[]")), "results[0]: is \"correct\" and has neither a time nor run times"},
  };
  for (const auto& [bytes, sentence] : cases) {
    const std::string said = fault(bytes);
    EXPECT_TRUE(said.starts_with(kName)) << said;
    EXPECT_NE(said.find(sentence), std::string::npos) << said << "\nlacks: " << sentence;
  }
}

TEST(T4Read, Names) {
  const RecordedSpace plain = parse_t4(t4(""), "conv.T4.json");
  EXPECT_EQ(plain.kernel, "conv");
  EXPECT_EQ(plain.gpu, "");
  EXPECT_EQ(plain.name, "conv");
}

}  // namespace
}  // namespace qoq::interchange
