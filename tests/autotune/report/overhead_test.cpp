// What dequantisation costs, and what whole models make of the kernels: drawn from rows, honest about their source.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "autotune/report/report.h"
#include "html_reader.h"
#include "sample_store.h"

namespace qoq::report {
namespace {

using Rows = std::vector<std::vector<std::string>>;
using store::Candidate;

struct OverheadTest : testing::Test {
  TemporaryStore file;
  store::Store store = store::Store::open(file.path(), store::Mode::ReadWrite);

  int64_t add_gpu(const std::string& target, const std::string& ceilings = "{}") {
    const int64_t id = store.environment(sample_environment(target));
    store.put_gpu(id, {"NVIDIA A100", ceilings});
    return id;
  }
  void add_kernel(int64_t gpu, const std::string& scheme, int m, double us, int n = 4096, int k = 4096) {
    store::ProblemRow problem = sample_problem(m, n, k);
    problem.text = fmt::format("gemm {} m={} n={} k={}", scheme, m, n, k);
    problem.scheme = scheme;
    store.put_problem(problem);
    store.record(gpu, sample_candidate(problem.text, "kernel." + scheme, us));
  }
  /// A kernel and its ablation.
  void add_pair(int64_t gpu, const std::string& scheme, const std::string& dequant, int m, double kernel_us,
                double ablation_us, store::Source source = store::Source::Predicted, const std::string& more = "") {
    const std::string variant = "kernel." + scheme + "." + dequant;
    store::ProblemRow problem = sample_problem(m, 4096, 4096);
    problem.text = fmt::format("gemm {} m={} n=4096 k=4096", scheme, m);
    problem.scheme = scheme;
    store.put_problem(problem);
    Candidate kernel = sample_candidate(problem.text, variant, kernel_us);
    const std::vector<std::string> forms{"none", "imad", "vadd4"};
    kernel.point = fmt::format(R"({{"dequant": {}}})", std::ranges::find(forms, dequant) - forms.begin());
    kernel.source = source;
    Candidate bare = kernel;
    bare.variant += ".ablated";
    bare.ablated = true;
    bare.median_us = ablation_us;
    bare.details = fmt::format(
        R"({{"overhead": {{"of": "{}", "labels": {{"dequant": "{}"}}, "kernel_us": {}, "ablation_us": {}{}}}}})",
        variant, dequant, kernel_us, ablation_us, more);
    store.record(gpu, kernel);
    store.record(gpu, bare);
  }
  /// Llama-3-8B's layers at the sizes that serving needs.
  void add_llama_gemms(int64_t gpu) {
    for (const auto& [n, k] :
         std::initializer_list<std::pair<int, int>>{{6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}}) {
      for (const int m : {16, 256, 2048}) {
        add_kernel(gpu, "w4a8-g128", m, 10 + 0.1 * m, n, k);
        add_kernel(gpu, "w8a8", m, 20 + 0.1 * m, n, k);
      }
    }
  }
  void add_llama_attention(int64_t gpu) {
    for (const auto& [kv, factor] : std::initializer_list<std::pair<const char*, int>>{{"kv4", 1}, {"kv8", 2}}) {
      for (const int batch : {1, 256}) {
        store::ProblemRow problem;
        problem.text = fmt::format("attention {} batch={} heads=32/8 dh=128 ctx=1280", kv, batch);
        problem.op = "attention";
        problem.scheme = kv;
        problem.arithmetic = "fp16";
        store.put_problem(problem);
        store.record(gpu, sample_candidate(problem.text, std::string("decode.") + kv, factor * batch));
      }
    }
  }
  Files render_all() { return render(store, {}, {}); }
  static Rows rows(const Files& files) { return table_rows(read_html(files.html)); }
  static const std::vector<std::string>* row(const Rows& rows, const std::string& first, const std::string& second) {
    for (const auto& each : rows) {
      if (each.size() > 1 && each[0] == first && each[1] == second) return &each;
    }
    return nullptr;
  }
};

constexpr const char* counted =
    R"(, "share_of_time": {"cuda_core": 0.41, "issue": 0.2}, "instructions": {"kernel": {"per_element": 1.74, "per_taken": 1.7, "share_of_issue": 0.8}, "dequantisation": {"per_element": 0.94, "per_taken": 0.9, "share_of_issue": 0.43}})";

TEST_F(OverheadTest, AKernelStandsBesideItsAblationWithBothTimes) {
  add_pair(add_gpu("sim:a100-80"), "w4a8-g128", "imad", 16, 12, 10, store::Source::Predicted, counted);
  const Files files = render_all();
  const Rows all = rows(files);
  const auto* found = row(all, "gemm w4a8-g128 m=16 n=4096 k=4096", "imad");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (std::vector<std::string>{"gemm w4a8-g128 m=16 n=4096 k=4096", "imad", "12.00 / 10.00", "predicted",
                                              "+20.0 %", "+20.0 %", "1.74", "0.94", "43.0 %", "41.0 %"}));
  EXPECT_NE(files.markdown.find("no GPU has confirmed them"), std::string::npos);
}

TEST_F(OverheadTest, MeasuredAndPredictedStandSideBySide) {
  add_pair(add_gpu("cuda:0"), "w4a8-g128", "imad", 16, 12, 10, store::Source::Measured,
           R"(, "predicted": {"kernel_us": 11, "ablation_us": 10})");
  const Files files = render_all();
  const Rows all = rows(files);
  const auto* found = row(all, "gemm w4a8-g128 m=16 n=4096 k=4096", "imad");
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)[3], "measured");
  EXPECT_EQ((*found)[4], "+20.0 %");
  EXPECT_EQ((*found)[6], "+10.0 %");
  EXPECT_EQ(files.markdown.find("no GPU has confirmed them"), std::string::npos);
}

TEST_F(OverheadTest, AnAblationWithoutATimeSaysWhy) {
  const int64_t gpu = add_gpu("sim:a100-80");
  add_pair(gpu, "w4a8-g128", "imad", 16, 12, 10);
  Candidate other = sample_candidate("gemm w4a8-g128 m=16 n=4096 k=4096", "other", 15);
  other.point = R"({"dequant": 2})";
  store.record(gpu, other);
  Candidate wrong = sample_candidate("gemm w4a8-g128 m=16 n=4096 k=4096", "other.ablated", 1);
  wrong.ablated = true;
  wrong.median_us.reset();
  wrong.source = store::Source::None;
  wrong.outcome = store::Outcome::Illegal;
  wrong.reason = "a kv16 cache is not dequantised";
  store.record(gpu, wrong);
  EXPECT_NE(render_all().markdown.find("a kv16 cache is not dequantised"), std::string::npos);
}

TEST_F(OverheadTest, FormsOfASchemeStandAgainstItsFastestAblation) {
  const int64_t gpu = add_gpu("sim:a100-80");
  add_pair(gpu, "w4a8-g128", "imad", 16, 12, 10);
  add_pair(gpu, "w4a8-g128", "vadd4", 16, 13, 12.5);
  add_pair(gpu, "w4a16-g128", "none", 16, 14, 5);
  const Rows all = rows(render_all());
  const std::string problem = "gemm w4a8-g128 m=16 n=4096 k=4096";
  const auto *imad = row(all, problem, "imad"), *vadd4 = row(all, problem, "vadd4");
  ASSERT_TRUE(imad && vadd4);
  EXPECT_EQ((*imad)[5], "+20.0 %");
  EXPECT_EQ((*vadd4)[4], "+4.0 %") << "its own tile";
  EXPECT_EQ((*vadd4)[5], "+30.0 %") << "imad's tile; another scheme's does not count";
}

TEST_F(OverheadTest, AnEarlierWinnersAblationIsLeftOut) {
  const int64_t gpu = add_gpu("sim:a100-80");
  const std::string problem = "gemm w4a8-g128 m=16 n=4096 k=4096";
  add_pair(gpu, "w4a8-g128", "imad", 16, 12, 10);
  add_pair(gpu, "w4a8-g128", "vadd4", 16, 13, 12.5);
  Candidate now = sample_candidate(problem, "now", 11);
  now.point = R"({"dequant": 1})";
  store.record(gpu, now);
  Rows all = rows(render_all());
  EXPECT_FALSE(row(all, problem, "imad")) << "another imad is faster now";
  EXPECT_TRUE(row(all, problem, "vadd4"));
  store::RaceRow race;
  race.problem = problem;
  race.winner = "kernel.w4a8-g128.imad";
  store.put_race(gpu, race);
  all = rows(render_all());
  EXPECT_TRUE(row(all, problem, "imad")) << "it won the race";
}

TEST_F(OverheadTest, ADatabaseWithoutAblationsSaysSoAndDrawsTheRest) {
  add_kernel(add_gpu("sim:a100-80"), "w4a8-g128", 16, 10);
  const Files files = render_all();
  EXPECT_NE(files.markdown.find("holds no ablations for this GPU"), std::string::npos);
  EXPECT_NE(files.markdown.find("gemm w4a8-g128 m=16"), std::string::npos);
  EXPECT_EQ(files.markdown.find("Overhead by scheme"), std::string::npos);
}

TEST_F(OverheadTest, TheFigureHoldsEachFormOverM) {
  const int64_t gpu = add_gpu("sim:a100-80");
  for (const int m : {8, 64}) {
    add_pair(gpu, "w8a8", "none", m, 10, 10);
    add_pair(gpu, "w4a16-g128", "none", m, 13, 10);
    add_pair(gpu, "w4a4-g128", "none", m, m == 8 ? 11 : 25, 10);
    add_pair(gpu, "w4a8-g128", "imad", m, 10.5, 10);
    add_pair(gpu, "w4a8-g128", "vadd4", m, 12, 10);
  }
  const Files files = render_all();
  const auto plot = figures(read_html(files.html)).at(fmt::format("gpu-{}-overhead-over-m-plot", gpu));
  EXPECT_EQ(plot.at("kind"), "bars");
  EXPECT_EQ(plot.at("x").at("categories"), (nlohmann::json{"m = 8", "m = 64"}));
  std::map<std::string, nlohmann::json> values;
  for (const auto& series : plot.at("series")) {
    EXPECT_TRUE(series.at("hollow").get<bool>()) << "predicted";
    values[series.at("label")] = series.at("values");
  }
  EXPECT_EQ(values.at("W4A16-g128"), (nlohmann::json{30.0, 30.0}));
  EXPECT_EQ(values.at("W4A4-g128"), (nlohmann::json{10.0, 150.0}));
  EXPECT_EQ(values.at("W4A8-g128, imad"), (nlohmann::json{5.0, 5.0}));
  EXPECT_EQ(values.size(), 5u);
  EXPECT_NE(files.markdown.find("2 of 4 values lie within 20 – 90 % more time"), std::string::npos) << files.markdown;
  EXPECT_NE(files.markdown.find("Not in the database: W4A8 per channel"), std::string::npos);
  const Rows all = rows(files);
  const auto* found = row(all, "W4A4-g128", "predicted");
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)[3], "+150.0 %");
}

constexpr const char* a100_ceilings =
    R"json({"ceilings": [{"kind": "memory", "name": "DRAM (listed)", "value": 2000, "source": "s"},
        {"kind": "tensor", "name": "int8", "value": 624, "source": "s"},
        {"kind": "tensor", "name": "fp16", "value": 312, "source": "s"}]})json";

TEST_F(OverheadTest, TurningPointsAreThePublishedOnesAtTwoTerabytes) {
  const int64_t gpu = add_gpu("sim:a100-80", a100_ceilings);
  add_kernel(gpu, "w4a8-g128", 64, 10);
  const Files files = render_all();
  const Rows all = rows(files);
  for (const auto& [what, tokens] :
       std::initializer_list<std::pair<const char*, const char*>>{{"W8A8 overtakes W4A16", "78.0"},
                                                                  {"W4A16 is bound by the tensor cores from", "39.0"},
                                                                  {"W8A8 is bound by the tensor cores from", "156.0"},
                                                                  {"W4A8 is bound by the tensor cores from", "78.0"}}) {
    EXPECT_TRUE(row(all, what, tokens)) << what;
  }
  const auto plot = figures(read_html(files.html)).at(fmt::format("gpu-{}-attainable-plot", gpu));
  EXPECT_EQ(plot.at("series").size(), 4u) << "three roofs and the kernels of w4a8";
  const auto& kernels = plot.at("series").back().at("points");
  ASSERT_EQ(kernels.size(), 1u);
  EXPECT_NEAR(kernels[0].at("y").get<double>(), 2.0 * 64 * 4096 * 4096 / 10 * 1e-6, 0.01);
}

TEST_F(OverheadTest, AWholeModelIsServedBesideThePublishedRatio) {
  const int64_t gpu = add_gpu("sim:a100-80");
  add_llama_gemms(gpu);
  EXPECT_EQ(render_all().markdown.find("Serving whole models"), std::string::npos) << "attention is missing";
  add_llama_attention(gpu);
  const Files files = render_all();
  EXPECT_NE(files.markdown.find("Serving whole models"), std::string::npos);
  const Rows all = rows(files);
  const auto* found = row(all, "Llama-3-8B", "NVIDIA A100-SXM4-80GB");
  for (const auto& each : all) {
    if (!found && each.size() == 9 && each[0] == "Llama-3-8B") found = &each;
  }
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)[2], "predicted and estimated");
  EXPECT_EQ((*found)[6], "1.20×") << "the published ratio";
  EXPECT_NE(files.markdown.find("of what is saved"), std::string::npos);
  EXPECT_EQ(row(all, "Qwen1.5-72B", "NVIDIA A100-SXM4-80GB"), nullptr) << "no kernels, no line";
}

/// Another folder to work in, for as long as this lives.
class WorkingFolder {
 public:
  explicit WorkingFolder(const std::filesystem::path& folder) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder);
  }
  ~WorkingFolder() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

TEST_F(OverheadTest, TheWorkingFoldersModelsAndPricesChangeNothing) {
  const int64_t gpu = add_gpu("sim:a100-80");
  add_llama_gemms(gpu);
  add_llama_attention(gpu);
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("qoq_report_folder_{}", getpid());
  for (const char* kind : {"models", "prices", "configs/models", "configs/prices"})
    std::filesystem::create_directories(folder / kind);
  const WorkingFolder inside(folder);
  const Files before = render_all();
  for (const char* beside : {".", "configs"}) {
    std::ofstream(folder / beside / "models/yi-34b.yaml") << "{no model";
    std::ofstream(folder / beside / "models/llama-3-8b.yaml") << "name: mine\n";
    std::ofstream(folder / beside / "prices/gpus.yaml")
        << "gpus:\n  a100-80: {memory_gib: 12, dollars_per_hour: 9, date: today, source: me}\n";
  }
  const Files after = render_all();
  std::filesystem::remove_all(folder);
  EXPECT_NE(before.markdown.find("| Llama-3-8B |"), std::string::npos);
  EXPECT_EQ(after.html, before.html);
  EXPECT_EQ(after.markdown, before.markdown);
}

}  // namespace
}  // namespace qoq::report
