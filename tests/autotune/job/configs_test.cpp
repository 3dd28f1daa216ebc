// The job files that ship, read with the real families.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "autotune/job/job.h"

namespace qoq::job {
namespace {

const std::filesystem::path configs = std::filesystem::path(QOQ_SOURCE_DIR) / "configs";

TEST(Configs, EveryJobFileLoads) {
  int jobs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(configs)) {
    if (entry.path().extension() != ".yaml") continue;
    const Job job = load_job(entry.path());
    EXPECT_FALSE(job.work.empty()) << entry.path();
    EXPECT_EQ(job.name, entry.path().stem().string());
    ++jobs;
  }
  EXPECT_GE(jobs, 3);
}

TEST(Configs, TheDemoJobCoversLlama3) {
  const Job job = load_job(configs / "llama-3-8b.yaml");
  EXPECT_EQ(job.targets, (std::vector<std::string>{"sim:a100-80", "sim:l40s", "sim:h200"}));
  const auto has = [&](const std::string& text) {
    return std::ranges::any_of(job.work, [&](const WorkItem& item) { return item.problem == parse_problem(text); });
  };
  EXPECT_TRUE(has("gemm w4a8-g128 m=64 n=28672 k=4096"));
  EXPECT_TRUE(has("gemm w4a8-g128 m=1 n=4096 k=14336"));
  EXPECT_TRUE(has("gemm w8a8 m=64 n=6144 k=4096"));
  EXPECT_TRUE(has("attention kv4 batch=64 heads=32/8 dh=128 ctx=8192"));
  EXPECT_TRUE(has("attention kv16 batch=64 heads=32/8 dh=128 ctx=1024"));
  EXPECT_TRUE(job.refusals.empty());
}

TEST(Configs, ThePapersAttentionIsTunedForLlama2) {
  const Job job = load_job(configs / "llama-2-7b.yaml");
  for (const char* scheme : {"kv4", "kv8"}) {
    for (const int context : {128, 256, 512, 1024, 1536}) {
      const std::string text = fmt::format("attention {} batch=64 heads=32/32 dh=128 ctx={}", scheme, context);
      EXPECT_TRUE(std::ranges::any_of(job.work, [&](const WorkItem& item) { return item.problem.text() == text; }))
          << text;
    }
  }
}

TEST(Configs, AttentionIsShardedForQwen) {
  const Job job = load_job(configs / "qwen1.5-72b.yaml");
  for (const char* heads : {"64/64", "32/32", "16/16", "8/8"}) {
    EXPECT_TRUE(std::ranges::any_of(job.work, [&](const WorkItem& item) {
      return item.problem.op == "attention" && item.problem.field("heads") == heads;
    })) << heads;
  }
}

TEST(Configs, TheDemosSpacesAreSmall) {
  const Job job = load_job(configs / "llama-3-8b.yaml");
  uint64_t combinations = 1;
  for (const Parameter& parameter : job.parameters(family_named("attention/decode")))
    combinations *= parameter.values.size();
  EXPECT_LE(combinations, 40u);
}

TEST(Configs, AJobInTheProgramIsFoundByName) {
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::temp_directory_path());
  const Job by_name = load_job("llama-3-8b");
  const Job by_path = load_job("configs/llama-3-8b.yaml");
  std::filesystem::current_path(here);
  EXPECT_EQ(by_name.work.size(), by_path.work.size());
  EXPECT_EQ(by_name.models.at(0).name, "Llama-3-8B");
}

}  // namespace
}  // namespace qoq::job
