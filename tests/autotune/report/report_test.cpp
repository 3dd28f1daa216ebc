// The reports of a plausible store: complete, self-contained, equal to its rows, and honest about their source.
#include "autotune/report/report.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "html_reader.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "sample_store.h"

namespace qoq::report {
namespace {

using store::Candidate;
using store::Outcome;
using store::Source;

struct ReportTest : testing::Test {
  TemporaryStore file;
  store::Store store = store::Store::open(file.path(), store::Mode::ReadWrite);

  int64_t add_environment(const std::string& target) {
    int64_t id = store.environment(sample_environment(target));
    store.put_problem(sample_problem(64, 4096, 4096));
    return id;
  }
  const std::string problem = "gemm w4a8-g128 m=64 n=4096 k=4096";

  Candidate candidate(const std::string& variant, double median_us) {
    return sample_candidate(problem, variant, median_us);
  }
  Files render_all(const Options& options = {}) { return render(store, {}, {}, options); }
};

/// Scripts and styles are ours; everything else of a page is the report.
std::string visible_text(const std::vector<HtmlPiece>& pieces) {
  std::string text;
  bool code = false;
  for (const HtmlPiece& piece : pieces) {
    if (piece.name == "script" || piece.name == "style") code = true;
    if (piece.name == "/script" || piece.name == "/style") code = false;
    if (piece.name.empty() && !code) text += piece.text;
  }
  return text;
}

/// The problem's row among the tables' rows, by its variant column being there (the first table with the problem
/// first).
std::vector<std::string> row_of(const std::vector<std::vector<std::string>>& rows, const std::string& first,
                                size_t nth = 0) {
  for (const auto& row : rows) {
    if (!row.empty() && row.front() == first && nth-- == 0) return row;
  }
  return {};
}

TEST_F(ReportTest, EmptyStoreSaysSo) {
  Files files = render_all();
  EXPECT_NE(visible_text(read_html(files.html)).find("holds no candidates"), std::string::npos);
  EXPECT_NE(files.markdown.find("holds no candidates"), std::string::npos);
  EXPECT_EQ(std::count(files.csv.begin(), files.csv.end(), '\n'), 1);
}

TEST_F(ReportTest, PageIsWholeAndRefersToNothingOutside) {
  Sample sample = fill_sample(store);
  std::string page = render(store, sample.chosen, sample.layouts).html;
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_EQ(page.find("@import"), std::string::npos);
  EXPECT_LT(page.size(), size_t{6} << 20);
  int scripts = 0, policies = 0;
  for (const HtmlPiece& piece : read_html(page)) {
    EXPECT_FALSE(piece.attributes.contains("src")) << piece.name;
    EXPECT_NE(piece.name, "link");
    EXPECT_NE(piece.name, "img");
    if (auto href = piece.attributes.find("href"); href != piece.attributes.end()) {
      EXPECT_TRUE(href->second.starts_with("#")) << href->second;
    }
    scripts += piece.name == "script";
    if (auto policy = piece.attributes.find("content"); policy != piece.attributes.end()) {
      policies += policy->second.starts_with("default-src 'none'");
    }
    for (const auto& [name, value] : piece.attributes) EXPECT_FALSE(name.starts_with("on")) << name << "=" << value;
  }
  EXPECT_EQ(scripts, 3);
  EXPECT_EQ(policies, 1);
}

TEST_F(ReportTest, NumbersAreTheStoresRows) {
  Sample sample = fill_sample(store);
  Files files = render(store, sample.chosen, sample.layouts);
  auto pieces = read_html(files.html);
  auto rows = table_rows(pieces);
  auto plots = figures(pieces);
  auto environments = store.environments();
  ASSERT_EQ(environments.size(), 3u);
  ASSERT_EQ(sample.chosen.size(), 72u);
  for (size_t gpu = 0; gpu < environments.size(); ++gpu) {
    std::vector<std::pair<double, double>> points;
    for (const auto& series : plots.at(fmt::format("gpu-{}-roofline-plot", environments[gpu].id)).at("series")) {
      for (const auto& point : series.at("points")) points.emplace_back(point.at("x"), point.at("y"));
    }
    EXPECT_EQ(points.size(), 24u);
    for (const store::ProblemRow& p : store.problems()) {
      auto list =
          store.candidates({.environment = environments[gpu].id, .problem = p.text, .timed = true, .by_time = true});
      ASSERT_GE(list.size(), 2u);
      const Candidate &best = list[0], &next = list[1];
      auto row = row_of(rows, p.text, gpu);
      ASSERT_EQ(row.size(), 10u) << p.text;
      EXPECT_EQ(row[1], best.variant);
      EXPECT_EQ(row[2], fmt::format("{:.2f}", *best.median_us));
      EXPECT_EQ(row[3], "predicted");
      EXPECT_EQ(row[4], fmt::format("{:.1f} %", 100 * best.speed_of_light_us / *best.median_us));
      EXPECT_EQ(row[7], fmt::format("+{:.1f} %", 100 * (*next.median_us / *best.median_us - 1)));
      auto published = std::find_if(list.begin(), list.end(), [](const Candidate& c) { return c.published; });
      ASSERT_NE(published, list.end());
      EXPECT_EQ(row[9], fmt::format("{:.2f}×", *published->median_us / *best.median_us));
      EXPECT_NE(files.markdown.find(fmt::format("{:.2f}× ({:.2f} / {:.2f} µs)", *published->median_us / *best.median_us,
                                                *published->median_us, *best.median_us)),
                std::string::npos);
      double x = p.ops / (p.read_bytes + p.write_bytes), y = p.ops / *best.median_us * 1e-6;
      EXPECT_TRUE(std::any_of(points.begin(), points.end(), [&](auto point) {
        return std::abs(point.first / x - 1) < 1e-5 && std::abs(point.second / y - 1) < 1e-5;
      })) << p.text;
    }
  }
}

TEST_F(ReportTest, RooflineHasTheStoresCeilings) {
  Sample sample = fill_sample(store);
  auto plots = figures(read_html(render(store, sample.chosen, sample.layouts).html));
  auto lines = plots.at("gpu-3-roofline-plot").at("lines");
  std::vector<std::string> labels;
  for (const auto& line : lines) labels.push_back(line.at("label"));
  EXPECT_EQ(labels, (std::vector<std::string>{"DRAM (listed)  4.8 TB/s", "DRAM (measured)  4.3 TB/s", "int8  1979 TOPS",
                                              "int8, mma.sync  1245 TOPS", "CUDA cores, fp32  67 TOPS"}));
  // A memory ceiling rises by GB/s; its end is the ridge with the highest compute ceiling.
  auto memory = lines[0].at("points");
  EXPECT_NEAR(double(memory[0][1]) / double(memory[0][0]), 4.8, 1e-3);
  EXPECT_NEAR(memory[1][0], 1979 / 4.8, 0.1);
  EXPECT_NEAR(memory[1][1], 1979, 0.1);
  EXPECT_NEAR(lines[2].at("points")[0][0], 1979 / 4.8, 0.1);
}

TEST_F(ReportTest, ManyMatricesBecomeOneSeriesAScheme) {
  int64_t id = add_environment("sim:h200");
  for (int i = 1; i <= 9; ++i) {
    store::ProblemRow row = sample_problem(64, 1024 * i, 4096);
    store.put_problem(row);
    store.record(id, sample_candidate(row.text, "mma.bm64", 5));
    auto series = figures(read_html(render_all().html)).at("gpu-1-roofline-plot").at("series");
    EXPECT_EQ(series.size(), i <= 8 ? static_cast<size_t>(i) : 1u);
    EXPECT_EQ(series[0].at("connected"), i <= 8);
    EXPECT_EQ(series.back().at("points").size(), i <= 8 ? 1u : 9u);
  }
}

TEST_F(ReportTest, CsvHoldsEveryRow) {
  fill_sample(store);
  std::string csv = render_all().csv;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 24 * 22);
  for (const Candidate& row : store.candidates({.environment = 2})) {
    if (!row.median_us) continue;
    std::string expected = fmt::format("{},gemm/mma,{},qserve,0,{},0,ok,,predicted,{},", row.problem, row.variant,
                                       row.published ? 1 : 0, *row.median_us);
    EXPECT_NE(csv.find(expected), std::string::npos) << expected;
  }
}

TEST_F(ReportTest, HostileTextStaysText) {
  int64_t id = add_environment("sim:h200");
  const std::string hostile = "</script><script>alert(1)</script><!-- \"q\" 'a' & &lt; | `b` *c* größer 推 \x01 \xff";
  Candidate ok = candidate("v." + hostile, 5);
  Candidate bad = candidate("w." + hostile, 6);
  bad.outcome = Outcome::Wrong;
  bad.reason = "reason," + hostile;
  bad.median_us.reset();
  bad.source = Source::None;
  store.record(id, ok);
  store.record(id, bad);
  Files files = render_all({.command_line = "qoqtune report --db " + hostile});
  auto pieces = read_html(files.html);
  EXPECT_EQ(std::count_if(pieces.begin(), pieces.end(), [](const HtmlPiece& p) { return p.name == "script"; }), 3);
  std::string text = visible_text(pieces);
  EXPECT_NE(text.find("reason,</script><script>alert(1)</script><!-- \"q\" 'a' & &lt; | `b` *c* größer 推 \ufffd"),
            std::string::npos);
  EXPECT_EQ(figures(pieces).dump().find("alert(1)") != std::string::npos, true);
  // Outside code spans no tag survives in Markdown; a code span shows it as it is.
  std::string markdown = files.markdown;
  for (size_t at; (at = markdown.find('`')) != std::string::npos;) {
    size_t fence = markdown.find_first_not_of('`', at) - at;
    size_t end = markdown.find(std::string(fence, '`'), at + fence);
    if (end == std::string::npos) break;
    markdown.erase(at, end + fence - at);
  }
  EXPECT_EQ(markdown.find("<script>"), std::string::npos);
  EXPECT_NE(files.csv.find("\"reason,</script><script>alert(1)</script><!-- \"\"q\"\" "), std::string::npos);
}

TEST_F(ReportTest, PredictedIsMarkedLoudly) {
  store.record(add_environment("sim:h200"), candidate("mma.bm64", 5));
  Files files = render_all();
  EXPECT_NE(files.html.find("class=\"banner\" role=\"note\">Predicted, not measured"), std::string::npos);
  EXPECT_NE(files.markdown.find("> **Predicted, not measured"), std::string::npos);
  EXPECT_EQ(row_of(table_rows(read_html(files.html)), problem)[3], "predicted");
}

TEST_F(ReportTest, MeasuredHasNoBannerAndShowsItsNoise) {
  Candidate row = candidate("mma.bm64", 5);
  row.source = Source::Measured;
  row.noise = 0.012;
  store.record(add_environment("cuda:0"), row);
  Files files = render_all();
  EXPECT_EQ(files.html.find("class=\"banner\""), std::string::npos);
  EXPECT_EQ(row_of(table_rows(read_html(files.html)), problem)[3], "measured");
  EXPECT_NE(files.markdown.find("5.00 (± 1.2 %)"), std::string::npos);
}

TEST_F(ReportTest, SourcesAreNeverCompared) {
  int64_t id = add_environment("cuda:0");
  Candidate measured = candidate("mma.bm64", 9), predicted = candidate("mma.bm32", 5);
  measured.source = Source::Measured;
  predicted.published = true;
  store.record(id, measured);
  store.record(id, predicted);
  Files files = render_all();
  auto row = row_of(table_rows(read_html(files.html)), problem);
  ASSERT_EQ(row.size(), 9u);
  EXPECT_EQ(row[1], "mma.bm64") << "measured rows come before faster predictions";
  EXPECT_EQ(row[5], "—") << "a prediction is no runner-up of a measurement";
  EXPECT_EQ(row[8], "—") << "nor its baseline";
  EXPECT_NE(files.markdown.find("5.00 µs predicted: not comparable"), std::string::npos);
  EXPECT_NE(files.markdown.find("Partly predicted: NVIDIA H200"), std::string::npos);
}

TEST_F(ReportTest, OnlyVerifiedDeployableRowsAreChosen) {
  int64_t id = add_environment("sim:h200");
  Candidate ablated = candidate("mma.bm64", 1), unverified = candidate("mma.bm32", 2), good = candidate("mma.bm16", 3),
            emulated = candidate("mma.bm128", 0.5), baseline = candidate("cublaslt.best", 0.7),
            refused = candidate("cublaslt.refused", 0.7);
  ablated.ablated = true;
  baseline.baseline = refused.baseline = true;
  refused.outcome = Outcome::LaunchFailed;
  refused.reason = "the library has no such kernel";
  refused.median_us.reset();
  unverified.verified_on.clear();
  emulated.source = Source::Emulated;
  emulated.median_us.reset();
  for (const auto& row : {ablated, unverified, good, emulated, baseline, refused}) store.record(id, row);
  const Files files = render_all();
  auto row = row_of(table_rows(read_html(files.html)), problem);
  ASSERT_FALSE(row.empty());
  EXPECT_EQ(row[1], "mma.bm16");
  EXPECT_EQ(row[5], "—") << "no runner-up is left";
  EXPECT_NE(files.markdown.find("2 baselines of other libraries"), std::string::npos);
  EXPECT_NE(files.csv.find("cublaslt.best"), std::string::npos) << "every row is in the CSV";
  EXPECT_EQ(files.markdown.find("no such kernel"), std::string::npos) << "a baseline's failure is none of ours";
}

TEST_F(ReportTest, ChoicesAreTakenAsHandedIn) {
  int64_t id = add_environment("sim:h200");
  store.record(id, candidate("mma.bm64", 5));
  store.record(id, candidate("mma.bm32", 4));
  Files files = render(store, {{id, problem, "mma.bm64", "exact"}},
                       {{id, "gemm", "w4a8-g128", "n=4096 k=4096", "qserve", 5000, 4000, {{"fragment", 6000}}, {}}});
  auto rows = table_rows(read_html(files.html));
  auto row = row_of(rows, problem);
  EXPECT_EQ(row[1], "mma.bm64");
  EXPECT_EQ(row[6], "−20.0 %") << "the faster row is shown as such";
  EXPECT_EQ(row_of(rows, "gemm w4a8-g128 n=4096 k=4096"),
            (std::vector<std::string>{"gemm w4a8-g128 n=4096 k=4096", "qserve", "5.000", "4.000", "+25.0 %",
                                      "fragment 6.000 ms"}));
}

TEST_F(ReportTest, ProblemWithoutAnyKernelIsShownWithWhy) {
  int64_t id = add_environment("sim:h200");
  Candidate bad = candidate("mma.bm64", 1);
  bad.outcome = Outcome::Illegal;
  bad.reason = "k = 100 is no multiple of 128";
  bad.median_us.reset();
  bad.source = Source::None;
  store.record(id, bad);
  Files files = render_all();
  EXPECT_NE(files.markdown.find("— (1 illegal)"), std::string::npos);
  EXPECT_NE(files.markdown.find("No times: NVIDIA H200"), std::string::npos);
  EXPECT_NE(files.markdown.find("| illegal | 1 | k = 100 is no multiple of 128 |"), std::string::npos);
}

TEST_F(ReportTest, FailuresAreAllCounted) {
  Sample sample = fill_sample(store);
  auto rows = table_rows(read_html(render(store, sample.chosen, sample.layouts).html));
  int64_t shown = 0, failed = 0;
  for (const auto& row : rows) {
    if (row.size() == 4 && (row[0] == "illegal" || row[0] == "compile_failed" || row[0] == "wrong"))
      shown += std::stoll(row[1]);
  }
  for (const auto& environment : store.environments()) {
    for (const auto& count : store.counts(environment.id)) failed += count.outcome == Outcome::Ok ? 0 : count.count;
  }
  EXPECT_GT(failed, 100);
  EXPECT_EQ(shown, failed);
}

TEST_F(ReportTest, OldEnvironmentsAreOnlyInTheCsv) {
  int64_t old_id = add_environment("sim:h200");
  store.record(old_id, candidate("mma.old", 5));
  auto newer = sample_environment("sim:h200");
  newer.kernels = "changed";
  int64_t id = store.environment(newer);
  store.record(id, candidate("mma.new", 5));
  Files files = render_all();
  EXPECT_EQ(files.html.find("mma.<wbr>old"), std::string::npos);
  EXPECT_NE(files.html.find("mma.<wbr>new"), std::string::npos);
  EXPECT_NE(files.csv.find("mma.old"), std::string::npos);
  EXPECT_NE(files.markdown.find("not shown: sim:h200"), std::string::npos);
}

TEST_F(ReportTest, RedactionReachesEveryFile) {
  auto environment = sample_environment("cuda:0");
  environment.uuid = "GPU-0a1b2c3d-1111-2222-3333-0123456789ab";
  environment.compiler = "NVRTC 13.0 --include-path=/opt/secret/include";
  int64_t id = store.environment(environment);
  store.put_problem(sample_problem(64, 4096, 4096));
  std::string host = [] {
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    return std::string(name);
  }();
  Candidate bad = candidate("mma.bm64", 1);
  bad.outcome = Outcome::CompileFailed;
  bad.reason =
      "/home/jo/kernel.cu(3): error on " + host + " at '/home/jo smith/x' of MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
  bad.median_us.reset();
  bad.source = Source::None;
  store.record(id, bad);
  Files open = render_all(),
        closed = render_all({.redact = true, .command_line = "qoqtune report --db /home/jo/tune.db"});
  EXPECT_NE(open.html.find("0a1b2c3d"), std::string::npos) << "the test's secrets must be there to be redacted";
  EXPECT_NE(open.csv.find("/home/jo/"), std::string::npos);
  EXPECT_NE(open.markdown.find("/opt/secret"), std::string::npos);
  for (const std::string* text : {&closed.html, &closed.markdown, &closed.csv}) {
    for (const std::string& secret :
         {std::string("0a1b2c3d"), std::string("/home/jo"), std::string("smith"), std::string("/opt/secret"),
          std::string("aaaaaaaa-bbbb"), "on " + host + " at", file.path().string()}) {
      EXPECT_EQ(text->find(secret), std::string::npos) << secret;
    }
  }
  EXPECT_NE(closed.csv.find("gemm/mma"), std::string::npos) << "a family is no path";
}

TEST_F(ReportTest, WritesItsFiles) {
  store.record(add_environment("sim:h200"), candidate("mma.bm64", 5));
  write(store, {}, {}, file.folder() / "out" / "deep", {.generated_at = "2026-01-02T03:04:05Z"});
  Files files = render_all({.generated_at = "2026-01-02T03:04:05Z"});
  EXPECT_EQ(read_file(file.folder() / "out/deep/report.html"), files.html);
  EXPECT_EQ(read_file(file.folder() / "out/deep/report.md"), files.markdown);
  EXPECT_EQ(read_file(file.folder() / "out/deep/candidates.csv"), files.csv);
  ASSERT_EQ(files.figures.size(), 2u) << "the roofline and the search";
  for (const auto& [name, picture] : files.figures) {
    EXPECT_EQ(read_file(file.folder() / "out/deep/figures" / name), picture);
    EXPECT_NE(files.markdown.find("(figures/" + name + ")"), std::string::npos);
  }
  EXPECT_NE(files.markdown.find("generated 2026-01-02 03:04 UTC"), std::string::npos);
  EXPECT_THROW(write(store, {}, {}, file.path() / "below-a-file"), Error);
}

}  // namespace
}  // namespace qoq::report
