#pragma once
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/base/random.h"
#include "kernels/checkpoint/safetensors_header.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "kernels/llama/tensor_names.h"

namespace qoq::quantize::test {

/// Random fp16 bits of sizes 2^-8 … 2^-6, either sign.
inline std::vector<std::byte> random_halves(size_t count, uint64_t seed) {
  return Random(seed).bytes<std::byte>(2 * count, [high = false](uint8_t byte) mutable {
    high = !high;
    return static_cast<std::byte>(high ? byte : (byte & 0x80) | (0x1c + (byte & 7)));
  });
}

inline std::vector<std::byte> ones(size_t count) {
  std::vector<std::byte> bytes(2 * count);
  for (size_t i = 0; i < count; ++i) bytes[2 * i + 1] = std::byte{0x3c};
  return bytes;
}

/// Writes a Llama folder in fp16, a shard a layer, whose layers all have the same random weights and gains of one: as
/// large as is wanted, in the memory of one matrix.
inline void write_repeated_model(const std::filesystem::path& folder, const llama::Config& c) {
  std::filesystem::create_directories(folder);
  nlohmann::json map = nlohmann::json::object();
  llama::Layer empty_layer;
  llama::Ends empty_ends;
  for (int index = 0; index <= c.layers; ++index) {
    std::vector<TensorDeclaration> tensors;
    const auto matrix = [&](const std::string& name, const auto&, int rows, int cols) {
      tensors.push_back({name, DType::F16, {static_cast<uint64_t>(rows), static_cast<uint64_t>(cols)}});
    };
    const auto vector = [&](const std::string& name, const auto&, int count) {
      tensors.push_back({name, DType::F16, {static_cast<uint64_t>(count)}});
    };
    if (index < c.layers) {
      llama::each_layer_tensor(c, empty_layer, index, matrix, vector);
    } else {
      llama::each_end_tensor(c, empty_ends, matrix, vector);
    }
    const std::string file = "shard-" + std::to_string(index) + ".safetensors";
    SafetensorsWriter writer(folder / file, tensors);
    for (const TensorDeclaration& tensor : tensors) {
      const size_t count = *tensor_bytes(tensor.dtype, tensor.shape) / 2;
      writer.write(tensor.name, tensor.shape.size() == 1 ? ones(count) : random_halves(count, tensors.size()));
      map[tensor.name] = file;
    }
    writer.finish();
  }
  std::ofstream(folder / "model.safetensors.index.json") << nlohmann::json{{"weight_map", map}};
  std::ofstream(folder / "config.json") << nlohmann::json{{"architectures", {"LlamaForCausalLM"}},
                                                          {"model_type", "llama"},
                                                          {"hidden_act", "silu"},
                                                          {"hidden_size", c.hidden},
                                                          {"intermediate_size", c.intermediate},
                                                          {"num_hidden_layers", c.layers},
                                                          {"num_attention_heads", c.heads},
                                                          {"num_key_value_heads", c.kv_heads},
                                                          {"head_dim", c.head_dim},
                                                          {"vocab_size", c.vocab},
                                                          {"max_position_embeddings", 4096},
                                                          {"rms_norm_eps", 1e-5},
                                                          {"rope_theta", 10000.0},
                                                          {"tie_word_embeddings", c.tied}};
}

/// Parameters of one layer's matrices.
inline uint64_t layer_weights(const llama::Config& c) {
  return static_cast<uint64_t>(c.hidden) *
         static_cast<uint64_t>(2 * c.q_width() + 2 * c.kv_width() + 3 * c.intermediate);
}

}  // namespace qoq::quantize::test
