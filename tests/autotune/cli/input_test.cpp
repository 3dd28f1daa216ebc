// Faulty jobs, models, targets and problems: one sentence with the place, code 2, and nothing begun.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

class Input : public ::testing::Test {
 protected:
  Folder folder_;

  /// Tunes the job; expects the sentence to begin with job.yaml's place.
  void expect_refused(const std::string& job, const std::string& place, const std::vector<std::string>& texts) {
    write_text(folder_ / "job.yaml", job);
    const Ran ran = run(tune(folder_.path()));
    auto all = texts;
    all.push_back((folder_ / "job.yaml").string() + ":" + place + ": ");
    testing::expect_sentence(ran, 2, all, __FILE__, __LINE__);
    EXPECT_FALSE(fs::exists(folder_ / "tune.db")) << "nothing was begun";
  }
};

TEST_F(Input, NoSuchJob) {
  EXPECT_SENTENCE(run({"tune", (folder_ / "absent.yaml").string()}), 2, "absent.yaml", "no such file");
  EXPECT_SENTENCE(run({"tune", "absent"}, {.folder = folder_.path()}), 2, "absent", "llama-3-8b");
  EXPECT_SENTENCE(run({"tune", folder_.path().string()}), 2, folder_.path().string());
}

TEST_F(Input, UnknownKeys) {
  expect_refused("name: x\nproblem: [gemm]\n", "2:1", {"unknown key \"problem\"", "problems"});
  expect_refused("name: x\nsearch: {stratgy: random}\n", "2:10", {"unknown key \"stratgy\"", "strategy"});
  expect_refused("name: x\nspaces:\n  gemm/mma: {blok_m: [16]}\n", "3:14", {"blok_m", "block_m"});
  expect_refused("name: x\nspaces:\n  gemm/mm: {block_m: [16]}\n", "3:3", {"gemm/mm", "gemm/mma"});
}

TEST_F(Input, WrongTypes) {
  expect_refused("name: x\nproblems: gemm\n", "2:11", {"expected a list", "gemm"});
  expect_refused("name: [x]\n", "1:7", {"name", "expected a text, found a list"});
  expect_refused("name: x\nsearch: exhaustive\n", "2:9", {"expected a mapping"});
  expect_refused("name: x\nmodels: [llama-3-8b]\nschemes: [w8a8]\nm: [few]\n", "4:5", {"few", "whole number"});
  expect_refused("name: x\nbias: maybe\nmodels: [llama-3-8b]\nschemes: [w8a8]\nm: [1]\n", "2:7", {"true or false"});
  expect_refused("- a\n- b\n", "1:1", {"expected a mapping"});
}

TEST_F(Input, OutOfRange) {
  expect_refused("name: x\nmodels: [llama-3-8b]\nschemes: [w8a8]\nm: [0]\n", "4:5",
                 {"whole number from 1", "found \"0\""});
  expect_refused("name: x\nmodels: [llama-3-8b]\nschemes: [w8a8]\nm: [1]\ntp: [3]\n", "5:6", {"\"3\""});
  expect_refused("name: x\nsearch: {budget: 0}\n", "2:18", {"budget", "from 1"});
  expect_refused("name: x\nsearch: {minutes: -1}\n", "2:19", {"minutes", "above 0"});
  expect_refused("name: x\nspaces:\n  gemm/mma: {block_m: [17]}\n", "3:24", {"17", "block_m"});
}

TEST_F(Input, UnknownWords) {
  expect_refused("name: x\nmodels: [llama-9]\nschemes: [w8a8]\nm: [1]\n", "2:10", {"llama-9", "llama-3-8b"});
  expect_refused("name: x\nmodels: [llama-3-8b]\nschemes: [w2a2]\nm: [1]\n", "3:11", {"w2a2", "w4a8-g128"});
  expect_refused("name: x\nsearch: {strategy: clever}\n", "2:20", {"clever", "exhaustive"});
  expect_refused("name: x\ntargets: [h200]\n", "2:11", {"h200", "sim:NAME"});
}

TEST_F(Input, NotYaml) {
  expect_refused("name: [x\n", "2:1", {"not YAML"});
  expect_refused("", "1:1", {"empty"});
  expect_refused("name: x\n", "1:1", {"nothing to do"});
}

TEST_F(Input, AProblemThatTheFormatDoesNotAllow) {
  expect_refused("name: x\nproblems:\n  - gemm w4a8-g128 m=1 n=64 k=100\n", "3:5", {"k=100"});
  expect_refused("name: x\nproblems:\n  - gemm w4a8-g128 m=1 n=64\n", "3:5", {"k"});
  expect_refused("name: x\nproblems:\n  - gemm w9 m=1 n=64 k=128\n", "3:5", {"w9"});
}

TEST_F(Input, AModelWithInconsistentHeads) {
  write_text(folder_ / "model.yaml",
             "name: Odd\nhidden: 4096\nintermediate: 14336\nlayers: 32\nq_heads: 32\nkv_heads: 5\nhead_dim: "
             "128\nvocab: 1000\n");
  write_text(folder_ / "job.yaml", "name: x\nmodels: [model.yaml]\nschemes: [w8a8]\nm: [1]\ntargets: [sim:h200]\n");
  EXPECT_SENTENCE(run(tune(folder_.path())), 2, "model.yaml:6:", "kv_heads");
  write_text(folder_ / "model.yaml",
             "name: Odd\nhidden: 4096\nintermediate: 14336\nlayers: 32\nq_heads: 30\nkv_heads: 5\nhead_dim: "
             "128\nvocab: 1000\n");
  EXPECT_SENTENCE(run(tune(folder_.path())), 2, "model.yaml:", "heads");
}

TEST_F(Input, UnknownGpus) {
  write_text(folder_ / "job.yaml", tiny_job());
  EXPECT_SENTENCE(run(tune(folder_.path(), {"--gpu", "sim:h300"})), 2, "sim:h300", "sim:h200");
  EXPECT_SENTENCE(run(tune(folder_.path(), {"--gpu", "cuda:77"})), 2, "cuda:77");
  EXPECT_SENTENCE(run(tune(folder_.path(), {"--gpu", "h200"})), 2, "\"h200\"", "sim:h200");
  EXPECT_SENTENCE(run(tune(folder_.path(), {"--gpu"})), 2, "--gpu");
  write_text(folder_ / "job.yaml", tiny_job({"gemm w8a8 m=1 n=64 k=128"}, "[sim:h300]"));
  EXPECT_SENTENCE(run(tune(folder_.path())), 2, "sim:h300", "sim:h200");
  EXPECT_FALSE(fs::exists(folder_ / "tune.db"));
}

TEST_F(Input, AnUnknownStrategyIsRefusedBeforeAnythingIsDone) {
  write_text(folder_ / "job.yaml", tiny_job());
  EXPECT_SENTENCE(run(tune(folder_.path(), {"--strategy", "clever"})), 2, "clever", "exhaustive", "random");
  EXPECT_FALSE(fs::exists(folder_ / "tune.db"));
}

TEST_F(Input, VariantsThatAreNone) {
  for (const std::string id :
       {"mma", "nonsense", "", "mma.w4a8-g128.bm64", "mma.w4a8-g128.bm0.bn0.bk0.wm0.wn0.st0.ks0.sk0.ra0.imad.qserve",
        "mma.w4a8-g128.bm16.bn64.bk128.wm16.wn32.st1.ks1.sk1.ra1.imad.qserve",
        "mma.w4a8-g128.bm-16.bn64.bk128.wm16.wn32.st2.ks1.sk1.ra1.imad.qserve",
        "mma.w4a8-g128.bm16.bn64.bk128.wm16.wn32.st2.ks1.sk0.ra1.imad.qserve"}) {
    SCOPED_TRACE(id);
    EXPECT_SENTENCE(run({"inspect", id, "--cache", QOQTUNE_CACHE}), 2, id);
    EXPECT_SENTENCE(run({"verify", "--variant", id, "--cache", QOQTUNE_CACHE}), 2, id);
  }
}

TEST_F(Input, VerifyOptions) {
  EXPECT_SENTENCE(run({"verify", "--on", "paper"}), 2, "--on paper", "emulator");
  EXPECT_SENTENCE(run({"verify", "--on", "cuda:77"}), 2, "cuda:77");
  EXPECT_SENTENCE(run({"verify", "--count", "0"}), 2, "count");
  EXPECT_SENTENCE(run({"verify", "--problem", "gemm w4a8-g128 m=1 n=64 k=100"}), 2, "k=100");
  EXPECT_SENTENCE(run({"verify", "--problem", "rubbish"}), 2, "rubbish");
}

}  // namespace
}  // namespace qoq::cli
