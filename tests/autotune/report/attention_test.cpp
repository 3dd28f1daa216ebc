// A second operator in the reports: beside GEMMs, and beside the paper's figures.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "html_reader.h"
#include "sample_store.h"

namespace qoq::report {
namespace {

using store::Candidate;
using store::Source;
using Rows = std::vector<std::vector<std::string>>;

struct AttentionReportTest : testing::Test {
  TemporaryStore file;
  store::Store store = store::Store::open(file.path(), store::Mode::ReadWrite);

  int64_t add_gpu(const std::string& target, const std::string& product) {
    store::Environment environment = sample_environment(target);
    environment.product = product;
    const int64_t id = store.environment(environment);
    store.put_gpu(id, {product, R"json({"ceilings": [
        {"kind": "memory", "name": "DRAM (listed)", "value": 2039, "source": "datasheet: x"},
        {"kind": "tensor", "name": "fp16", "value": 312, "source": "datasheet: x"},
        {"kind": "tensor", "name": "fp16, mma.sync", "value": 300, "source": "datasheet: x"},
        {"kind": "tensor", "name": "int4", "value": 1248, "source": "datasheet: x"},
        {"kind": "tensor", "name": "int8", "value": 624, "source": "datasheet: x"}]})json"});
    return id;
  }
  /// Puts the problem, and its one row.
  void add_row(int64_t environment, const std::string& scheme, const std::string& fields, double median_us,
               Source source = Source::Predicted) {
    store::ProblemRow problem;
    problem.text = fmt::format("attention {} {}", scheme, fields);
    problem.op = "attention";
    problem.scheme = scheme;
    problem.layout_group = "heads=32/32 dh=128";
    problem.ops = 1.6e9;
    problem.arithmetic = "fp16";
    problem.read_bytes = 4e8;
    problem.write_bytes = 5e5;
    store.put_problem(problem);
    Candidate row = sample_candidate(problem.text, "decode." + scheme + ".st4", median_us);
    row.family = "attention/decode";
    row.layout = "fragment";
    row.source = source;
    store.record(environment, row);
  }
  void add_gemm(int64_t environment) {
    const store::ProblemRow problem = sample_problem(64, 4096, 4096);
    store.put_problem(problem);
    store.record(environment, sample_candidate(problem.text, "mma.bm64", 5));
    store.record(environment, sample_candidate(problem.text, "mma.bm32", 6));
  }
  std::string page() { return render(store, {}, {}).html; }
  /// The rows of the table beside the paper: those of nine cells that begin with this context.
  Rows beside_paper(const std::string& context) {
    Rows rows = table_rows(read_html(page()));
    std::erase_if(rows, [&](const auto& row) { return row.size() != 9 || row.front() != context; });
    return rows;
  }

  static constexpr auto paper_1536 = "batch=64 heads=32/32 dh=128 ctx=1536";
};

TEST_F(AttentionReportTest, EachOperatorHasItsRowInTheSummary) {
  const int64_t id = add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB");
  add_gemm(id);
  add_row(id, "kv4", paper_1536, 400);
  Rows rows = table_rows(read_html(page()));
  std::erase_if(rows, [](const auto& row) { return row.size() != 8 || !row[0].starts_with("NVIDIA A100"); });
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0][1], "attention");
  EXPECT_EQ(rows[0][3], "1 of 1");
  EXPECT_EQ(rows[0][4], "1");
  EXPECT_EQ(rows[0][6], "50.0 %");
  EXPECT_EQ(rows[1][1], "gemm");
  EXPECT_EQ(rows[1][4], "2") << "its own candidates only";
}

TEST_F(AttentionReportTest, ItsProblemsStandInTheTable) {
  add_row(add_gpu("sim:h200", "NVIDIA H200"), "kv4", paper_1536, 400);
  const Rows rows = table_rows(read_html(page()));
  const auto row = std::ranges::find_if(
      rows, [](const auto& cells) { return cells.front() == std::string("attention kv4 ") + paper_1536; });
  ASSERT_NE(row, rows.end());
  EXPECT_EQ((*row)[1], "decode.kv4.st4");
  EXPECT_EQ((*row)[2], "400.00");
}

TEST_F(AttentionReportTest, ALongListOfContextsIsCutInTheTableAndWholeOnDemand) {
  std::string contexts = "1";
  for (int i = 1; i < 64; ++i) contexts += fmt::format(",{}", 100 + i);
  add_row(add_gpu("sim:h200", "NVIDIA H200"), "kv4", "batch=64 heads=32/32 dh=128 ctx=" + contexts, 400);
  const auto pieces = read_html(page());
  for (const auto& row : table_rows(pieces)) EXPECT_LT(row.front().size(), 100u);
  EXPECT_TRUE(std::ranges::any_of(pieces, [&](const HtmlPiece& piece) {
    const auto title = piece.attributes.find("title");
    return title != piece.attributes.end() && title->second.find(contexts) != std::string::npos;
  }));
}

TEST_F(AttentionReportTest, TheRooflineHasItsTensorRateAndTellsItsPointsApart) {
  const int64_t id = add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB");
  add_gemm(id);
  add_row(id, "kv4", paper_1536, 400);
  const std::string html = page();
  const auto plot = figures(read_html(html)).at("gpu-1-roofline-plot");
  std::vector<std::pair<std::string, bool>> lines;
  for (const auto& line : plot.at("lines")) lines.emplace_back(line.at("label"), line.at("lesser"));
  EXPECT_EQ(lines, (std::vector<std::pair<std::string, bool>>{{"DRAM (listed)  2.04 TB/s", false},
                                                              {"fp16  312 TOPS", false},
                                                              {"fp16, mma.sync  300 TOPS", true},
                                                              {"int8  624 TOPS", false}}))
      << "no problem is bound by int4";
  ASSERT_EQ(plot.at("series").size(), 2u);
  EXPECT_EQ(plot.at("series")[0].at("label"), "attention kv4 heads=32/32 dh=128");
  EXPECT_FALSE(plot.at("series")[0].at("hollow"));
  EXPECT_EQ(plot.at("series")[1].at("label"), "gemm w4a8-g128 n=4096 k=4096");
  EXPECT_TRUE(plot.at("series")[1].at("hollow"));
  EXPECT_NE(html.find("Filled points are attention, hollow ones gemm."), std::string::npos);
}

TEST_F(AttentionReportTest, WhatOnlyReadsMemoryStandsInTheTablesAndIsNotDrawn) {
  const int64_t id = add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB");
  add_gemm(id);
  store::ProblemRow read{"ceiling read mb=64", "ceiling", "read", "flat", 0, "fp16", 67108864, 0};
  store.put_problem(read);
  store.record(id, sample_candidate(read.text, "read.t256", 40));
  const std::vector<LayoutChoice> layouts{{.environment = id,
                                           .op = "ceiling",
                                           .scheme = "read",
                                           .group = "flat",
                                           .layout = "flat",
                                           .chosen_us = 40,
                                           .free_us = 40},
                                          {.environment = id,
                                           .op = "gemm",
                                           .scheme = "w4a8-g128",
                                           .group = "n=4096 k=4096",
                                           .layout = "qserve",
                                           .chosen_us = 5,
                                           .free_us = 5}};
  const Files files = render(store, {}, layouts);
  const auto plot = figures(read_html(files.html)).at("gpu-1-roofline-plot");
  ASSERT_EQ(plot.at("series").size(), 1u);
  EXPECT_EQ(plot.at("series")[0].at("label"), "n=4096 k=4096") << "named as if it were alone";
  EXPECT_FALSE(plot.at("series")[0].at("hollow"));
  EXPECT_GT(plot.at("y").at("min"), 0);
  for (const auto& line : plot.at("lines"))
    EXPECT_EQ(line.at("label").get<std::string>().find("fp16"), std::string::npos);
  EXPECT_NE(files.html.find("Not drawn: ceiling, which only moves bytes."), std::string::npos);
  for (const char* words : {"| ceiling | predicted | 1 of 1 |", "`ceiling read mb=64`", "0.005 ms weighted"})
    EXPECT_NE(files.markdown.find(words), std::string::npos) << words;
  EXPECT_EQ(files.markdown.find("ceiling read flat"), std::string::npos) << "nobody deploys it";
}

TEST_F(AttentionReportTest, AReadOfMemoryAloneHasNoRoofline) {
  const int64_t id = add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB");
  store.put_problem({"ceiling read mb=64", "ceiling", "read", "flat", 0, "fp16", 67108864, 0});
  store.record(id, sample_candidate("ceiling read mb=64", "read.t256", 40));
  EXPECT_NE(page().find("No chosen kernel has both a time and operations"), std::string::npos);
}

TEST_F(AttentionReportTest, WithoutAttentionThePaperIsNotShown) {
  add_gemm(add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB"));
  EXPECT_EQ(page().find("beside the paper"), std::string::npos);
}

TEST_F(AttentionReportTest, ThePapersRowsStandBesideOurs) {
  const int64_t id = add_gpu("cuda:0", "NVIDIA A100-SXM4-80GB");
  add_row(id, "kv4", paper_1536, 205, Source::Measured);
  add_row(id, "kv8", paper_1536, 400, Source::Measured);
  EXPECT_EQ(beside_paper("1536"),
            (Rows{{"1536", "0.62", "0.69", "0.41", "NVIDIA A100-SXM4-80GB", "measured", "0.400", "0.205", "2.00×"}}));
  EXPECT_EQ(beside_paper("128"), (Rows{{"128", "0.09", "0.10", "0.07", "not in this database", "—", "—", "—", "—"}}));
}

TEST_F(AttentionReportTest, OnlyMeasurementsOfTheSameProductAreCompared) {
  add_row(add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB"), "kv4", paper_1536, 205);
  add_row(add_gpu("cuda:0", "NVIDIA H200"), "kv4", paper_1536, 100, Source::Measured);
  const Rows rows = beside_paper("1536");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0][5], "predicted");
  EXPECT_EQ(rows[0][7], "0.205") << "shown, and marked";
  EXPECT_EQ(rows[0][8], "—");
  EXPECT_EQ(rows[1][5], "measured");
  EXPECT_EQ(rows[1][8], "—");
  const std::string markdown = render(store, {}, {}).markdown;
  EXPECT_NE(markdown.find("not compared: ours is no measurement"), std::string::npos);
  EXPECT_NE(markdown.find("another GPU"), std::string::npos);
}

TEST_F(AttentionReportTest, OtherProblemsAreNotThePapers) {
  const int64_t id = add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB");
  for (const char* rest : {" page=64", " q=4", " out=bf16"}) add_row(id, "kv4", std::string(paper_1536) + rest, 205);
  add_row(id, "kv4", "batch=64 heads=32/8 dh=128 ctx=1536", 205);
  EXPECT_EQ(beside_paper("1536")[0][4], "not in this database");
}

TEST_F(AttentionReportTest, WhatNobodyCheckedIsMarked) {
  add_row(add_gpu("sim:a100-80", "NVIDIA A100-SXM4-80GB"), "kv4", paper_1536, 205);
  const std::string markdown = render(store, {}, {}).markdown;
  for (const char* context : {"256", "512", "1024"})
    EXPECT_NE(markdown.find(fmt::format("| {} (from memory, unchecked) |", context)), std::string::npos) << context;
  for (const char* context : {"128", "1536"})
    EXPECT_NE(markdown.find(fmt::format("| {} |", context)), std::string::npos) << context;
  EXPECT_NE(markdown.find("arXiv 2405.04532"), std::string::npos);
}

}  // namespace
}  // namespace qoq::report
