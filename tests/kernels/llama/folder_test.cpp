// Model folders and calibration files: written and read back, and what is said of bad ones.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "kernels/llama/calibration.h"
#include "kernels/llama/forward.h"
#include "kernels/llama/read.h"
#include "kernels/llama/write.h"
#include "tests/kernels/checkpoint/scratch_folder.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::llama {
namespace {

using nlohmann::json;
using qoq::test::complaint;

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

struct ModelFolder : qoq::test::ScratchFolder {
  json config() const { return json::parse(read_file(folder / "config.json")); }
  /// What is said of the tiny model's config.json with one key changed (null: taken away).
  std::string said_of(const std::string& key, const json& value, Family family = Family::Llama) {
    write_model(test::tiny_model(test::tiny_config(family), 1), folder, DType::F32, 1);
    json changed = config();
    changed[key] = value;
    put("config.json", changed.dump());
    return complaint(Fault::Input, [&] { read_config(folder); });
  }
};

TEST_F(ModelFolder, EveryFamilyIsReadAsItWasWritten) {
  for (const Family family : {Family::Llama, Family::Mistral, Family::Qwen2, Family::Qwen3}) {
    for (const int shards : {1, 3, 100}) {
      const Model model = test::tiny_model(test::tiny_config(family), 2);
      const auto where = folder / (family_name(family) + std::to_string(shards));
      write_model(model, where, DType::F32, shards);
      const Model read = read_model(where);
      EXPECT_EQ(read.config, model.config) << family_name(family);
      EXPECT_EQ(read.ends, model.ends);
      EXPECT_EQ(read.layers, model.layers);
      EXPECT_EQ(std::filesystem::exists(where / "model.safetensors.index.json"), shards > 1);
    }
  }
}

TEST_F(ModelFolder, SmallerTypesRound) {
  const Model model = test::tiny_model(test::tiny_config(Family::Qwen2), 3);
  for (const DType dtype : {DType::F16, DType::BF16}) {
    write_model(model, folder, dtype, 2);
    const Model read = read_model(folder);
    const float step = dtype == DType::F16 ? 0x1p-11F : 0x1p-8F;
    for (size_t i = 0; i < read.layers[1].up.values.size(); ++i) {
      const float want = model.layers[1].up.values[i];
      ASSERT_NEAR(read.layers[1].up.values[i], want, std::abs(want) * step + 1e-7F);
    }
    write_model(read, folder / "again", dtype, 1);
    EXPECT_EQ(read_model(folder / "again").layers, read.layers) << "what is rounded stays";
  }
}

TEST_F(ModelFolder, ConfigsWithDefaultsAndOlderKeys) {
  put("config.json", R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
                         "num_attention_heads": 4, "vocab_size": 10})");
  const Config config = read_config(folder);
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_FLOAT_EQ(config.norm_epsilon, 1e-6F);
  EXPECT_FALSE(config.tied);
  put("config.json", R"({"model_type": "mistral", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
                         "num_attention_heads": 16, "vocab_size": 10, "sliding_window": 4096, "head_dim": null,
                         "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}, "rope_scaling": null})");
  const Config mistral = read_config(folder);
  EXPECT_EQ(mistral.kv_heads, 8);
  EXPECT_EQ(mistral.window, 4096);
  EXPECT_EQ(mistral.rope_theta, 5e5);
  EXPECT_EQ(mistral.rope_scaling, "");
  put("config.json", R"({"model_type": "qwen3", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
                         "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 10,
                         "sliding_window": 4096, "use_sliding_window": false, "tie_word_embeddings": true})");
  EXPECT_EQ(read_config(folder).head_dim, 128);
  EXPECT_EQ(read_config(folder).window, 0) << "not in use";
  EXPECT_TRUE(read_config(folder).tied);
}

TEST_F(ModelFolder, WhatIsReadAndNotComputed) {
  Model model = test::tiny_model(test::tiny_config(Family::Mistral), 4);
  model.config.rope_scaling = R"({"factor":8.0,"rope_type":"llama3"})";
  model.config.window = 5;
  write_model(model, folder, DType::F32, 1);
  EXPECT_EQ(read_config(folder), model.config);
  const std::vector<int> tokens = test::random_tokens(6, model.config.vocab, 1);
  EXPECT_SAYS(complaint(Fault::Input, [&] { forward(model, tokens, count_positions(6)); }), "llama3");
  model.config.rope_scaling.clear();
  EXPECT_SAYS(complaint(Fault::Input, [&] { forward(model, tokens, count_positions(6)); }), "window");
  EXPECT_NO_THROW(forward(model, std::span(tokens).first(5), count_positions(5)));
  EXPECT_NO_THROW(forward(model, tokens, std::vector{0, 1, 2, 0, 1, 2})) << "two short sequences";
}

TEST_F(ModelFolder, ConfigsThatAreRefused) {
  struct Case {
    const char* key;
    json value;
    const char* said;
  };
  const std::vector<Case> cases{
      {"model_type", "gpt2", "\"gpt2\""},
      {"model_type", "qwen2_moe", "\"qwen2_moe\""},
      {"model_type", nullptr, "has no model_type"},
      {"model_type", 3, "model_type is \"3\""},
      {"hidden_size", nullptr, "has no hidden_size"},
      {"hidden_size", 0, "hidden_size is \"0\""},
      {"hidden_size", -44, "hidden_size is \"-44\""},
      {"hidden_size", 1e300, "hidden_size"},
      {"hidden_size", 18446744073709551615u, "hidden_size"},
      {"hidden_size", "44", "hidden_size"},
      {"num_hidden_layers", 1.5, "num_hidden_layers is \"1.5\""},
      {"num_key_value_heads", 4, "6 attention heads are no multiple of 4"},
      {"head_dim", 7, "head_dim is 7"},
      {"head_dim", nullptr, "hidden_size 44 is no multiple of 6"},
      {"num_attention_heads", 16'000'002, "too many"},
      {"hidden_act", "gelu", "\"gelu\""},
      {"rms_norm_eps", -1, "rms_norm_eps"},
      {"rope_theta", "big", "rope_theta"},
      {"rope_scaling", "linear", "rope_scaling"},
      {"rope_parameters", 3, "rope_parameters"},
      {"attention_bias", true, "attention_bias"},
      {"attention_bias", "no", "attention_bias"},
      {"mlp_bias", true, "mlp_bias"},
      {"partial_rotary_factor", 0.5, "partial_rotary_factor"},
      {"num_local_experts", 8, "num_local_experts"},
      {"quantization_config", {{"quant_method", "awq"}}, "awq"},
      {"quantization_config", 4, "quantised already"},
  };
  for (const Case& c : cases) {
    const std::string said = said_of(c.key, c.value);
    EXPECT_SAYS(said, c.said);
    EXPECT_SAYS(said, (folder / "config.json").string());
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
  EXPECT_SAYS(said_of("num_key_value_heads", nullptr, Family::Qwen2), "has no num_key_value_heads");
  put("config.json", "{\"model_type\": ");
  EXPECT_SAYS(complaint(Fault::Input, [&] { read_config(folder); }), "not valid JSON at byte");
  put("config.json", "[]");
  EXPECT_SAYS(complaint(Fault::Input, [&] { read_config(folder); }), "no JSON object");
  EXPECT_SAYS(complaint(Fault::Input, [&] { read_config(folder / "nowhere"); }), "nowhere");
}

TEST_F(ModelFolder, TensorsThatAreRefused) {
  const Model model = test::tiny_model(test::tiny_config(Family::Qwen2), 5);
  write_model(model, folder, DType::F32, 1);
  const Config config = read_config(folder);
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const auto said = [&](const Config& as) { return complaint(Fault::Input, [&] { read_layer(checkpoint, as, 1); }); };
  Config other = config;
  other.hidden = 48;
  EXPECT_SAYS(said(other), "model.layers.1.input_layernorm.weight: its shape is [44], config.json makes it [48]");
  other = config;
  other.kv_heads = 3;
  EXPECT_SAYS(said(other),
              "model.layers.1.self_attn.k_proj.weight: its shape is [20, 44], config.json makes it [30, 44]");
  other = config;
  other.family = Family::Llama;
  EXPECT_SAYS(said(other), "model.layers.1.self_attn.k_proj.bias: a llama model has none of that name");
  other.family = Family::Qwen3;
  EXPECT_SAYS(said(other), "self_attn.q_norm.weight");
  EXPECT_SAYS(complaint(Fault::Input, [&] { read_layer(checkpoint, config, 2); }), "model.layers.2.");
  other = config;
  other.vocab = 38;
  EXPECT_SAYS(complaint(Fault::Input, [&] { read_ends(checkpoint, other); }), "model.embed_tokens.weight");
}

/// Before anything is read: a layer too few or too many, a bias, a matrix that no decoder has.
TEST_F(ModelFolder, EveryTensorIsAskedForAndEveryTensorIsUsed) {
  const Model model = test::tiny_model(test::tiny_config(Family::Llama), 5);
  write_model(model, folder, DType::F32, 2);
  const Config config = read_config(folder);
  const auto said = [&](const Config& as) {
    return complaint(Fault::Input, [&] { check_tensors(Checkpoint::open(folder), as); });
  };
  EXPECT_NO_THROW(check_tensors(Checkpoint::open(folder), config));
  Config other = config;
  other.layers = config.layers + 1;
  EXPECT_SAYS(said(other), fmt::format("has no tensor \"model.layers.{}.input_layernorm.weight\"", config.layers));
  other.layers = config.layers - 1;
  EXPECT_SAYS(said(other), fmt::format("tensor model.layers.{}.", config.layers - 1));
  EXPECT_SAYS(said(other), fmt::format("of {} layers has none of that name", config.layers - 1));
  other = config;
  other.vocab += 1;
  EXPECT_SAYS(said(other), "model.embed_tokens.weight: its shape is");
  other = config;
  other.tied = true;
  EXPECT_NO_THROW(check_tensors(Checkpoint::open(folder), other)) << "Hugging Face takes the embedding then, too";

  const auto add = [&](const char* name) {
    json index = json::parse(read_file(folder / "model.safetensors.index.json"));
    SafetensorsWriter writer(folder / "more.safetensors", {{name, DType::F32, {1}}});
    writer.write(name, std::vector<std::byte>(4));
    writer.finish();
    index["weight_map"][name] = "more.safetensors";
    put("model.safetensors.index.json", index.dump());
  };
  add("model.layers.0.self_attn.rotary_emb.inv_freq");
  EXPECT_NO_THROW(check_tensors(Checkpoint::open(folder), config));
  write_model(model, folder, DType::F32, 2);
  add("score.weight");
  EXPECT_SAYS(said(config), "tensor score.weight: a llama model of");
  write_model(model, folder, DType::F32, 2);
  add("model.layers.0.self_attn.o_proj.bias");
  EXPECT_SAYS(said(config), "tensor model.layers.0.self_attn.o_proj.bias");
}

TEST_F(ModelFolder, ANotFiniteWeightIsNamedWithItsPlace) {
  Model model = test::tiny_model(test::tiny_config(Family::Llama), 6);
  write_model(model, folder, DType::F32, 1);
  const auto path = folder / "model.safetensors";
  std::string bytes = read_file(path);
  // The last value of the file is some tensor's last element.
  bytes.replace(bytes.size() - 4, 4, std::string("\x00\x00\x80\x7f", 4));
  put("model.safetensors", bytes);
  EXPECT_SAYS(complaint(Fault::Input, [&] { read_model(folder); }), "model.");
}

struct CalibrationFile : qoq::test::ScratchFolder {
  Model model = test::tiny_model(test::tiny_config(Family::Qwen3), 7);
  std::filesystem::path path = folder / "calibration.safetensors";
  std::vector<LayerActivations> recorded() const {
    std::vector<LayerActivations> layers;
    std::vector<int> positions = count_positions(7);
    for (int p : count_positions(6)) positions.push_back(p);
    forward(model, test::random_tokens(13, model.config.vocab, 2), positions, &layers);
    return layers;
  }
  std::string said_of(const std::string& name, DType dtype, const std::vector<uint64_t>& shape) const {
    SafetensorsWriter writer(path, {{"layers.0.queries", DType::F32, {2, 60}}, {name, dtype, shape}});
    const std::vector<std::byte> zeros(tensor_bytes(dtype, shape).value());
    writer.write("layers.0.queries", std::vector<std::byte>(480));
    writer.write(name, zeros);
    writer.finish();
    return complaint(Fault::Input, [&] { Calibration::open(path, model.config); });
  }
};

TEST_F(CalibrationFile, IsReadAsItWasWritten) {
  const std::vector<LayerActivations> layers = recorded();
  write_calibration(path, layers, DType::F32);
  const Calibration read = Calibration::open(path, model.config);
  EXPECT_EQ(read.tokens(), 13);
  for (int i = 0; i < 2; ++i) {
    const LayerActivations got = read.layer(i), &want = layers[static_cast<size_t>(i)];
    EXPECT_EQ(got.attention_input, want.attention_input);
    EXPECT_EQ(got.queries, want.queries);
    EXPECT_EQ(got.keys, want.keys);
    EXPECT_EQ(got.output_input, want.output_input);
    EXPECT_EQ(got.ffn_input, want.ffn_input);
    EXPECT_EQ(got.down_input, want.down_input);
    EXPECT_EQ(got.positions, want.positions);
    EXPECT_EQ(read.tensors(i).size(), 7u);
  }
}

TEST_F(CalibrationFile, PartsMayBeMissing) {
  std::vector<LayerActivations> layers = recorded();
  layers[0].keys = {};
  layers[1] = {};
  for (LayerActivations& layer : layers) layer.positions.clear();
  write_calibration(path, layers, DType::BF16);
  const Calibration read = Calibration::open(path, model.config);
  EXPECT_TRUE(read.layer(0).keys.values.empty());
  EXPECT_EQ(read.layer(0).queries.rows, 13);
  EXPECT_TRUE(read.layer(1).down_input.values.empty());
  EXPECT_TRUE(read.layer(0).positions.empty());
}

TEST_F(CalibrationFile, BadOnesAreNamed) {
  EXPECT_SAYS(said_of("layers.1.keys", DType::F32, {2, 60}),
              "\"layers.1.keys\": its shape is [2, 60], expected [2, 20]");
  EXPECT_SAYS(said_of("layers.1.keys", DType::F32, {3, 20}), "expected [2, 20]");
  EXPECT_SAYS(said_of("layers.1.keys", DType::F32, {2, 20, 1}), "expected [2, 20]");
  EXPECT_SAYS(said_of("layers.1.keys", DType::F32, {0, 20}), "[0, 20]");
  EXPECT_SAYS(said_of("layers.1.keys", DType::F64, {2, 20}), "F64");
  EXPECT_SAYS(said_of("layers.2.keys", DType::F32, {2, 20}), "\"layers.2.keys\": expected positions, or layers.0");
  EXPECT_SAYS(said_of("layers.01.keys", DType::F32, {2, 20}), "\"layers.01.keys\"");
  EXPECT_SAYS(said_of("layers.1.values", DType::F32, {2, 20}), "\"layers.1.values\"");
  EXPECT_SAYS(said_of("positions", DType::F32, {2}), "I32 or I64");
  EXPECT_SAYS(said_of("positions", DType::I32, {3}), "positions");
  write_calibration(path, {}, DType::F32);
  EXPECT_SAYS(complaint(Fault::Input, [&] { Calibration::open(path, model.config); }), "nothing is recorded");
}

TEST_F(CalibrationFile, APositionBelowZero) {
  std::vector<LayerActivations> layers = recorded();
  layers[0].positions[3] = -1;
  write_calibration(path, layers, DType::F32);
  EXPECT_SAYS(complaint(Fault::Input, [&] { Calibration::open(path, model.config); }), "element 3 is -1");
}

}  // namespace
}  // namespace qoq::llama
