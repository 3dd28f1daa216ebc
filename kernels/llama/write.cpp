#include "kernels/llama/write.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "kernels/llama/tensor_names.h"

namespace qoq::llama {

namespace {

using nlohmann::json;

struct Entry {
  TensorDeclaration declaration;
  const std::vector<float>* values = nullptr;
};

std::vector<Entry> list_tensors(const Model& model, DType dtype) {
  std::vector<Entry> entries;
  const auto matrix = [&](const std::string& name, const Matrix& m, int rows, int cols) {
    if (m.rows != rows || m.cols != cols)
      fail("{} is {} × {}, its config makes it {} × {}", name, m.rows, m.cols, rows, cols);
    entries.push_back({{name, dtype, {static_cast<uint64_t>(rows), static_cast<uint64_t>(cols)}}, &m.values});
  };
  const auto vector = [&](const std::string& name, const std::vector<float>& v, int count) {
    if (v.size() != static_cast<size_t>(count)) fail("{} has {} values, its config makes it {}", name, v.size(), count);
    entries.push_back({{name, dtype, {static_cast<uint64_t>(count)}}, &v});
  };
  for (size_t i = 0; i < model.layers.size(); ++i)
    each_layer_tensor(model.config, model.layers[i], static_cast<int>(i), matrix, vector);
  each_end_tensor(model.config, model.ends, matrix, vector);
  return entries;
}

void write_shard(const std::filesystem::path& path, std::span<const Entry> entries, DType dtype) {
  std::vector<TensorDeclaration> declarations;
  for (const Entry& entry : entries) declarations.push_back(entry.declaration);
  SafetensorsWriter writer(path, declarations, {{"format", "pt"}});
  for (const Entry& entry : entries) writer.write(entry.declaration.name, write_floats(*entry.values, dtype));
  writer.finish();
}

std::string architecture(Family family) {
  switch (family) {
    case Family::Llama:
      return "LlamaForCausalLM";
    case Family::Mistral:
      return "MistralForCausalLM";
    case Family::Qwen2:
      return "Qwen2ForCausalLM";
    case Family::Qwen3:
      return "Qwen3ForCausalLM";
  }
  return "";
}

std::string config_text(const Config& c, DType dtype) {
  const bool window = c.window > 0;
  json out{{"architectures", {architecture(c.family)}},
           {"model_type", family_name(c.family)},
           {"hidden_size", c.hidden},
           {"intermediate_size", c.intermediate},
           {"num_hidden_layers", c.layers},
           {"num_attention_heads", c.heads},
           {"num_key_value_heads", c.kv_heads},
           {"head_dim", c.head_dim},
           {"vocab_size", c.vocab},
           {"hidden_act", "silu"},
           {"rms_norm_eps", c.norm_epsilon},
           {"rope_theta", c.rope_theta},
           {"tie_word_embeddings", c.tied},
           {"use_sliding_window", window},
           {"sliding_window", window ? json(c.window) : json(nullptr)},
           {"rope_scaling", c.rope_scaling.empty() ? json(nullptr) : json::parse(c.rope_scaling)},
           {"torch_dtype", dtype == DType::F16    ? "float16"
                           : dtype == DType::BF16 ? "bfloat16"
                                                  : "float32"}};
  return out.dump(2) + "\n";
}

}  // namespace

void write_model(const Model& model, const std::filesystem::path& folder, DType dtype, int shards) {
  const std::vector<Entry> entries = list_tensors(model, dtype);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("{}: cannot be made: {}", folder.string(), error.message());
  const size_t count = std::clamp<size_t>(static_cast<size_t>(std::max(shards, 1)), 1, entries.size());
  json index{{"metadata", json::object()}, {"weight_map", json::object()}};
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t first = entries.size() * i / count, last = entries.size() * (i + 1) / count;
    const std::string file =
        count == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, count);
    const auto shard = std::span(entries).subspan(first, last - first);
    write_shard(folder / file, shard, dtype);
    for (const Entry& entry : shard) {
      index["weight_map"][entry.declaration.name] = file;
      bytes += entry.values->size() * element_bytes(dtype);
    }
  }
  index["metadata"]["total_size"] = bytes;
  if (count > 1) write_file_atomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
  write_file_atomically(folder / "config.json", config_text(model.config, dtype));
}

}  // namespace qoq::llama
