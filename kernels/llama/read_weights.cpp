#include <fmt/ranges.h>

#include <set>

#include "kernels/base/error.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/llama/read.h"
#include "kernels/llama/tensor_names.h"

namespace qoq::llama {

namespace {

const Tensor& checked(const Checkpoint& checkpoint, const std::string& name, const std::vector<uint64_t>& shape) {
  const Tensor& tensor = checkpoint.tensor(name);
  if (tensor.shape != shape) {
    bad_input("tensor {}: its shape is [{}], config.json makes it [{}]", name, fmt::join(tensor.shape, ", "),
              fmt::join(shape, ", "));
  }
  return tensor;
}

/// Old checkpoints hold RoPE's frequencies.
bool follows_from_config(const std::string& name) { return name.ends_with("rotary_emb.inv_freq"); }

/// Reads tensors into members, and remembers which were read.
struct Reader {
  const Checkpoint& checkpoint;
  std::set<std::string, std::less<>> names;

  auto matrix() {
    return [this](const std::string& name, Matrix& into, int rows, int cols) {
      names.insert(name);
      const Tensor& tensor = checked(checkpoint, name, {static_cast<uint64_t>(rows), static_cast<uint64_t>(cols)});
      into = Matrix(rows, cols);
      read_floats(tensor, into.values);
    };
  }
  auto vector() {
    return [this](const std::string& name, std::vector<float>& into, int count) {
      names.insert(name);
      into = read_floats(checked(checkpoint, name, {static_cast<uint64_t>(count)}));
    };
  }
};

}  // namespace

void check_tensors(const Checkpoint& checkpoint, const Config& config) {
  std::set<std::string, std::less<>> names;
  const auto matrix = [&](const std::string& name, const Matrix&, int rows, int cols) {
    names.insert(name);
    checked(checkpoint, name, {static_cast<uint64_t>(rows), static_cast<uint64_t>(cols)});
  };
  const auto vector = [&](const std::string& name, const std::vector<float>&, int count) {
    names.insert(name);
    checked(checkpoint, name, {static_cast<uint64_t>(count)});
  };
  const Layer layer;
  for (int i = 0; i < config.layers; ++i) each_layer_tensor(config, layer, i, matrix, vector);
  const Ends ends;
  each_end_tensor(config, ends, matrix, vector);
  for (const std::string& name : checkpoint.names()) {
    if (names.contains(name) || follows_from_config(name)) continue;
    if (config.tied && name == "lm_head.weight") continue;  // the embedding serves, whatever is stored
    bad_input("tensor {}: a {} model of {} layers has none of that name", name, family_name(config.family),
              config.layers);
  }
}

Layer read_layer(const Checkpoint& checkpoint, const Config& config, int layer) {
  Reader reader{checkpoint, {}};
  Layer out;
  each_layer_tensor(config, out, layer, reader.matrix(), reader.vector());
  const std::string prefix = layer_prefix(layer);
  for (const std::string& name : checkpoint.names()) {
    if (name.starts_with(prefix) && !reader.names.contains(name) && !follows_from_config(name))
      bad_input("tensor {}: a {} model has none of that name", name, family_name(config.family));
  }
  return out;
}

Ends read_ends(const Checkpoint& checkpoint, const Config& config) {
  Reader reader{checkpoint, {}};
  Ends out;
  each_end_tensor(config, out, reader.matrix(), reader.vector());
  return out;
}

Model read_model(const std::filesystem::path& folder) {
  Model model{read_config(folder), {}, {}};
  const Checkpoint checkpoint = Checkpoint::open(folder);
  check_tensors(checkpoint, model.config);
  model.ends = read_ends(checkpoint, model.config);
  for (int i = 0; i < model.config.layers; ++i) model.layers.push_back(read_layer(checkpoint, model.config, i));
  return model;
}

}  // namespace qoq::llama
