#include "autotune/bandwidth/bandwidth.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/family.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::bandwidth {
namespace {

using store::Source;

constexpr auto kv4 = "attention kv4 batch=64 heads=32/8 dh=128 ctx=1024";
constexpr auto kv8 = "attention kv8 batch=64 heads=32/8 dh=128 ctx=1024";
constexpr auto kv16 = "attention kv16 batch=64 heads=32/8 dh=128 ctx=1024";

class Bandwidth : public ::testing::Test {
 protected:
  store::testing::Folder folder_;
  store::Store store_ = store::Store::open(folder_ / "tune.db", store::Mode::ReadWrite);
  store::EnvironmentRow environment_;

  void SetUp() override {
    store_.environment(store::testing::simulated());
    environment_ = *store_.latest_environment("sim:h200");
  }

  /// A verified row of a problem that moves `read_mb` in and `write_mb` out; the result may be changed and put again.
  store::Candidate put(const std::string& text, const std::string& variant, double time_us, double read_mb,
                       double write_mb = 0, Source source = Source::Measured) {
    store::ProblemRow problem = store::testing::gemm_row(text);
    problem.op = Problem::parse(text).op;
    problem.scheme = Problem::parse(text).scheme;
    problem.read_bytes = read_mb * 1e6;
    problem.write_bytes = write_mb * 1e6;
    store_.put_problem(problem);
    store::Candidate row = store::testing::candidate(1, text);
    row.variant = variant;
    row.median_us = time_us;
    row.source = source;
    put(row);
    return row;
  }
  void put(const store::Candidate& row) { store_.record(environment_.id, row); }

  Table table() const { return tabulate(store_, environment_); }
  Row row(const std::string& problem) const {
    const Table all = table();
    const auto found = std::ranges::find(all.rows, problem, &Row::problem);
    if (found == all.rows.end()) throw std::runtime_error("no row of " + problem);
    return *found;
  }
};

TEST_F(Bandwidth, TheFastestRowInAbsoluteNumbers) {
  put(kv4, "slow", 60, 150, 50);
  put(kv4, "fast", 50, 150, 50);
  const Row best = row(kv4);
  EXPECT_EQ(best.variant, "fast");
  EXPECT_EQ(best.time_us, 50);
  EXPECT_EQ(best.noise, 0.015);
  EXPECT_DOUBLE_EQ(best.bytes(), 200e6) << "what is read and what is written";
  EXPECT_DOUBLE_EQ(best.gb_per_s(), 4000);
}

TEST_F(Bandwidth, TheWinnerOfARaceStandsForItsProblem) {
  put(kv4, "lucky", 50, 150, 50);
  put(kv4, "winner", 51, 150, 50);
  store_.put_race(environment_.id, {.problem = kv4, .winner = "winner", .incumbent = "lucky", .reason = "it won"});
  EXPECT_EQ(row(kv4).variant, "winner");
  EXPECT_EQ(row(kv4).time_us, 51);
}

TEST_F(Bandwidth, TheCeilingIsTheFastestReadOfAnySize) {
  put("ceiling read mb=64", "read.a", 20, 64);     // 3200 GB/s
  put("ceiling read mb=512", "read.b", 125, 500);  // 4000 GB/s
  put("ceiling read mb=512", "read.c", 130, 500);
  put("ceiling write mb=512", "write.a", 100, 500);  // 5000 GB/s, but it reads nothing
  put(kv4, "decode", 50, 100);                       // 2000 GB/s
  const Table all = table();
  ASSERT_EQ(all.ceilings.size(), 1u);
  EXPECT_EQ(all.ceilings[0].problem, "ceiling read mb=512");
  EXPECT_EQ(all.ceilings[0].variant, "read.b");
  EXPECT_DOUBLE_EQ(all.ceilings[0].gb_per_s, 4000);
  EXPECT_DOUBLE_EQ(*row(kv4).ceiling_share, 0.5);
  EXPECT_DOUBLE_EQ(*row("ceiling read mb=64").ceiling_share, 0.8);
  EXPECT_NE(to_text(all, "here")
                .find("read-only ceiling, measured: 4000.0 GB/s (ceiling read mb=512 in 125.00 us by read.b)"),
            std::string::npos);
}

TEST_F(Bandwidth, WithoutACeilingThereAreNoShares) {
  store_.put_gpu(environment_.id, {"NVIDIA H200", R"json({"ceilings": [{"kind": "memory", "name": "DRAM (listed)",
      "value": 4800, "source": "datasheet"}]})json"});
  put(kv4, "decode", 50, 100);
  EXPECT_TRUE(table().ceilings.empty()) << "a sheet's number is none";
  EXPECT_FALSE(row(kv4).ceiling_share);
  const std::string text = to_text(table(), "here");
  EXPECT_NE(text.find("read-only ceiling: none"), std::string::npos) << text;
  EXPECT_EQ(text.find("4800"), std::string::npos);
}

TEST_F(Bandwidth, APredictedCeilingBoundsNoMeasuredRow) {
  put("ceiling read mb=64", "read.a", 20, 64, 0, Source::Predicted);
  put(kv4, "decode", 50, 100);
  put(kv8, "decode", 50, 100, 0, Source::Predicted);
  EXPECT_FALSE(row(kv4).ceiling_share);
  EXPECT_DOUBLE_EQ(*row(kv8).ceiling_share, 0.625) << "of its own source";
  const std::string text = to_text(table(), "here");
  EXPECT_NE(text.find("read-only ceiling, predicted: 3200.0 GB/s"), std::string::npos) << text;
  EXPECT_NE(text.find("read-only ceiling, measured: none, so measured rows have no share"), std::string::npos) << text;
}

TEST_F(Bandwidth, EachSourceHasItsCeiling) {
  put("ceiling read mb=64", "read.a", 20, 64, 0, Source::Predicted);
  put("ceiling read mb=512", "read.b", 125, 500);
  const Table all = table();
  ASSERT_EQ(all.ceilings.size(), 2u);
  EXPECT_EQ(all.ceilings[0].source, Source::Measured);
  EXPECT_EQ(all.ceilings[1].source, Source::Predicted);
}

TEST_F(Bandwidth, OnlyRowsThatMayBeUsed) {
  put(kv4, "decode", 50, 100);
  for (const char* what : {"ablated", "baseline", "unverified", "emulated", "wrong"}) {
    const std::string kind = what;
    store::Candidate other = put(kv4, "decode", 50, 100);
    other.variant = kind;
    other.median_us = 10;
    other.ablated = kind == "ablated";
    other.baseline = kind == "baseline";
    if (kind == "unverified") other.verified_on.clear();
    if (kind == "emulated" || kind == "wrong") {
      other.median_us.reset();
      other.noise.reset();
      other.samples_us.clear();
      other.source = kind == "emulated" ? Source::Emulated : Source::None;
      other.outcome = kind == "wrong" ? store::Outcome::Wrong : store::Outcome::Ok;
      other.reason = "it is " + kind;
    }
    put(other);
  }
  store::Candidate alone = put("ceiling read mb=64", "read.a", 20, 64);
  put(kv8, "decode", 50, 100);
  EXPECT_EQ(row(kv4).variant, "decode");

  store::Store second = store::Store::open(folder_ / "second.db", store::Mode::ReadWrite);
  second.environment(store::testing::simulated());
  second.put_problem(*store_.problem("ceiling read mb=64"));
  alone.ablated = true;
  second.record(1, alone);
  const Table none = tabulate(second, *second.latest_environment("sim:h200"));
  EXPECT_TRUE(none.rows.empty());
  EXPECT_TRUE(none.ceilings.empty());
}

TEST_F(Bandwidth, SchemesAreComparedWhereAllElseIsEqual) {
  put(kv4, "four", 50, 100);
  put("attention kv4 batch=64 heads=32/8 dh=128 ctx=2048", "four", 90, 200);
  put("attention kv8 batch=64 heads=32/8 dh=128 ctx=1024 out=bf16", "eight", 80, 150);
  put("append kv16 batch=64 heads=32/8 dh=128 ctx=1024", "append", 70, 100);
  put("attention kv16 heads=32/8 batch=64 dh=128 ctx=1024", "sixteen", 150, 400);  // its fields in another order
  put(kv8, "eight", 100, 200);
  const Row four = row(kv4);
  ASSERT_EQ(four.others.size(), 2u);
  EXPECT_EQ(four.others[0].scheme, "kv16");
  EXPECT_EQ(four.others[0].time_us, 150);
  EXPECT_DOUBLE_EQ(four.others[0].speed, 3);
  EXPECT_EQ(four.others[1].scheme, "kv8");
  EXPECT_DOUBLE_EQ(four.others[1].speed, 2);
  EXPECT_DOUBLE_EQ(row(kv8).others[0].speed, 1.5);
  EXPECT_DOUBLE_EQ(row(kv8).others[1].speed, 0.5);
  for (const char* text : {"attention kv4 batch=64 heads=32/8 dh=128 ctx=2048",
                           "attention kv8 batch=64 heads=32/8 dh=128 ctx=1024 out=bf16",
                           "append kv16 batch=64 heads=32/8 dh=128 ctx=1024"})
    EXPECT_TRUE(row(text).others.empty()) << text;
  std::vector<std::string> order;
  for (const Row& r : table().rows) order.push_back(r.variant);
  EXPECT_EQ(order, (std::vector<std::string>{"sixteen", "four", "eight", "four", "eight", "append"}))
      << "what is compared stands together";
  EXPECT_NE(to_text(table(), "here").find("3.00× kv16 (150.00 us), 2.00× kv8 (100.00 us)"), std::string::npos);
}

TEST_F(Bandwidth, SchemesOfTwoSourcesAreNotCompared) {
  put(kv4, "four", 50, 100);
  put(kv16, "sixteen", 150, 400, 0, Source::Predicted);
  EXPECT_TRUE(row(kv4).others.empty());
  EXPECT_TRUE(row(kv16).others.empty());
  EXPECT_EQ(row(kv4).source, Source::Measured);
  EXPECT_EQ(row(kv16).source, Source::Predicted);
  EXPECT_FALSE(row(kv16).noise) << "a prediction has none";
}

TEST_F(Bandwidth, TheTextsColumnsAlign) {
  put(kv4, "four", 50, 100);
  put(kv16, "sixteen", 1500, 400);
  std::string contexts = "1";
  for (int i = 1; i < 64; ++i) contexts += fmt::format(",{}", 100 + i);
  put("attention kv4 batch=64 heads=32/8 dh=128 ctx=" + contexts, "ragged", 50, 100);
  std::istringstream lines(to_text(table(), "here"));
  size_t variants = 0, length = 0;
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = line.find_last_of(' ') + 1;
    const std::string last = line.substr(begin);
    if (last != "variant" && last != "four" && last != "sixteen" && last != "ragged") continue;
    const auto place = static_cast<size_t>(std::count_if(line.begin(), line.begin() + static_cast<ptrdiff_t>(begin),
                                                         [](char c) { return (c & 0xc0) != 0x80; }));
    if (variants++ == 0) length = place;
    EXPECT_EQ(place, length) << line;
    EXPECT_LT(line.size(), 250u);
  }
  EXPECT_EQ(variants, 4u);
}

TEST_F(Bandwidth, Json) {
  put("ceiling read mb=64", "read.a", 20, 64);
  put(kv4, "four", 50, 100, 20);
  put(kv16, "sixteen", 150, 400, 0, Source::Predicted);
  const nlohmann::json json = nlohmann::json::parse(to_json(table(), "this GPU").dump());
  EXPECT_EQ(json.at("target"), "sim:h200");
  EXPECT_EQ(json.at("environment"), "this GPU");
  ASSERT_EQ(json.at("ceilings").size(), 1u);
  EXPECT_EQ(json.at("ceilings")[0].at("source"), "measured");
  EXPECT_EQ(json.at("ceilings")[0].at("gb_per_s"), 3200.0);
  ASSERT_EQ(json.at("problems").size(), 3u);
  const auto& four = json.at("problems")[2];
  EXPECT_EQ(four.at("problem"), kv4);
  EXPECT_EQ(four.at("variant"), "four");
  EXPECT_EQ(four.at("source"), "measured");
  EXPECT_EQ(four.at("time_us"), 50.0);
  EXPECT_EQ(four.at("noise"), 0.015);
  EXPECT_EQ(four.at("read_bytes"), 100e6);
  EXPECT_EQ(four.at("write_bytes"), 20e6);
  EXPECT_EQ(four.at("gb_per_s"), 2400.0);
  EXPECT_EQ(four.at("ceiling_share"), 0.75);
  EXPECT_TRUE(four.at("others").empty());
  const auto& sixteen = json.at("problems")[1];
  EXPECT_TRUE(sixteen.at("noise").is_null());
  EXPECT_TRUE(sixteen.at("ceiling_share").is_null());
}

}  // namespace
}  // namespace qoq::bandwidth
