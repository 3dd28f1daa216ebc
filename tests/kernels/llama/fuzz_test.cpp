// Mutations of config.json and of calibration files: a model and its activations, or one sentence.
#include <filesystem>
#include <fstream>

#include "kernels/llama/calibration.h"
#include "kernels/llama/read.h"
#include "kernels/llama/write.h"
#include "tests/kernels/checkpoint/fuzzing.h"
#include "tests/kernels/checkpoint/scratch_folder.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::llama {
namespace {

/// A share of the checkpoint room's seconds: there are two searches here and six there.
double seconds() { return qoq::test::fuzz_seconds(6); }

struct LlamaFuzz : qoq::test::ScratchFolder {
  /// A new file each time: one that is cut to nothing and written again is synced by file systems.
  std::filesystem::path put_quickly(const std::string& name, std::string_view text) const {
    std::filesystem::remove(folder / name);
    std::ofstream(folder / name, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
    return folder / name;
  }
};

/// The weights stay those of one small model: what a config.json says of them is true or a sentence.
TEST_F(LlamaFuzz, SearchConfig) {
  std::vector<std::string> corpus;
  for (const Family family : {Family::Llama, Family::Mistral, Family::Qwen3, Family::Qwen2}) {
    write_model(test::tiny_model(test::tiny_config(family), 1), folder, DType::BF16, 1);
    corpus.push_back(read_file(folder / "config.json"));
  }
  qoq::test::fuzz(corpus, seconds(), [&](const std::string& text) {
    put_quickly("config.json", text);
    read_model(folder);
  });
}

TEST_F(LlamaFuzz, SearchCalibration) {
  const Config config = test::tiny_config(Family::Llama);
  std::vector<LayerActivations> layers(static_cast<size_t>(config.layers));
  for (LayerActivations& layer : layers) {
    layer.attention_input = Matrix(2, config.hidden);
    layer.keys = Matrix(2, config.kv_width());
    layer.down_input = Matrix(2, config.intermediate);
  }
  write_calibration(folder / "whole", layers, DType::F16);
  qoq::test::fuzz({read_file(folder / "whole")}, seconds(), [&](const std::string& text) {
    const Calibration calibration = Calibration::open(put_quickly("calibration.safetensors", text), config);
    for (int layer = 0; layer < config.layers; ++layer) calibration.layer(layer);
  });
}

}  // namespace
}  // namespace qoq::llama
