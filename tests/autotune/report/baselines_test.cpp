// Other libraries' kernels in the reports: beside ours with their own peaks, missing ones said, none ever among ours.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "autotune/report/report.h"
#include "html_reader.h"
#include "sample_store.h"

namespace qoq::report {
namespace {

using Rows = std::vector<std::vector<std::string>>;

struct BaselinesTest : testing::Test {
  TemporaryStore file;
  store::Store store = store::Store::open(file.path(), store::Mode::ReadWrite);

  /// Rows of the table beside other libraries: a problem, then the library's kernel in the fourth place.
  static Rows of_libraries(const Files& files) {
    Rows rows = table_rows(read_html(files.html));
    std::erase_if(rows, [](const auto& row) { return row.size() != 7 || !row[3].starts_with("cublaslt/"); });
    return rows;
  }
};

TEST_F(BaselinesTest, StandBesideOursWithTheirOwnPeaks) {
  fill_baselines(store);
  const Files files = render(store, {}, {});
  const Rows rows = of_libraries(files);
  ASSERT_EQ(rows.size(), 6u) << "int8 and fp8 of three problems";
  const double ops = 2.0 * 512 * 4096 * 4096;
  const auto share = [&](double us) { return fmt::format("{:.1f} %", 100 * ops / us * 1e-6 / 1979); };
  EXPECT_EQ(rows[2], (std::vector<std::string>{"gemm w4a8-g128 m=512 n=4096 k=4096", "24.90", share(24.9),
                                               "cublaslt/int8", "22.40", share(22.4), "0.90×"}));
  EXPECT_EQ(rows[3][3], "cublaslt/fp8");
  EXPECT_EQ(rows[3][5], "—") << "the sample's sheet has no fp8 rate";
  EXPECT_EQ(rows[0][6], "1.50×");
  EXPECT_NE(files.markdown.find("`cublaslt/int8` (cublaslt.int8.c01, best of 2)"), std::string::npos);
  EXPECT_NE(files.markdown.find("(int8, 1979 TOPS)"), std::string::npos);
  EXPECT_NE(files.markdown.find("(cublaslt.fp8.full.c00, best of 2)"), std::string::npos)
      << "the wrong algorithm is counted and not chosen";
}

TEST_F(BaselinesTest, AMissingLibraryIsSaidOnce) {
  fill_baselines(store);
  const std::string markdown = render(store, {}, {}).markdown;
  const std::string line =
      "cublaslt/bf16: missing: cuBLASLt is not here: libcublasLt.so.13: cannot open shared object file (3 problems)";
  const size_t found = markdown.find(line);
  ASSERT_NE(found, std::string::npos) << markdown;
  EXPECT_EQ(markdown.find("cublaslt/bf16", found + line.size()), std::string::npos);
}

TEST_F(BaselinesTest, AreNotAmongOurs) {
  const int64_t id = fill_baselines(store);
  const std::string first = sample_problem(4096, 4096, 4096).text;
  const Files files = render(store, {}, {});
  int rows = 0;
  for (const auto& row : table_rows(read_html(files.html))) {
    if (row.front() == first && row.size() != 7) {
      ++rows;
      EXPECT_TRUE(row[1].starts_with("mma.")) << "cuBLASLt is faster here and must not be chosen";
      EXPECT_EQ(row[2], "165.00");
    }
    if (row.front() == "NVIDIA H200") {
      EXPECT_EQ(row[4], "6") << "candidates in the summary";
    }
  }
  EXPECT_EQ(rows, 1);
  EXPECT_NE(files.markdown.find("6 candidates: 6 ok; besides, 15 baselines of other libraries."), std::string::npos);
  for (const auto& best : store.best(id)) EXPECT_FALSE(best.baseline);
  EXPECT_NE(files.csv.find(",cublaslt/int8,cublaslt.int8.c01,rowmajor,0,0,1,ok,,measured,"), std::string::npos);
}

TEST_F(BaselinesTest, MeasuredTimesAreNotComparedWithPredictedOnes) {
  const int64_t id = fill_baselines(store);
  const std::string problem = sample_problem(16, 4096, 4096).text;
  for (auto ours : store.candidates({.environment = id, .problem = problem, .baseline = false})) {
    ours.source = store::Source::Predicted;
    store.record(id, ours);
  }
  const Files files = render(store, {}, {});
  const Rows rows = of_libraries(files);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0][6], "—");
  EXPECT_NE(files.markdown.find("ours is predicted: not comparable"), std::string::npos);
}

TEST_F(BaselinesTest, AFailureIsShownWhereNothingWasRight) {
  const int64_t id = fill_baselines(store);
  const std::string problem = sample_problem(16, 4096, 4096).text;
  for (auto row : store.candidates({.environment = id, .problem = problem, .baseline = true})) {
    if (row.family != "cublaslt/fp8" || row.outcome != store::Outcome::Ok) continue;
    row.outcome = store::Outcome::Timeout;
    row.reason = "did not end within 10 s";
    row.median_us.reset();
    row.source = store::Source::None;
    store.record(id, row);
  }
  const Files files = render(store, {}, {});
  EXPECT_EQ(of_libraries(files)[1],
            (std::vector<std::string>{problem, "5.20", "5.2 %", "cublaslt/fp8", "—", "—", "—"}));
  EXPECT_NE(files.markdown.find("`cublaslt/fp8` (y\\[3, 17\\] = 12"), std::string::npos);
}

TEST_F(BaselinesTest, WithoutAnyThereIsNoSection) {
  fill_sample(store);
  EXPECT_EQ(render(store, {}, {}).html.find("Beside other libraries"), std::string::npos);
}

}  // namespace
}  // namespace qoq::report
