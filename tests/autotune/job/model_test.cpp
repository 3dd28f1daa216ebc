#include "autotune/job/model.h"

#include <gtest/gtest.h>

#include "autotune/job/job.h"

namespace qoq::job {
namespace {

// The published models' shapes, (N, K) of qkv, o, gate_up and down.
TEST(Models, ShapesAreThePublishedOnes) {
  struct Expected {
    std::string name;
    int64_t sizes[4][2];
    int layers;
  };
  const Expected table[] = {
      {"llama-2-7b", {{12288, 4096}, {4096, 4096}, {22016, 4096}, {4096, 11008}}, 32},
      {"llama-3-8b", {{6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}}, 32},
      {"mistral-7b", {{6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}}, 32},
      {"llama-2-13b", {{15360, 5120}, {5120, 5120}, {27648, 5120}, {5120, 13824}}, 40},
      {"llama-30b", {{19968, 6656}, {6656, 6656}, {35840, 6656}, {6656, 17920}}, 60},
      {"yi-34b", {{9216, 7168}, {7168, 7168}, {40960, 7168}, {7168, 20480}}, 60},
      {"llama-2-70b", {{10240, 8192}, {8192, 8192}, {57344, 8192}, {8192, 28672}}, 80},
      {"qwen1.5-72b", {{24576, 8192}, {8192, 8192}, {49152, 8192}, {8192, 24576}}, 80},
  };
  for (const Expected& expected : table) {
    const Model model = load_model(expected.name, "/nowhere");  // so: the copy in the program
    EXPECT_EQ(model.layers, expected.layers) << expected.name;
    EXPECT_EQ(model.head_dim, 128);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto linear = std::get<Linear>(shard(model, linear_layers()[i], 1, 128));
      EXPECT_EQ(linear.n, expected.sizes[i][0]) << expected.name << " " << linear.layer;
      EXPECT_EQ(linear.k, expected.sizes[i][1]) << expected.name << " " << linear.layer;
    }
  }
}

TEST(Models, ShardsSplitHeadsWidthAndReplicateKvHeads) {
  Model model{"M", 2048, 5632, 1, 16, 2, 128, 1000};
  const auto n_of = [&](const std::string& layer, int tp) { return std::get<Linear>(shard(model, layer, tp, 0)).n; };
  const auto k_of = [&](const std::string& layer, int tp) { return std::get<Linear>(shard(model, layer, tp, 0)).k; };
  EXPECT_EQ(n_of("qkv", 2), (8 + 2 * 1) * 128);
  EXPECT_EQ(n_of("qkv", 8), (2 + 2 * 1) * 128);  // both KV heads live on four ranks each
  EXPECT_EQ(k_of("qkv", 8), 2048);
  EXPECT_EQ(k_of("o", 8), 256);
  EXPECT_EQ(n_of("o", 8), 2048);
  EXPECT_EQ(n_of("gate_up", 4), 2 * 1408);
  EXPECT_EQ(k_of("down", 4), 1408);
  model.q_heads = 12;
  EXPECT_EQ(std::get<Refusal>(shard(model, "qkv", 8, 0)).reason, "12 query heads do not split over tp=8");
  model.q_heads = 24, model.kv_heads = 3;
  EXPECT_EQ(std::get<Refusal>(shard(model, "o", 4, 0)).reason, "3 KV heads neither split over nor replicate on tp=4");
  model.intermediate = 1001;
  EXPECT_EQ(std::get<Refusal>(shard(model, "gate_up", 2, 0)).reason,
            "the intermediate width 1001 does not split over tp=2");
}

TEST(Models, AttentionIsShardedAsQkv) {
  Model model{"M", 2048, 5632, 1, 16, 2, 128, 1000};
  const auto heads = [&](int tp) { return std::get<Heads>(shard_heads(model, tp)); };
  EXPECT_EQ(heads(1).q_heads, 16);
  EXPECT_EQ(heads(1).kv_heads, 2);
  EXPECT_EQ(heads(8).q_heads, 2);
  EXPECT_EQ(heads(8).kv_heads, 1);
  EXPECT_EQ(heads(8).head_dim, 128);
  model.q_heads = 24, model.kv_heads = 3;
  const Refusal refusal = std::get<Refusal>(shard_heads(model, 4));
  EXPECT_EQ(refusal.what, "M attention tp=4");
  EXPECT_EQ(refusal.reason, "3 KV heads neither split over nor replicate on tp=4");
}

TEST(Schemes, GroupComesFromTheName) {
  EXPECT_EQ(group_of("w4a8-g128"), 128);
  EXPECT_EQ(group_of("w4a16-g64"), 64);
  EXPECT_EQ(group_of("w4a8-channel"), 0);
  EXPECT_EQ(group_of("w8a8"), 0);
}

}  // namespace
}  // namespace qoq::job
