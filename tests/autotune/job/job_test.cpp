#include "autotune/job/job.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tests/autotune/job/toy_family.h"

namespace qoq::job {
namespace {
namespace fs = std::filesystem;

Families toy_families() {
  Families families;
  families.push_back(std::make_unique<ToyFamily>());
  return families;
}

/// A folder with a small model, gone when the test ends.
class JobTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("qoq_job_test." + std::to_string(::getpid()));
    fs::create_directories(folder_ / "models");
    fs::create_directories(folder_ / "spaces");
    write("models/small.yaml", small_model);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  Job load(const std::string& text) const {
    write("job.yaml", text);
    return load_job(folder_ / "job.yaml", families_, strategies_);
  }
  /// The message that `text` is refused with, less the folder's name.
  std::string fault_of(const std::string& text) const {
    try {
      load(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::Input);
      std::string message = error.what();
      if (message.starts_with(folder_.string())) message.erase(0, folder_.string().size() + 1);
      return message;
    }
    return "accepted";
  }

  /// 8 heads of 64, 2 KV heads; down's K is 1536.
  static constexpr auto small_model =
      "name: Small\nhidden: 512\nintermediate: 1536\nlayers: 3\nq_heads: 8\nkv_heads: 2\nhead_dim: 64\nvocab: 1000\n";
  fs::path folder_;
  Families families_ = toy_families();
  std::vector<std::string> strategies_{"exhaustive", "random"};
};

std::vector<std::string> texts(const Job& job) {
  std::vector<std::string> result;
  for (const WorkItem& item : job.work) result.push_back(fmt::format("{} × {}", item.problem.text(), item.weight));
  return result;
}

TEST_F(JobTest, ExpandsAModelIntoWeightedProblems) {
  const Job job = load("name: j\nmodels: [small]\nm: {16: 2, 64: 1}\nschemes: [w4a8-g128]\n");
  EXPECT_EQ(texts(job),
            (std::vector<std::string>{"gemm w4a8-g128 m=16 n=768 k=512 × 6", "gemm w4a8-g128 m=16 n=512 k=512 × 6",
                                      "gemm w4a8-g128 m=16 n=3072 k=512 × 6", "gemm w4a8-g128 m=16 n=512 k=1536 × 6",
                                      "gemm w4a8-g128 m=64 n=768 k=512 × 3", "gemm w4a8-g128 m=64 n=512 k=512 × 3",
                                      "gemm w4a8-g128 m=64 n=3072 k=512 × 3", "gemm w4a8-g128 m=64 n=512 k=1536 × 3"}));
  EXPECT_EQ(job.work[0].origins, (std::vector<std::string>{"Small qkv tp=1"}));
  EXPECT_TRUE(job.targets.empty());
  EXPECT_EQ(job.search.strategy, "exhaustive");
}

TEST_F(JobTest, MergesEqualShapes) {
  write("models/twin.yaml",
        "name: Twin\nhidden: 512\nintermediate: 2048\nlayers: 5\nq_heads: 8\nkv_heads: 8\n"
        "head_dim: 64\nvocab: 1000\n");
  const Job job = load(
      "name: j\nmodels: [small, twin]\nlayers: [o]\nm: [32]\nschemes: [w4a8-g128]\n"
      "problems:\n  - {problem: gemm w4a8-g128 m=32 n=512 k=512, weight: 0.5}\n");
  ASSERT_EQ(job.work.size(), 1u);
  EXPECT_EQ(job.work[0].weight, 3 + 5 + 0.5);
  EXPECT_EQ(job.work[0].origins, (std::vector<std::string>{"Small o tp=1", "Twin o tp=1", "job"}));
}

TEST_F(JobTest, RefusesShardsThatSplitAGroupAndGoesOn) {
  // o: 512/8 = 64 columns; down: 1536/8 = 192. Both split a group of 128. At tp=4 both are whole.
  const Job job = load("name: j\nmodels: [small]\ntp: [4, 8]\nm: [1]\nschemes: [w4a8-g128]\n");
  ASSERT_EQ(job.refusals.size(), 2u);
  EXPECT_EQ(job.refusals[0].what, "Small o w4a8-g128 tp=8");
  EXPECT_EQ(job.refusals[0].reason,
            "a shard of k=512 over tp=8 has 64 columns, which splits a quantization group of 128");
  EXPECT_EQ(job.refusals[1].what, "Small down w4a8-g128 tp=8");
  EXPECT_EQ(texts(job),
            (std::vector<std::string>{"gemm w4a8-g128 m=1 n=256 k=512 × 3", "gemm w4a8-g128 m=1 n=512 k=128 × 3",
                                      "gemm w4a8-g128 m=1 n=768 k=512 × 3", "gemm w4a8-g128 m=1 n=512 k=384 × 3",
                                      "gemm w4a8-g128 m=1 n=192 k=512 × 3", "gemm w4a8-g128 m=1 n=384 k=512 × 3"}));
  // Without groups nothing is split.
  EXPECT_TRUE(load("name: j\nmodels: [small]\ntp: [8]\nm: [1]\nschemes: [w8a8]\n").refusals.empty());
}

TEST_F(JobTest, AFamilysSentenceIsARefusal) {
  write("models/odd.yaml",
        "name: Odd\nhidden: 48\nintermediate: 64\nlayers: 1\nq_heads: 3\nkv_heads: 3\n"
        "head_dim: 16\nvocab: 100\n");
  const Job job = load("name: j\nmodels: [odd]\nm: [1, 2]\nschemes: [w8a8]\n");
  ASSERT_EQ(job.refusals.size(), 3u);  // qkv 144, o 48, down 48; gate_up's 128 is taken
  EXPECT_EQ(job.refusals[0].reason, "n=144 is not a multiple of 32");
  EXPECT_EQ(job.work.size(), 2u);
}

TEST_F(JobTest, SchemesMayHaveTheirOwnTokensLayersAndOutput) {
  const Job job = load(
      "name: j\nmodels: [small]\nm: [1]\nlayers: [qkv]\nbias: true\nschemes:\n  - w4a8-g128\n"
      "  - {scheme: w8a8, m: [8], layers: [down], output: bf16}\n");
  EXPECT_EQ(texts(job), (std::vector<std::string>{"gemm w4a8-g128 m=1 n=768 k=512 bias=1 × 3",
                                                  "gemm w8a8 m=8 n=512 k=1536 out=bf16 bias=1 × 3"}));
}

/// Jobs where attention is an operator too.
class AttentionJobTest : public JobTest {
 protected:
  AttentionJobTest() { families_.push_back(std::make_unique<ToyAttention>()); }
};

TEST_F(AttentionJobTest, ExpandsModelsIntoWeightedDecodeSteps) {
  const Job job = load(
      "name: j\nmodels: [small]\nattention:\n"
      "  - {scheme: kv4, batch: {1: 1, 16: 4}, ctx: {1024: 4, 8192: 1}}\n");
  EXPECT_EQ(texts(job), (std::vector<std::string>{"attention kv4 batch=16 heads=8/2 dh=64 ctx=1024 × 48",
                                                  "attention kv4 batch=1 heads=8/2 dh=64 ctx=1024 × 12",
                                                  "attention kv4 batch=16 heads=8/2 dh=64 ctx=8192 × 12",
                                                  "attention kv4 batch=1 heads=8/2 dh=64 ctx=8192 × 3"}));
  EXPECT_EQ(job.work[0].origins, (std::vector<std::string>{"Small attention tp=1"}));
}

TEST_F(AttentionJobTest, ListsCountOnceAndStandBesideLinearLayers) {
  const Job job = load(
      "name: j\nmodels: [small]\nlayers: [o]\nm: [1]\nschemes: [w8a8]\noutput: bf16\nattention:\n"
      "  - {scheme: kv8, batch: [4], ctx: [512], q: 2}\n"
      "  - {scheme: kv4, batch: [4], ctx: [512], output: fp16}\n");
  EXPECT_EQ(texts(job), (std::vector<std::string>{"gemm w8a8 m=1 n=512 k=512 out=bf16 × 3",
                                                  "attention kv8 batch=4 heads=8/2 dh=64 ctx=512 q=2 out=bf16 × 3",
                                                  "attention kv4 batch=4 heads=8/2 dh=64 ctx=512 × 3"}));
}

TEST_F(AttentionJobTest, ShardsSplitHeadsAndReplicateKvHeads) {
  const Job job = load("name: j\nmodels: [small]\ntp: [1, 2, 8]\nattention: [{scheme: kv4, batch: [1], ctx: [64]}]\n");
  EXPECT_EQ(texts(job), (std::vector<std::string>{"attention kv4 batch=1 heads=8/2 dh=64 ctx=64 × 3",
                                                  "attention kv4 batch=1 heads=4/1 dh=64 ctx=64 × 3",
                                                  "attention kv4 batch=1 heads=1/1 dh=64 ctx=64 × 3"}));
  EXPECT_EQ(job.work[2].origins, (std::vector<std::string>{"Small attention tp=8"}));
}

TEST_F(AttentionJobTest, AShardOrASizeThatCannotBeIsRefusedOnceAndTheRestGoesOn) {
  write("models/odd.yaml",
        "name: Odd\nhidden: 768\nintermediate: 64\nlayers: 1\nq_heads: 12\nkv_heads: 12\nhead_dim: 64\nvocab: 100\n");
  const Job job =
      load("name: j\nmodels: [odd]\ntp: [4, 8]\nattention: [{scheme: kv4, batch: [1, 2], ctx: [3, 64], q: 4}]\n");
  EXPECT_EQ(texts(job), (std::vector<std::string>{"attention kv4 batch=1 heads=3/3 dh=64 ctx=64 q=4 × 1",
                                                  "attention kv4 batch=2 heads=3/3 dh=64 ctx=64 q=4 × 1"}));
  ASSERT_EQ(job.refusals.size(), 2u);
  EXPECT_EQ(job.refusals[0].what, "Odd attention kv4 tp=4");
  EXPECT_EQ(job.refusals[0].reason, "ctx=3 is shorter than the 4 new tokens");
  EXPECT_EQ(job.refusals[1].what, "Odd attention kv4 tp=8");
  EXPECT_EQ(job.refusals[1].reason, "12 query heads do not split over tp=8");
}

TEST_F(AttentionJobTest, EveryFaultNamesItsPlaceAndWhatWouldBeRight) {
  const std::string good = "name: j\nmodels: [small]\n";
  const std::pair<std::string, std::string> faults[] = {
      {"name: j\nattention: [{scheme: kv4, batch: [1], ctx: [64]}]\n",
       "job.yaml:2:12: attention: no models: say whose attention"},
      {good + "attention: kv4\n", "job.yaml:3:12: attention: expected a list, found \"kv4\""},
      {good + "attention: [kv4]\n", "job.yaml:3:13: attention: expected a mapping, found \"kv4\""},
      {good + "attention: [{scheme: kv5, batch: [1], ctx: [64]}]\n",
       "job.yaml:3:22: attention.scheme: \"kv5\" is not known (did you mean \"kv4\"?)"},
      {good + "attention: [{scheme: w8a8, batch: [1], ctx: [64]}]\n",
       "job.yaml:3:22: attention.scheme: \"w8a8\" is not known (known: kv4, kv8)"},
      {good + "attention: [{scheme: kv4, ctx: [64]}]\n", "job.yaml:3:13: attention: the key \"batch\" is missing"},
      {good + "attention: [{scheme: kv4, batch: [1]}]\n", "job.yaml:3:13: attention: the key \"ctx\" is missing"},
      {good + "attention: [{scheme: kv4, batch: [1], ctx: [64], m: [1]}]\n",
       "job.yaml:3:50: attention: unknown key \"m\" (known: scheme, batch, ctx, q, output)"},
      {good + "attention: [{scheme: kv4, batch: [0], ctx: [64]}]\n",
       "job.yaml:3:35: attention.batch: expected a whole number from 1 to 1048576, found \"0\""},
      {good + "attention: [{scheme: kv4, batch: [1], ctx: {64: -1}}]\n",
       "job.yaml:3:49: attention.ctx.64: expected a number above 0, at most 1000000000, found \"-1\""},
      {good + "attention: [{scheme: kv4, batch: [1], ctx: [64, 64]}]\n",
       "job.yaml:3:49: attention.ctx: 64 comes twice"},
      {good + "attention: [{scheme: kv4, batch: [1], ctx: [64], q: 0}]\n",
       "job.yaml:3:53: attention.q: expected a whole number from 1 to 1048576, found \"0\""},
      {good + "attention: [{scheme: kv4, batch: [1], ctx: [64], output: fp8}]\n",
       "job.yaml:3:58: attention.output: \"fp8\" is not known (known: fp16, bf16)"},
  };
  for (const auto& [text, message] : faults) EXPECT_EQ(fault_of(text), message) << text;
}

TEST_F(JobTest, RestrictsSpacesInlineAndByName) {
  const std::string head = "name: j\nproblems: [gemm w8a8 m=1 n=32 k=32]\nspaces:\n  gemm/toy: ";
  const auto values = [&](const Job& job) {
    std::vector<std::vector<int>> result;
    for (const Parameter& parameter : job.parameters(*families_[0])) result.push_back(parameter.values);
    return result;
  };
  using Values = std::vector<std::vector<int>>;
  const Job inline_job = load(head + "{block_m: [64, 16], dequant: [imad]}\n");
  EXPECT_EQ(values(inline_job), (Values{{64, 16}, {1, 2}, {1}}));
  EXPECT_EQ(inline_job.parameters(*families_[0])[2].labels, (std::vector<std::string>{"imad"}));
  write("spaces/tiny.yaml", "split_k: [2]\n");
  EXPECT_EQ(values(load(head + "tiny\n")), (Values{{16, 32, 64}, {2}, {0, 1}}));
  EXPECT_EQ(values(load(head + "spaces/tiny.yaml\n")), (Values{{16, 32, 64}, {2}, {0, 1}}));

  write("spaces/tiny.yaml", "# a comment\nsplit_k: [2, 3]\n");
  EXPECT_EQ(fault_of(head + "tiny\n"), "spaces/tiny.yaml:2:14: split_k has no value \"3\" (known: 1, 2)");
  EXPECT_EQ(fault_of(head + "{blockm: [16]}\n"),
            "job.yaml:4:14: gemm/toy has no parameter \"blockm\" (did you mean \"block_m\"?)");
  EXPECT_EQ(fault_of(head + "{dequant: [imat]}\n"),
            "job.yaml:4:24: dequant has no value \"imat\" (did you mean \"imad\"?)");
  EXPECT_EQ(fault_of(head + "{block_m: [16, 16]}\n"), "job.yaml:4:28: block_m lists \"16\" twice");
  EXPECT_EQ(fault_of(head + "tini\n"), "job.yaml:4:13: no space called \"tini\" (did you mean \"tiny\"?)");
}

TEST_F(JobTest, ReadsTargetsAndSearch) {
  const Job job = load(
      "name: j\nproblems: [gemm w8a8 m=1 n=32 k=32]\ntargets: [sim:h200, 'cuda:1']\n"
      "search: {strategy: random, budget: 7, minutes: 0.5, seed: 9}\n");
  EXPECT_EQ(job.targets, (std::vector<std::string>{"sim:h200", "cuda:1"}));
  EXPECT_EQ(job.search.strategy, "random");
  EXPECT_EQ(job.search.budget, 7);
  EXPECT_EQ(job.search.minutes, 0.5);
  EXPECT_EQ(job.search.seed, 9u);
}

TEST_F(JobTest, AParametersEveryValueMayBeAblated) {
  const std::string job = "name: j\nproblems: [gemm w8a8 m=1 n=32 k=32]\n";
  EXPECT_EQ(load(job + "ablate_each: dequant\n").ablate_each, "dequant");
  EXPECT_EQ(load(job).ablate_each, "");
}

TEST_F(JobTest, EveryFaultNamesItsPlaceAndWhatWouldBeRight) {
  const std::string good = "name: j\nmodels: [small]\nm: [1]\nschemes: [w8a8]\n";
  const std::pair<std::string, std::string> faults[] = {
      {"", "job.yaml:1:1: the file is empty, expected a mapping"},
      {"- a\n", "job.yaml:1:1: expected a mapping, found a list"},
      {"name: [j\n", "job.yaml:2:1: not YAML: end of sequence flow not found"},
      {"name: a\n---\nname: b\n", "job.yaml:3:1: a second YAML document begins here, expected one a file"},
      {"models: [small]\n", "job.yaml:1:1: the key \"name\" is missing"},
      {"name: j\n", "job.yaml:1:1: nothing to do: neither \"models\" nor \"problems\" is given"},
      {"name: j\nmodels: [small]\nm: [1]\n", "job.yaml:1:1: the key \"schemes\" is missing"},
      {"name: j\nmodels: [small]\nschemes: [w8a8]\n",
       "job.yaml:3:11: schemes: no m: say which numbers of tokens, here or for the whole job"},
      {good + "target: auto\n", "job.yaml:5:1: unknown key \"target\" (did you mean \"targets\"?)"},
      {good + "m: [2]\n", "job.yaml:5:1: the key \"m\" comes twice"},
      {good + "tp: [3]\n", "job.yaml:5:6: tp: \"3\" is not known (known: 1, 2, 4, 8)"},
      {good + "tp: 2\n", "job.yaml:5:5: tp: expected a list, found \"2\""},
      {good + "tp: []\n", "job.yaml:5:5: tp: the list is empty, expected at least one element"},
      {good + "tp: [1, 1]\n", "job.yaml:5:9: tp: \"1\" comes twice"},
      {good + "output: fp32\n", "job.yaml:5:9: output: \"fp32\" is not known (known: fp16, bf16)"},
      {good + "bias: maybe\n", "job.yaml:5:7: bias: expected true or false, found \"maybe\""},
      {good + "targets: [h200]\n",
       "job.yaml:5:11: targets: expected a target (auto, cuda:0 or sim:NAME), found \"h200\""},
      {good + "search: {budget: 0}\n",
       "job.yaml:5:18: search.budget: expected a whole number from 1 to 1099511627776, found \"0\""},
      {good + "search: {budget: many}\n",
       "job.yaml:5:18: search.budget: expected a whole number from 1 to 1099511627776, found \"many\""},
      {good + "search: {minutes: -1}\n",
       "job.yaml:5:19: search.minutes: expected a number above 0, at most 1000000, found \"-1\""},
      {good + "search: {strategy: randon}\n",
       "job.yaml:5:20: search.strategy: \"randon\" is not known (did you mean \"random\"?)"},
      {good + "ablate_each: dequants\n",
       "job.yaml:5:14: ablate_each: \"dequants\" is not known (did you mean \"dequant\"?)"},
      {good + "search:\n", "job.yaml:5:1: search: expected a mapping, found nothing"},
      {good + "spaces: {gemm/mma: x}\n", "job.yaml:5:10: spaces: \"gemm/mma\" is not known (known: gemm/toy)"},
      {good + "problems: [gemm w4a4 m=1 n=32 k=32]\n",
       "job.yaml:5:12: problems: no family of kernels solves \"gemm w4a4\""},
      {good + "problems: [gemm w8a8 m=1 n=33 k=32]\n", "job.yaml:5:12: problems: n=33 is not a multiple of 32"},
      {"name: j\nmodels: [small]\nm: [0]\nschemes: [w8a8]\n",
       "job.yaml:3:5: m: expected a whole number from 1 to 1048576, found \"0\""},
      {"name: j\nmodels: [small]\nm: {1: zero}\nschemes: [w8a8]\n",
       "job.yaml:3:8: m.1: expected a number above 0, at most 1000000000, found \"zero\""},
      {"name: j\nmodels: [smal]\nm: [1]\nschemes: [w8a8]\n",
       "job.yaml:2:10: no model called \"smal\" (did you mean \"small\"?)"},
      {"name: j\nmodels: [small]\nm: [1]\nschemes: [w8a16]\n",
       "job.yaml:4:11: schemes: \"w8a16\" is not known (known: w4a8-g128, w8a8)"},
  };
  for (const auto& [text, message] : faults) EXPECT_EQ(fault_of(text), message) << text;
}

TEST_F(JobTest, RefusesInconsistentModels) {
  const std::string job = "name: j\nmodels: [bad]\nm: [1]\nschemes: [w8a8]\n";
  const auto fault_with = [&](const std::string& from, const std::string& to) {
    std::string model = small_model;
    model.replace(model.find(from), from.size(), to);
    write("models/bad.yaml", model);
    return fault_of(job);
  };
  EXPECT_EQ(fault_with("q_heads: 8", "q_heads: 4"),
            "models/bad.yaml:5:10: q_heads: 4 heads of 64 make 256, but hidden is 512");
  EXPECT_EQ(fault_with("kv_heads: 2", "kv_heads: 3"),
            "models/bad.yaml:6:11: kv_heads: 3 KV heads do not divide the 8 query heads");
  EXPECT_EQ(fault_with("layers: 3", "layers: 3.5"),
            "models/bad.yaml:4:9: layers: expected a whole number from 1 to 10000, found \"3.5\"");
  EXPECT_EQ(fault_with("vocab: 1000\n", ""), "models/bad.yaml:1:1: the key \"vocab\" is missing");
  EXPECT_EQ(fault_with("vocab", "vocabs"), "models/bad.yaml:8:1: unknown key \"vocabs\" (did you mean \"vocab\"?)");
}

TEST_F(JobTest, AMissingFileIsNamed) {
  try {
    load_job(folder_ / "none.yaml", families_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), (folder_ / "none.yaml").string() + ": no such file");
  }
  try {
    load_job("lama-3-8b.yaml", families_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "lama-3-8b.yaml: no job called \"lama-3-8b\" (did you mean \"llama-3-8b\"?)");
  }
  // A wrong folder is not quietly replaced by the copy in the program.
  EXPECT_THROW(load_job(folder_ / "llama-3-8b.yaml", families_), Error);
}

TEST(Jobs, EveryJobInTheProgramIsFoundByItsName) {
  for (const char* name : {"llama-3-8b", "llama-2-7b", "qwen1.5-72b", "qwen1.5-72b.yaml", "configs/llama-2-7b.yaml"}) {
    const Job job = load_job(name);
    EXPECT_FALSE(job.work.empty()) << name;
    EXPECT_NE(job.text.find("models:"), std::string::npos) << job.text;
  }
}

}  // namespace
}  // namespace qoq::job
