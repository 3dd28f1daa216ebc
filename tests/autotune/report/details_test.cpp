// Problem by problem: why the winner won, what limits it, what stands beside it; and how the search came there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "autotune/report/progress.h"
#include "autotune/report/report.h"
#include "html_reader.h"
#include "sample_store.h"

namespace qoq::report {
namespace {

using store::Candidate;
using store::Outcome;
using store::Source;

struct DetailsTest : testing::Test {
  TemporaryStore file;
  store::Store store = store::Store::open(file.path(), store::Mode::ReadWrite);
  const std::string problem = "gemm w4a8-g128 m=64 n=4096 k=4096";

  int64_t add_environment(const std::string& target = "sim:h200") {
    const int64_t id = store.environment(sample_environment(target));
    store.put_problem(sample_problem(64, 4096, 4096));
    return id;
  }
  Candidate row(const std::string& variant, double us, const std::string& details = "{}") const {
    Candidate candidate = sample_candidate(problem, variant, us);
    candidate.details = details;
    return candidate;
  }
  static store::KernelRow kernel(int64_t ctas, int registers) {
    return {.digest = fmt::format("{}-{}", ctas, registers),
            .entry = "gemm",
            .registers = registers,
            .ctas = ctas,
            .threads = 128};
  }
  /// The value of a field of the first fold.
  std::string field(const std::string& name) const {
    const auto pieces = read_html(render(store, {}, {}).html);
    auto at = std::ranges::find_if(pieces, [](const HtmlPiece& piece) {
      const auto kind = piece.attributes.find("class");
      return piece.name == "details" && kind != piece.attributes.end() && kind->second == "fold";
    });
    for (; at != pieces.end() && at->name != "/details"; ++at) {
      if (at->name != "dt" || (at + 1)->text != name) continue;
      std::string text;
      for (auto value = at + 3; value->name != "/dd"; ++value) text += value->text;
      return text;
    }
    return "";
  }
};

TEST_F(DetailsTest, APredictedWinnerWonByTheOnePartThatDiffersAndMatters) {
  const int64_t id = add_environment();
  Candidate winner =
      row("mma.bm64.st4", 10, R"({"limiter": "dram", "parts_us": {"dram": 6, "l2": 3, "alu": 1, "ramp": 1.5}})");
  Candidate next =
      row("mma.bm32.st4", 12, R"({"limiter": "l2", "parts_us": {"dram": 6, "l2": 9, "alu": 4, "ramp": 1.25}})");
  winner.kernels = {kernel(64, 128)};
  next.kernels = {kernel(128, 96)};
  store.record(id, winner);
  store.record(id, next);
  EXPECT_EQ(field("next best"), "mma.bm32.st4, +20.0 %: 12.00 against 10.00 µs");
  EXPECT_EQ(field("why it won"),
            "In the model L2 bytes takes less: 3.00 against 9.00 µs; bm64 where the other has bm32; 64 CTAs against "
            "128, 128 registers against 96.");
  EXPECT_EQ(field("what limits it"),
            "by the model DRAM bytes (6.00 µs), then L2 bytes (3.00), then starting and ending of CTAs (1.50)");
}

TEST_F(DetailsTest, APartThatHidesBehindALargerOneIsNoReason) {
  const int64_t id = add_environment();
  store.record(id, row("mma.bm64", 10, R"({"parts_us": {"dram": 8, "alu": 1, "ramp": 1.0}})"));
  store.record(id, row("mma.bm32", 11, R"({"parts_us": {"dram": 8, "alu": 3.5, "ramp": 2.0}})"));
  EXPECT_TRUE(field("why it won").starts_with("In the model starting and ending of CTAs takes less: 1.00 against 2.00"))
      << field("why it won");
}

TEST_F(DetailsTest, MergingHidesBehindNothing) {
  const int64_t id = add_environment();
  store.record(id, row("mma.bm64.sk1", 10, R"({"parts_us": {"dram": 8, "barrier": 6, "same_line": 5, "merge": 0}})"));
  store.record(id, row("mma.bm64.sk4", 11, R"({"parts_us": {"dram": 8, "barrier": 6, "same_line": 5, "merge": 1}})"));
  EXPECT_TRUE(field("why it won")
                  .starts_with("In the model merging the splits' partial results takes less: 0.00 against 1.00 µs"))
      << field("why it won");
  EXPECT_EQ(field("what limits it"),
            "by the model DRAM bytes (8.00 µs), then waiting at barriers (6.00), then requests for one line of L2 "
            "(5.00)");
}

TEST_F(DetailsTest, WithoutAReasonItSaysSo) {
  const int64_t id = add_environment();
  store.record(id, row("mma.bm64", 10));
  EXPECT_EQ(field("next best"), "no other usable row of this layout and source");
  EXPECT_EQ(field("why it won"), "");
  store.record(id, row("mma.bm32", 12, R"({"parts_us": {"dram": 8}})"));
  EXPECT_EQ(
      field("why it won"),
      "No counters and no prediction of both are recorded; what is known to differ: bm64 where the other has bm32.");
  EXPECT_EQ(field("what limits it"), "the row says nothing of it: neither a prediction nor counters");
  EXPECT_EQ(field("ablation"), "not recorded for this variant and source");
}

TEST_F(DetailsTest, AMeasuredWinnersCountersSayWhatLimitsIt) {
  const int64_t id = add_environment("cuda:0");
  store.put_gpu(id, {"NVIDIA H200", R"json({"ceilings": [
      {"kind": "memory", "name": "DRAM (listed)", "value": 4800, "source": "datasheet: x"},
      {"kind": "memory", "name": "DRAM (measured)", "value": 4000, "source": "measured: x"}]})json"});
  Candidate winner = row("mma.bm64", 10, R"({"counters": {"rung": "counters", "values": {"dram_read_bytes": 19e6,
      "dram_write_bytes": 1e6, "tensor_active_pct": 20.2, "stall_barrier_pct": 9.5, "stall_wait_pct": 19.4}},
      "predicted": {"median_us": 9, "details": {"limiter": "l2", "parts_us": {"l2": 6.4, "dram": 3}}}})");
  winner.source = Source::Measured;
  store.record(id, winner);
  EXPECT_EQ(field("what limits it"),
            "by the model L2 bytes (6.40 µs), then DRAM bytes (3.00); counted: warps wait most for the fixed time of "
            "their last instruction (19 % of their cycles), tensor pipe 20 % busy, DRAM 2 TB/s (50.0 % of 4 TB/s)");
  EXPECT_NE(render(store, {}, {}).markdown.find("| l2 (by the model) |"), std::string::npos);
}

TEST_F(DetailsTest, TheAblationStandsBesideItsKernelAndOfTheSameSourceOnly) {
  const int64_t id = add_environment();
  store.record(id, row("mma.bm64", 12));
  const auto ablation = [&](const std::string& of, double kernel_us, double us) {
    Candidate candidate =
        row(of + ".ablated", us,
            fmt::format(R"({{"overhead": {{"of": "{}", "kernel_us": {}, "ablation_us": {}}}}})", of, kernel_us, us));
    candidate.ablated = true;
    return candidate;
  };
  const Candidate other = ablation("mma.bm32", 13, 5);
  Candidate same = ablation("mma.bm64", 13, 10);  // the kernel was timed again beside it
  store.record(id, other);
  EXPECT_EQ(field("ablation"), "not recorded for this variant and source");
  same.source = Source::Measured;
  store.record(id, same);
  EXPECT_EQ(field("ablation"), "not recorded for this variant and source") << "measured and predicted are not compared";
  same.source = Source::Predicted;
  store.record(id, same);
  EXPECT_EQ(field("ablation"),
            "t(kernel) / t(without dequantisation) − 1 = +30.0 %: 13.00 against 10.00 µs, both predicted");
  EXPECT_NE(render(store, {}, {}).markdown.find("| 13.00 / 10.00 | predicted | +30.0 %"), std::string::npos)
      << "the section on overhead says the same";
}

TEST_F(DetailsTest, AFragileWinnerBearsTheWordAndItsSentence) {
  const int64_t id = add_environment();
  store.record(id, row("mma.bm64.st4", 10, R"({"fragile": []})"));
  EXPECT_EQ(field("assumed rates"), "It stays the winner when any assumed rate is off by 30 %.");
  EXPECT_EQ(render(store, {}, {}).markdown.find("fragile"), std::string::npos);
  store.record(id, row("mma.bm64.st4", 10, R"({"fragile": [
      {"rate": "latency.dram", "factor": 0.7, "winner": "mma.bm32.st4", "loss": 0.03},
      {"rate": "launch", "factor": 1.3, "winner": "mma.bm64.st3", "loss": 0.011}]})"));
  EXPECT_EQ(
      field("assumed rates"),
      "Fragile: with latency.dram × 0.7 bm32 would win, and this one be 3.0 % slower; with launch × 1.3 st3 would "
      "win, and this one be 1.1 % slower.");
  EXPECT_NE(render(store, {}, {}).markdown.find("qserve layout, fastest row, fragile"), std::string::npos);
}

TEST_F(DetailsTest, DetailsThatAreNotWhatTheyShouldBeHurtNobody) {
  const int64_t id = add_environment();
  for (const char* details :
       {R"({"parts_us": 3, "limiter": 4})", R"({"fragile": [1, {}]})",
        R"({"counters": {"rung": "counters", "values": 1}})",
        R"({"predicted": {"details": 1}, "parts_us": {"dram": "much"}})", R"({"fragile": "yes"})"}) {
    store.record(id, row("mma.bm64", 10, details));
    store.record(id, row("mma.bm32", 11, details));
    EXPECT_NO_THROW(field("why it won")) << details;
  }
}

TEST_F(DetailsTest, BeyondMostTheHeaviestHaveFoldsAndThatIsSaid) {
  const int64_t id = add_environment();
  store::JobRow job{"big", "", {}, ""};
  for (int m = 1; m <= 910; ++m) {
    store.put_problem(sample_problem(m, 4096, 4096));
    store.record(id, sample_candidate(sample_problem(m, 4096, 4096).text, "mma.bm64", 10));
    job.items.push_back({sample_problem(m, 4096, 4096).text, "x", m <= 10 ? 0.5 : 1});
  }
  store.put_job(job);
  const Files files = render(store, {}, {});
  EXPECT_NE(files.markdown.find("Of 910 timed problems, the 300 that take most of the job's time"), std::string::npos);
  EXPECT_EQ(files.markdown.find("<summary>gemm w4a8-g128 m=10 n=4096"), std::string::npos) << "among the ten lightest";
  EXPECT_NE(files.markdown.find("<summary>gemm w4a8-g128 m=11 n=4096"), std::string::npos);
  EXPECT_NE(files.markdown.find("Of 910 problems, the 900 that take most of the job's time"), std::string::npos);
  EXPECT_NE(files.markdown.find("Drawn are the 900 problems that take most of the job's time, of 910."),
            std::string::npos);
  EXPECT_NE(files.markdown.find("| 910 of 910 |"), std::string::npos) << "the summary counts all";
  EXPECT_EQ(files.markdown.find("`gemm w4a8-g128 m=10 n=4096 k=4096`"), std::string::npos);
  EXPECT_NE(files.markdown.find("`gemm w4a8-g128 m=11 n=4096 k=4096`"), std::string::npos);
}

// ---- the search

struct ProgressTest : testing::Test {
  std::vector<Candidate> rows;
  void add(double us, Source source = Source::Predicted) {
    rows.push_back(sample_candidate("p", fmt::format("v{}", rows.size()), us));
    rows.back().source = source;
  }
  void add_failure() {
    add(1);
    rows.back().outcome = Outcome::Wrong;
    rows.back().median_us.reset();
  }
  Progress track() const {
    std::vector<const Candidate*> pointers;
    for (const Candidate& row : rows) pointers.push_back(&row);
    return track_progress(pointers, Source::Predicted);
  }
};

TEST_F(ProgressTest, CountsEveryRowAndStepsDownOnly) {
  add_failure();
  add(20);
  add(25);
  add(1, Source::Measured);
  add(10);
  rows.push_back(sample_candidate("p", "v1.ablated", 0.5));
  rows.back().ablated = true;
  add(10);
  const Progress progress = track();
  EXPECT_EQ(progress.evaluations, 6);
  EXPECT_EQ(progress.failed, 1);
  ASSERT_EQ(progress.steps.size(), 2u);
  EXPECT_EQ(progress.steps[0].evaluation, 2);
  EXPECT_EQ(progress.steps[1].evaluation, 5);
  EXPECT_EQ(progress.share_after(1), 0);
  EXPECT_EQ(progress.share_after(4), 0.5);
  EXPECT_EQ(progress.share_after(5), 1);
  EXPECT_EQ(progress.reached(0), 5);
  EXPECT_EQ(progress.reached(1.0), 2);
}

TEST_F(ProgressTest, WithoutTimesThereAreNoSteps) {
  add_failure();
  EXPECT_EQ(track().reached(0), 0);
  EXPECT_EQ(track().share_after(3), 0);
}

TEST_F(DetailsTest, TheSearchIsDrawnAndItsFailuresCounted) {
  const int64_t id = add_environment();
  Candidate bad = row("mma.bm8", 1);
  bad.outcome = Outcome::Illegal;
  bad.reason = "no";
  bad.source = Source::None;
  bad.median_us.reset();
  store.record(id, bad);
  store.record(id, row("mma.bm64", 20));
  store.record(id, row("mma.bm32", 10));
  const Files files = render(store, {}, {});
  const auto plot = figures(read_html(files.html)).at("gpu-1-search-plot");
  ASSERT_EQ(plot.at("series").size(), 1u) << "one problem needs no median";
  std::vector<std::pair<double, double>> points;
  for (const auto& point : plot["series"][0]["points"]) points.emplace_back(point["x"], point["y"]);
  EXPECT_EQ(points, (std::vector<std::pair<double, double>>{{2, 0.5}, {3, 0.5}, {3, 1}}));
  EXPECT_NE(files.markdown.find("3 evaluations of 1 problem, 1 of them failed"), std::string::npos);
  EXPECT_EQ(field("search"), "best found at evaluation 3 of 3 (1 failed), one within 5 % of it at evaluation 3");
}

TEST_F(DetailsTest, WithoutTimesTheSectionSaysSo) {
  const int64_t id = add_environment();
  Candidate bad = row("mma.bm8", 1);
  bad.outcome = Outcome::Illegal;
  bad.reason = "no";
  bad.source = Source::None;
  bad.median_us.reset();
  store.record(id, bad);
  const Files files = render(store, {}, {});
  EXPECT_NE(files.markdown.find("No row has a time: there is no progress to show."), std::string::npos);
  EXPECT_NE(files.markdown.find("No chosen kernel has both a time and operations"), std::string::npos);
}

TEST_F(DetailsTest, WhatTheDatabaseLacksIsSaid) {
  add_environment();
  const std::string nothing = render(store, {}, {}).markdown;
  for (const char* words : {"- candidates: nothing was tuned here: qoqtune tune JOB.yaml --gpu sim:h200",
                            "- ceilings: ", "- measured times: this GPU is simulated", "- counters: ", "- ablations: "})
    EXPECT_NE(nothing.find(words), std::string::npos) << words;
  EXPECT_EQ(nothing.find("- races: "), std::string::npos) << "said with the measured times";
  fill_measured(store);
  const std::string markdown = render(store, {}, {}).markdown;
  const std::string attached = markdown.substr(markdown.find("## NVIDIA H200 (measured)"));
  EXPECT_NE(attached.find("### Not in this database"), std::string::npos);
  EXPECT_NE(attached.find("- ablations: "), std::string::npos);
  for (const char* words : {"- candidates: ", "- ceilings: ", "- measured times: ", "- counters: ", "- races: ",
                            "- other libraries' kernels: "})
    EXPECT_EQ(attached.find(words), std::string::npos) << words;
}

TEST_F(DetailsTest, ALongTableOfAnySectionIsCutAndSaysSo) {
  const int64_t id = add_environment("cuda:0");
  for (int m = 1; m <= 905; ++m) {
    store.put_problem(sample_problem(m, 4096, 4096));
    Candidate measured = sample_candidate(sample_problem(m, 4096, 4096).text, "mma.bm64", 10);
    measured.source = Source::Measured;
    store.record(id, measured);
    store.put_race(id, {measured.problem, "mma.bm64", "mma.bm64", "it was the only one within reach"});
  }
  const std::string markdown = render(store, {}, {}).markdown;
  EXPECT_NE(markdown.find("The table shows its first 900 rows of 905; the database has the others."),
            std::string::npos);
  EXPECT_NE(markdown.find("In 0 of 905 races"), std::string::npos) << "counts are of all";
  const std::string row = "| the winner | it was the only one within reach |";
  int rows = 0;
  for (size_t at = markdown.find(row); at != std::string::npos; at = markdown.find(row, at + 1)) ++rows;
  EXPECT_EQ(rows, 900);
}

// ---- what the whole report says of itself

TEST_F(DetailsTest, TheJobsCommandsAreShownAndRedacted) {
  store.record(add_environment(), row("mma.bm64", 10));
  EXPECT_NE(render(store, {}, {}).markdown.find("filled before commands were kept"), std::string::npos);
  for (const char* command :
       {"qoqtune tune /home/jo/x.yaml --gpu sim:h200", "qoqtune tune b.yaml", "qoqtune tune b.yaml"})
    store.add_run("x", command);
  const std::string open = render(store, {}, {}).markdown;
  EXPECT_NE(open.find("tuned by: qoqtune tune /home/jo/x.yaml --gpu sim:h200  (started "), std::string::npos);
  EXPECT_NE(open.find("tuned by: qoqtune tune b.yaml  (started 2 times, "), std::string::npos);
  const std::string closed = render(store, {}, {}, {.redact = true}).markdown;
  EXPECT_EQ(closed.find("/home/jo"), std::string::npos);
  EXPECT_NE(closed.find("tuned by: qoqtune tune \\[path\\] --gpu sim:h200"), std::string::npos);
}

TEST_F(DetailsTest, ModesOfOneGpuHaveDifferentHeadings) {
  store::Environment environment = sample_environment("cuda:0");
  environment.mig = "1g.18gb";
  environment.cupti = "13.0.1";
  for (const auto& [cache, launch] : {std::pair{"cold", "eager"}, std::pair{"hot", "eager"}}) {
    environment.cache_mode = cache;
    environment.launch_mode = launch;
    store.put_gpu(store.environment(environment), {"NVIDIA H200", "{}"});
  }
  const std::string markdown = render(store, {}, {}).markdown;
  EXPECT_NE(markdown.find("## NVIDIA H200, cold ("), std::string::npos);
  EXPECT_NE(markdown.find("## NVIDIA H200, hot ("), std::string::npos);
  EXPECT_NE(markdown.find("- MIG profile: 1g.18gb"), std::string::npos);
  EXPECT_NE(markdown.find("- CUPTI: 13.0.1"), std::string::npos);
}

TEST_F(DetailsTest, TheSameStoreAndOptionsGiveTheSameBytes) {
  const Sample sample = fill_sample(store);
  const Files once = render(store, sample.chosen, sample.layouts), again = render(store, sample.chosen, sample.layouts);
  EXPECT_EQ(once.html, again.html);
  EXPECT_EQ(once.markdown, again.markdown);
  EXPECT_EQ(once.csv, again.csv);
  EXPECT_EQ(once.figures, again.figures);
}

}  // namespace
}  // namespace qoq::report
