#include "kernels/quantize/source.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/llama/read.h"
#include "kernels/quantize/linears.h"

namespace qoq::quantize {

namespace fs = std::filesystem;

namespace {

constexpr const char* embedding_name = "model.embed_tokens.weight";
constexpr const char* head_name = "lm_head.weight";
constexpr const char* norm_name = "model.norm.weight";
constexpr std::string_view layers_prefix = "model.layers.";
constexpr size_t digested_at_once = size_t{1} << 20;

const Tensor& table(const Checkpoint& checkpoint, const llama::Config& config, const char* name) {
  const Tensor& tensor = checkpoint.tensor(name);
  const std::vector<uint64_t> expected{static_cast<uint64_t>(config.vocab), static_cast<uint64_t>(config.hidden)};
  if (tensor.shape != expected) {
    bad_input("{}: its shape is [{}], config.json makes it [{}]", name, fmt::join(tensor.shape, ", "),
              fmt::join(expected, ", "));
  }
  return tensor;
}

/// So many rows of a table as a tensor of their own.
Tensor rows_of(const Tensor& whole, int first, int count) {
  const size_t row_bytes = whole.bytes.size() / static_cast<size_t>(whole.shape[0]);
  Tensor part = whole;
  part.shape[0] = static_cast<uint64_t>(count);
  part.name = fmt::format("{}, rows from {} on", whole.name, first);
  part.bytes = whole.bytes.subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(count) * row_bytes);
  return part;
}

}  // namespace

std::string digest_tensors(const std::vector<const Tensor*>& tensors, std::string_view more) {
  std::string text(more), block;
  for (const Tensor* tensor : tensors) {
    text += fmt::format("\n{} {} [{}]", tensor->name, dtype_name(tensor->dtype), fmt::join(tensor->shape, ","));
    for (size_t offset = 0; offset < tensor->bytes.size(); offset += block.size()) {
      block.resize(std::min(digested_at_once, tensor->bytes.size() - offset));
      read_bytes(*tensor, offset, std::as_writable_bytes(std::span(block)));
      text.append(" ").append(digest(block));
    }
  }
  return digest(text);
}

ModelSource::ModelSource(const fs::path& folder, const Scheme& scheme)
    : folder_(folder), config_(llama::read_config(folder)), checkpoint_(Checkpoint::open(folder)) {
  for (const std::string_view name : linear_names) {
    const LinearShape shape = linear_shape(config_, name);
    check_shape(scheme, fmt::format("{}: {}", folder.string(), name), shape.n, shape.k);
  }
  llama::check_tensors(checkpoint_, config_);
  config_digest_ = digest(read_file(folder / "config.json"));
}

llama::Layer ModelSource::layer(int index) const { return llama::read_layer(checkpoint_, config_, index); }

std::vector<float> ModelSource::final_norm() const {
  const Tensor& tensor = checkpoint_.tensor(norm_name);
  if (tensor.shape != std::vector<uint64_t>{static_cast<uint64_t>(config_.hidden)})
    bad_input("{}: its shape is [{}], config.json makes it [{}]", norm_name, fmt::join(tensor.shape, ", "),
              config_.hidden);
  return read_floats(tensor);
}

void ModelSource::each_block(bool head, int rows,
                             const std::function<void(int first, llama::Matrix& block)>& take) const {
  const Tensor& whole = table(checkpoint_, config_, head && !config_.tied ? head_name : embedding_name);
  for (int first = 0; first < config_.vocab; first += rows) {
    llama::Matrix block(std::min(rows, config_.vocab - first), config_.hidden);
    read_floats(rows_of(whole, first, block.rows), block.values);
    take(first, block);
  }
}

DType ModelSource::ends_dtype() const { return checkpoint_.tensor(embedding_name).dtype; }

std::string ModelSource::piece_digest(std::optional<int> layer) const {
  const std::string prefix = layer ? fmt::format("{}{}.", layers_prefix, *layer) : "";
  std::vector<const Tensor*> tensors;
  for (const std::string& name : checkpoint_.names()) {
    if (layer ? name.starts_with(prefix) : !name.starts_with(layers_prefix))
      tensors.push_back(&checkpoint_.tensor(name));
  }
  return digest_tensors(tensors, config_digest_);
}

uint64_t ModelSource::layer_parameters() const {
  const auto size = [](int value) { return static_cast<uint64_t>(value); };
  uint64_t sum = 2 * size(config_.hidden);
  for (const std::string_view name : linear_names) {
    const LinearShape shape = linear_shape(config_, name);
    sum += size(shape.n) * size(shape.k);
  }
  if (config_.family == llama::Family::Qwen2) sum += size(config_.q_width() + 2 * config_.kv_width());
  if (config_.family == llama::Family::Qwen3) sum += 2 * size(config_.head_dim);
  return sum;
}

uint64_t ModelSource::ends_parameters() const {
  const uint64_t table = static_cast<uint64_t>(config_.vocab) * static_cast<uint64_t>(config_.hidden);
  return (config_.tied ? 1 : 2) * table + static_cast<uint64_t>(config_.hidden);
}

}  // namespace qoq::quantize
