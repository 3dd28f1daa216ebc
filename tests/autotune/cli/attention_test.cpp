// The second operator on the straight line: the same commands, from a job's attention section to a chosen kernel.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;
using nlohmann::json;

constexpr auto attention_job = R"(name: tiny
models: [llama-3-8b]
targets: [sim:a100-80]
attention: [{scheme: kv4, batch: {1: 1, 16: 4}, ctx: [256]}]
problems: ["attention kv4 batch=3 heads=32/8 dh=128 ctx=1,65,300"]
spaces:
  attention/decode: {page: [64], tile: [16], stages: [2], warps: [2], row_tiles: [1], resident: [12], splits: [auto], orientation: [tokens],
                     merge: [kernel, second], layout: [fragment]}
)";

TEST(Attention, FromAJobToAChosenKernel) {
  if (const std::string reason = no_nvrtc(); !reason.empty()) GTEST_SKIP() << reason;
  Folder folder;
  write_text(folder / "job.yaml", attention_job);
  const Ran tuned = run(tune(folder.path()));
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  const std::string db = folder / "tune.db";
  const auto rows = checked_rows(db);
  EXPECT_EQ(rows.size(), 6u) << "three problems, two points";
  for (const auto& row : rows) EXPECT_NE(row.find(" ok "), std::string::npos) << row;

  const auto answer = [&](const std::string& problem) {
    const Ran ran = run({"select", "--db", db, "--problem", problem, "--format", "json"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(ran.out).at(0);
  };
  const json exact = answer("attention kv4 batch=16 heads=32/8 dh=128 ctx=256");
  EXPECT_EQ(exact.at("how"), "exact");
  const json between = answer("attention kv4 batch=2 heads=32/8 dh=128 ctx=500");
  EXPECT_EQ(between.at("how"), "between");
  EXPECT_NE(between.at("note").get<std::string>().find("batch=16 ctx=256, size 4096, the smallest tuned size ≥ 1000"),
            std::string::npos)
      << between.at("note");
  EXPECT_EQ(answer("attention kv4 batch=2 heads=64/8 dh=128 ctx=500").at("how"), "default");

  EXPECT_EQ(run({"report", "--db", db, "--out", folder / "out"}).code, 0);
  const std::string report = read_text(folder / "out" / "report.md");
  for (const char* words : {"| attention | predicted | 3 of 3 |", "fp16 312 TOPS", "KV4 attention beside the paper",
                            "tuned by: qoqtune tune ", "this report by: qoqtune report --db "})
    EXPECT_NE(report.find(words), std::string::npos) << words;

  // Without a problem, one of the variant's own operator is taken.
  const std::string variant = exact.at("variant");
  const Ran verified = run({"verify", "--variant", variant, "--cache", QOQTUNE_CACHE});
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_NE(verified.out.find("attention kv4"), std::string::npos) << verified.out;
  const Ran inspected = run({"inspect", variant, "--gpu", "sim:a100-80", "--cache", QOQTUNE_CACHE, "--format", "json"});
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_EQ(json::parse(inspected.out).at("problem").get<std::string>().substr(0, 13), "attention kv4");
}

TEST(Attention, FaultsInAJobHaveTheirPlace) {
  Folder folder;
  std::string job = attention_job;
  job.replace(job.find("kv4"), 3, "kv5");
  write_text(folder / "job.yaml", job);
  EXPECT_SENTENCE(run(tune(folder.path())), 2, "job.yaml:4:22", "kv5", "kv4");
}

}  // namespace
}  // namespace qoq::cli
