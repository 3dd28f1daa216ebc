#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/llama/calibration.h"
#include "kernels/llama/forward.h"
#include "kernels/llama/write.h"
#include "kernels/quantize/quantizer.h"
#include "tests/kernels/checkpoint/scratch_folder.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::quantize::test {

namespace fs = std::filesystem;

/// The least sizes that every scheme takes: 3 layers, 4 heads on 2 KV heads.
inline llama::Config small_config(llama::Family family) {
  llama::Config config;
  config.family = family;
  config.hidden = 128;
  config.intermediate = 256;
  config.layers = 3;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.vocab = 96;
  config.tied = family == llama::Family::Qwen3;
  return config;
}

/// A model of small noise in a folder, bfloat16 in two shards; returns what it is in fp32 before rounding.
inline llama::Model write_small_model(const fs::path& folder, llama::Family family = llama::Family::Llama,
                                      uint64_t seed = 1, DType dtype = DType::BF16) {
  const llama::Model model = llama::test::tiny_model(small_config(family), seed);
  fs::create_directories(folder);
  llama::write_model(model, folder, dtype, 2);
  return model;
}

/// 24 tokens of it, recorded.
inline void write_small_calibration(const llama::Model& model, const fs::path& file, uint64_t seed = 5) {
  const std::vector<int> tokens = llama::test::random_tokens(24, model.config.vocab, seed);
  std::vector<int> positions;
  for (int i = 0; i < 24; ++i) positions.push_back(i);
  std::vector<llama::LayerActivations> recorded;
  llama::forward(model, tokens, positions, &recorded, 1);
  llama::write_calibration(file, recorded, DType::F32);
}

inline Settings settings(std::string_view scheme, const std::string& recipe = "rtn",
                         PackedLayout layout = PackedLayout::QServe) {
  Settings out{scheme_named(scheme), GroupRule::Nearest, layout, {}};
  out.recipe = transform::read_recipe(recipe, out.format());
  return out;
}

/// A model and a place for results, gone with the test.
struct QuantizerTest : qoq::test::ScratchFolder {
  fs::path model_folder = folder / "model", out = folder / "out";
  llama::Model model;
  Listener listener;

  explicit QuantizerTest(llama::Family family = llama::Family::Llama)
      : model(write_small_model(model_folder, family)) {}
  Request request(const Settings& with) const { return {model_folder, out, {}, with, "test 1", 2}; }
  Outcome run(const Settings& with) { return quantize(request(with), listener); }

  /// Names and bytes of all files.
  static std::map<std::string, std::string> contents(const fs::path& of) {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::directory_iterator(of)) all[entry.path().filename()] = read_file(entry.path());
    return all;
  }
};

}  // namespace qoq::quantize::test
