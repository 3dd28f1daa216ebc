// How measured times came about: thrown-away samples, races, the second clock, counters; and silence where nothing was
// measured.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "autotune/report/report.h"
#include "html_reader.h"
#include "sample_store.h"

namespace qoq::report {
namespace {

using Rows = std::vector<std::vector<std::string>>;

struct MeasuringTest : testing::Test {
  TemporaryStore file;
  store::Store store = store::Store::open(file.path(), store::Mode::ReadWrite);

  static std::string problem(int m) { return sample_problem(m, 4096, 4096).text; }

  /// What lies below a heading, up to the next one.
  static std::string below(const std::string& markdown, const std::string& heading) {
    const size_t begin = markdown.find("# " + heading + "\n");
    if (begin == std::string::npos) return "";
    return markdown.substr(begin, markdown.find("\n#", begin) - begin);
  }
  /// Rows of this many cells of a table of the page; their first cell is a problem unless said otherwise.
  static Rows rows_of(const Files& files, size_t cells, const std::string& first = "gemm ") {
    Rows rows = table_rows(read_html(files.html));
    std::erase_if(rows, [&](const auto& row) { return row.size() != cells || !row[0].starts_with(first); });
    return rows;
  }
};

TEST_F(MeasuringTest, ThrownAwaySamplesAreCounted) {
  const int64_t id = fill_measured(store);
  auto row = store.candidates({.environment = id, .problem = problem(512), .baseline = false}).front();
  row.samples_us = {24.8, 24.9, 25.0};
  store.record(id, row);
  const Files files = render(store, {}, {});
  const std::string section = below(files.markdown, "Measuring");
  EXPECT_NE(section.find("5 samples were thrown away"), std::string::npos) << section;
  EXPECT_NE(section.find("cache weights-cold, launch eager"), std::string::npos);
  EXPECT_NE(section.find("| 3 (of 1 row) | 1 |"), std::string::npos);
  EXPECT_EQ(rows_of(files, 5, "ours").at(0), (std::vector<std::string>{"ours", "6", "3", "3", "1"}));
  EXPECT_EQ(rows_of(files, 5, "other").at(0), (std::vector<std::string>{"other libraries'", "9", "0", "2", "2"}));
}

TEST_F(MeasuringTest, RacesTellWhoWonAndWhy) {
  fill_measured(store);
  const Files files = render(store, {}, {});
  const Rows rows = rows_of(files, 4);
  ASSERT_EQ(rows.size(), 3u) << "the fourth race is of a problem without rows";
  const std::string winner = "mma.w4a8-g128.bm16.bn128.bk128.wm16.wn32.st4.sk2.imad";
  EXPECT_EQ(rows[0], (std::vector<std::string>{problem(16), winner, "the winner", "it was the only one within reach"}));
  EXPECT_EQ(rows[1][1], winner);
  EXPECT_EQ(rows[1][2], "bm64.bn64.wm64.sk1");
  EXPECT_TRUE(rows[1][3].ends_with("24.9 us [24.8, 25] against 26.64 us [26.5, 26.8] after 40 rounds")) << rows[1][3];
  EXPECT_NE(files.markdown.find("In 1 of 3 races the incumbent lost its place."), std::string::npos);
  EXPECT_EQ(files.markdown.find("a race without rows"), std::string::npos);
  EXPECT_EQ(files.markdown.find("not the one chosen above"), std::string::npos);
}

TEST_F(MeasuringTest, AWinnerThatWasNotChosenIsSaid) {
  const int64_t id = fill_measured(store);
  const std::string other = "mma.w4a8-g128.bm64.bn64.bk128.wm64.wn32.st4.sk1.imad";
  const Files files = render(store, {{id, problem(512), other, "exact"}}, {});
  EXPECT_NE(files.markdown.find("(not the one chosen above, bm64.bn64.wm64.sk1)"), std::string::npos);
}

TEST_F(MeasuringTest, BothClocksStandSideBySide) {
  fill_measured(store);
  const Files files = render(store, {}, {});
  EXPECT_EQ(rows_of(files, 6), (Rows{{problem(16), "5.40", "5.00", "4.60", "+8.0 %", "—"},
                                     {problem(512), "24.90", "24.70", "24.10", "+0.8 %", "agrees"},
                                     {problem(4096), "165.00", "155.00", "—", "+6.5 %", "differs"}}));
  EXPECT_NE(files.html.find("<span class=\"badge warn\">differs</span>"), std::string::npos) << "plainly marked";
  EXPECT_NE(files.html.find("<small>mma.<wbr>w4a8-g128.<wbr>bm16.<wbr>"), std::string::npos) << "too long for one line";
  const std::string section = below(files.markdown, "Events beside CUPTI Activity");
  EXPECT_NE(section.find("Within 2 % of CUPTI Activity's time, of the checked rows above 20 µs: 1 of 2."),
            std::string::npos)
      << section;
  EXPECT_NE(section.find("too short to judge"), std::string::npos);
  EXPECT_NE(section.find("- not cross-checked: another profiler is attached (1 row)"), std::string::npos);
}

TEST_F(MeasuringTest, AgreementHasItsLimits) {
  const int64_t id = fill_measured(store);
  auto verdict = [&](const char* times) {
    store.add_details(id, problem(512), "mma.w4a8-g128.bm16.bn128.bk128.wm16.wn32.st4.sk2.imad", false,
                      fmt::format(R"({{"cross_check": {{{}}}}})", times));
    return rows_of(render(store, {}, {}), 6).at(1)[5];
  };
  EXPECT_EQ(verdict(R"("events_us": 101.9, "activity_us": 100)"), "agrees");
  EXPECT_EQ(verdict(R"("events_us": 102.1, "activity_us": 100)"), "differs");
  EXPECT_EQ(verdict(R"("events_us": 97.9, "activity_us": 100)"), "differs") << "too little is as wrong as too much";
  EXPECT_EQ(verdict(R"("events_us": 20.1, "activity_us": 19)"), "differs");
  EXPECT_EQ(verdict(R"("events_us": 20, "activity_us": 10)"), "—") << "up to 20 µs nothing is judged";
}

TEST_F(MeasuringTest, CountersSayWhatLimitsTheWinners) {
  fill_measured(store);
  const Files files = render(store, {}, {});
  const std::string section = below(files.markdown, "Counters of the winners");
  Rows rows = rows_of(files, 10);
  ASSERT_EQ(rows.size(), 2u) << section;
  EXPECT_EQ(
      rows[0],
      (std::vector<std::string>{
          problem(16),
          "33 % the fixed time of its last instruction; 12 % data from DRAM, L2 or L1; 9 % other warps at a barrier",
          "5.9 %", "20.0 %", "6.6 %", "11.0 %", "0.6 %", "9.20 MB", "12,800", "5.6 %"}));
  const double least = sample_problem(16, 4096, 4096).read_bytes;
  EXPECT_NE(section.find(fmt::format("9.20 MB ({:.2f}× of {:.2f} MB)", 9.2e6 / least, least / 1e6)), std::string::npos)
      << section;
  EXPECT_NE(files.html.find("<small>1.06× of"), std::string::npos) << "no break inside a number";
  EXPECT_NE(section.find("12,800 (10.0 % of turns)"), std::string::npos) << "of 16,384,000 / 128";
  EXPECT_EQ(rows[1], (std::vector<std::string>{problem(4096), "—", "71.3 %", "—", "—", "—", "—", "—", "—", "—"}))
      << "what was not counted is not made up";
  EXPECT_NE(section.find("No time in this report comes from a counter pass"), std::string::npos);
  EXPECT_NE(section.find("10 to 12 passes a row"), std::string::npos);
  EXPECT_NE(section.find("- no counters, only activity: counters need rights that this user does not have: ask for "),
            std::string::npos);
}

TEST_F(MeasuringTest, WithoutAnyCountersTheReasonStands) {
  const int64_t id = fill_measured(store);
  for (const auto& row : store.candidates({.environment = id, .baseline = false}))
    store.add_details(id, row.problem, row.variant, row.ablated,
                      R"({"counters": {"rung": "prediction", "passes": 0, "reason": "no CUPTI", "values": {}}})");
  const Files files = render(store, {}, {});
  const std::string section = below(files.markdown, "Counters of the winners");
  EXPECT_TRUE(rows_of(files, 10).empty());
  EXPECT_NE(section.find("- no counters, only prediction: no CUPTI (6 rows)"), std::string::npos) << section;
  EXPECT_NE(section.find("No time in this report comes from a counter pass"), std::string::npos);
}

TEST_F(MeasuringTest, AnEarlierWinnerIsCalledSo) {
  const int64_t id = fill_measured(store);
  const std::string second = "mma.w4a8-g128.bm64.bn64.bk128.wm64.wn32.st4.sk1.imad";
  store.put_race(id, {problem(16), second, second, "it was measured again"});
  const std::string markdown = render(store, {}, {}).markdown;
  for (const char* heading : {"Events beside CUPTI Activity", "Counters of the winners"}) {
    const std::string section = below(markdown, heading);
    const size_t found = section.find("an earlier winner");
    ASSERT_NE(found, std::string::npos) << section;
    EXPECT_EQ(section.find("an earlier winner", found + 1), std::string::npos) << "only that of m = 16";
  }
}

TEST_F(MeasuringTest, DetailsThatCannotBeReadDoNoHarm) {
  const int64_t id = fill_measured(store);
  const std::string winner = "mma.w4a8-g128.bm16.bn128.bk128.wm16.wn32.st4.sk2.imad";
  store.add_details(id, problem(16), winner, false, R"({"cross_check": {"events_us": null}, "counters": [1, 2],
      "discarded": "many", "throttled": 7})");
  store.add_details(id, problem(512), winner, false,
                    R"({"cross_check": 3, "counters": {"values": 4, "passes": 1e300}})");
  const Files files = render(store, {}, {});
  const std::string section = below(files.markdown, "Events beside CUPTI Activity");
  EXPECT_NE(section.find("- not cross-checked: its entry holds no two times (1 row)"), std::string::npos) << section;
  EXPECT_EQ(rows_of(files, 6).size(), 1u);
  EXPECT_EQ(rows_of(files, 10).size(), 1u);
}

TEST_F(MeasuringTest, WithoutMeasuredRowsThereIsNoSection) {
  fill_sample(store);
  const Files files = render(store, {}, {});
  for (const char* text : {"Measuring", "Races of", "counter pass", "thrown away", "CUPTI"})
    EXPECT_EQ(files.markdown.find(text), std::string::npos) << text;
  EXPECT_EQ(files.html.find("-measuring\""), std::string::npos);
}

TEST_F(MeasuringTest, RowsAloneBringNoEmptyTables) {
  fill_baselines(store);
  const Files files = render(store, {}, {});
  EXPECT_NE(below(files.markdown, "Measuring").find("No sample was thrown away"), std::string::npos);
  for (const char* text : {"Races of", "CUPTI", "Counters of"})
    EXPECT_EQ(files.markdown.find(text), std::string::npos) << text;
}

}  // namespace
}  // namespace qoq::report
