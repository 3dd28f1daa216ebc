// cuBLASLt on an attached GPU: each arithmetic's algorithms are right, and timed as our variants are.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "autotune/baselines/run.h"

namespace qoq::baselines {
namespace {

TEST(CublasLtGpu, EachArithmeticIsRightAndTimed) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  const runtime::CudaDevice gpu(0);
  const auto all = baselines();
  for (const auto& baseline : all) {
    if (const std::string reason = baseline->missing(); !reason.empty()) GTEST_SKIP() << reason;
  }
  measure::CudaStand stand(gpu);
  measure::SamplingLimits limits;
  limits.sampling_s = 0.2;
  bool rested = true;
  for (const char* text : {"gemm w4a8-g128 m=16 n=4096 k=4096", "gemm w4a8-g128 m=512 n=4096 k=4096"}) {
    const Problem problem = Problem::parse(text);
    const BaselineRun run = run_baselines(problem, gpu.gpu().device, stand, {}, limits, rested);
    rested = false;
    EXPECT_FALSE(run.context_lost);
    for (const AbsentBaseline& absent : run.absent) {
      const bool too_old = absent.name == "cublaslt/fp8" && gpu.gpu().device.compute_capability < 89;
      EXPECT_TRUE(too_old) << absent.reason;
    }
    std::map<std::string, double> best_us;
    for (const BaselineRow& row : run.rows) {
      EXPECT_EQ(row.verdict.status, verify::Verdict::Status::Ok) << row.id << ": " << row.verdict.message;
      EXPECT_EQ(row.sample.failure, "") << row.id;
      if (row.sample.median_us <= 0) continue;
      double& best = best_us.try_emplace(row.name, row.sample.median_us).first->second;
      best = std::min(best, row.sample.median_us);
      std::printf("%s %-22s %8.2f us, error %.2g, %s\n", text, row.id.c_str(), row.sample.median_us,
                  row.verdict.max_error, row.details.c_str());
    }
    for (const auto& baseline : all) {
      if (baseline->unsupported(problem, gpu.gpu().device)) continue;
      ASSERT_TRUE(best_us.contains(std::string(baseline->name()))) << baseline->name() << " was not timed";
      // Between the whole of memory's speed and a slow afternoon: a run that did nothing would lie below.
      EXPECT_GT(best_us.at(std::string(baseline->name())), 1);
      EXPECT_LT(best_us.at(std::string(baseline->name())), 5000);
    }
  }
}

TEST(CublasLtGpu, ColdAndGraphRunToo) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  const runtime::CudaDevice gpu(0);
  measure::CudaStand stand(gpu);
  measure::SamplingLimits limits;
  limits.sampling_s = 0.05;
  const auto all = cublaslt_baselines();
  if (const std::string reason = all.front()->missing(); !reason.empty()) GTEST_SKIP() << reason;
  const Problem problem = Problem::parse("gemm w8a8 m=33 n=4096 k=4096");
  using measure::Cache, measure::LaunchMode;
  for (const measure::Modes modes :
       {measure::Modes{Cache::Cold, LaunchMode::Eager}, measure::Modes{Cache::Hot, LaunchMode::Graph},
        measure::Modes{Cache::WeightsCold, LaunchMode::Graph}}) {
    const BaselineRun run = run_baselines(problem, gpu.gpu().device, stand, modes, limits, false);
    EXPECT_FALSE(run.rows.empty());
    for (const BaselineRow& row : run.rows) {
      EXPECT_EQ(row.verdict.status, verify::Verdict::Status::Ok) << row.id << ": " << row.verdict.message;
      EXPECT_EQ(row.sample.failure, "") << row.id << " " << to_text(modes.cache) << " " << to_text(modes.launch);
    }
  }
}

}  // namespace
}  // namespace qoq::baselines
