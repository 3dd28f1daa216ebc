// A served model from a database made by hand, and what bad input is answered with.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;
using nlohmann::json;

class ServingCommand : public ::testing::Test {
 protected:
  Folder folder_;
  std::string db() const { return folder_ / "tune.db"; }
  Ran serving(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"serving", "--db", db()};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  static void add(store::Store& store, int64_t environment, const std::string& op, const std::string& scheme,
                  const std::string& fields, double us) {
    store::ProblemRow problem;
    problem.text = op + " " + scheme + " " + fields;
    problem.op = op;
    problem.scheme = scheme;
    store.put_problem(problem);
    store::Candidate row;
    row.problem = problem.text;
    row.family = op == "gemm" ? "gemm/mma" : "attention/decode";
    row.variant = "some";
    row.verified_on = "emulator";
    row.source = store::Source::Predicted;
    row.median_us = us;
    store.record(environment, row);
  }
  /// Llama-3-8B's kernels for w4a8-g128 kv4 on sim:a100-80; on sim:h200 nothing.
  void fill() const {
    store::Store store = store::Store::open(db(), store::Mode::ReadWrite);
    const int64_t id = store.environment(store::testing::simulated("sim:a100-80"));
    for (const char* nk : {"n=6144 k=4096", "n=4096 k=4096", "n=28672 k=4096", "n=4096 k=14336"}) {
      for (const int m : {16, 2048}) add(store, id, "gemm", "w4a8-g128", fmt::format("m={} {}", m, nk), 10 + m);
    }
    add(store, id, "attention", "kv4", "batch=64 heads=32/8 dh=128 ctx=1280", 30);
  }
};

TEST_F(ServingCommand, PrintsWhatAModelReachesAndWhatItRestsOn) {
  fill();
  const Ran text = serving({"--model", "llama-3-8b"});
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* words : {"Llama-3-8B on NVIDIA A100", "w4a8-g128 kv4", "predicted and estimated",
                            "no kernel for gemm w8a8 n=6144 k=4096", "1024 tokens in, 512 out"})
    EXPECT_NE(text.out.find(words), std::string::npos) << words << "\n" << text.out;
  const Ran as_json =
      serving({"--model", "llama-3-8b", "--scheme", "w4a8-g128 kv4", "--batch", "8", "--format", "json"});
  const json all = json::parse(as_json.out);
  ASSERT_EQ(all.size(), 1u);
  ASSERT_EQ(all[0].at("schemes").size(), 1u);
  EXPECT_EQ(all[0].at("schemes")[0].at("batch"), 8);
  EXPECT_GT(all[0].at("schemes")[0].at("tokens_per_s").get<double>(), 0);
}

TEST_F(ServingCommand, AGpuWithoutAPriceIsLeftOutInTextAndJson) {
  fill();
  const std::string prices = folder_ / "prices.yaml";
  std::ofstream(prices) << "gpus:\n  l40s: {memory_gib: 48, dollars_per_hour: 1, date: today, source: me}\n";
  const Ran text = serving({"--model", "llama-3-8b", "--prices", prices});
  EXPECT_NE(text.out.find("left out: sim:a100-80: " + prices), std::string::npos) << text.out;
  const json all = json::parse(serving({"--model", "llama-3-8b", "--prices", prices, "--format", "json"}).out);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].at("gpu"), "a100-80");
  EXPECT_EQ(all[0].at("left_out"), "sim:a100-80: " + prices + " has no price and no memory size for it");
}

TEST_F(ServingCommand, BadInputIsOneSentence) {
  fill();
  const auto expect = [&](const std::vector<std::string>& more, const std::string& words) {
    const Ran ran = serving(more);
    EXPECT_EQ(ran.code, 2) << ran.out;
    EXPECT_NE(ran.err.find(words), std::string::npos) << ran.err;
  };
  expect({}, "serving needs a model");
  expect({"--model", "llama-9"}, "no model called \"llama-9\"");
  expect({"--model", "llama-3-8b", "--batch", "300"}, "--batch 300: from 1 to 256 sequences run at once");
  expect({"--model", "llama-3-8b", "--batch", "0"}, "--batch 0: from 1 to 256");
  expect({"--model", "llama-3-8b", "--scheme", "w3a8"}, "there is no serving scheme \"w3a8\"");
  expect({"--model", "llama-3-8b", "--gpu", "sim:b200"}, "sim:b200");
  const std::string prices = folder_ / "prices.yaml";
  std::ofstream(prices) << "gpus:\n  l40s: {memory_gib: 48, dollars_per_hour: 1, date: today, source: me}\n";
  expect({"--model", "llama-3-8b", "--gpu", "sim:a100-80", "--prices", prices},
         "has no price for a100-80; it has: l40s");
  expect({"--model", "llama-3-8b", "--prices", "nowhere.yaml"}, "nowhere.yaml: no such file");
}

TEST_F(ServingCommand, WithoutItsKernelsAModelIsServedByNoneOfOurs) {
  fill();
  const Ran ran = serving({"--model", "qwen1.5-72b", "--scheme", "w4a8-g128 kv4"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_NE(ran.out.find("no kernel for gemm w4a8-g128 n=24576 k=8192"), std::string::npos) << ran.out;
}

}  // namespace
}  // namespace qoq::cli
