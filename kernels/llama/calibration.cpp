#include "kernels/llama/calibration.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "kernels/base/error.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/checkpoint/safetensors_writer.h"

namespace qoq::llama {

namespace {

struct Part {
  const char* name;
  Matrix LayerActivations::*member;
  int (*width)(const Config&);
};

constexpr std::array parts{
    Part{"attention_input", &LayerActivations::attention_input, [](const Config& c) { return c.hidden; }},
    Part{"queries", &LayerActivations::queries, [](const Config& c) { return c.q_width(); }},
    Part{"keys", &LayerActivations::keys, [](const Config& c) { return c.kv_width(); }},
    Part{"output_input", &LayerActivations::output_input, [](const Config& c) { return c.q_width(); }},
    Part{"ffn_input", &LayerActivations::ffn_input, [](const Config& c) { return c.hidden; }},
    Part{"down_input", &LayerActivations::down_input, [](const Config& c) { return c.intermediate; }},
};

constexpr const char* positions_name = "positions";
constexpr std::string_view prefix = "layers.";

/// Beyond any recording, and so few that positions are ints.
constexpr uint64_t most_tokens = 1 << 24;

std::string tensor_name(int layer, const Part& part) { return fmt::format("{}{}.{}", prefix, layer, part.name); }

/// The part that a tensor is of, if its name is one of a layer below `layers`.
const Part* find_part(std::string_view name, int layers) {
  if (!name.starts_with(prefix)) return nullptr;
  const char* first = name.data() + prefix.size();
  const char* last = name.data() + name.size();
  int layer = 0;
  const auto read = std::from_chars(first, last, layer);
  if (read.ec != std::errc() || layer < 0 || layer >= layers) return nullptr;
  for (const Part& part : parts) {
    if (name == tensor_name(layer, part)) return &part;
  }
  return nullptr;
}

}  // namespace

Calibration Calibration::open(const std::filesystem::path& path, const Config& config) {
  Calibration calibration(Safetensors::open(path));
  for (const Tensor& tensor : calibration.file_.tensors()) calibration.check(tensor, config);
  if (calibration.tokens_ == 0) bad_input("{}: nothing is recorded in it", path.string());
  calibration.read_positions();
  return calibration;
}

void Calibration::check(const Tensor& tensor, const Config& config) {
  const std::string where = fmt::format("{}: tensor {}", file_.file(), in_quotes(tensor.name));
  const bool positions = tensor.name == positions_name;
  const Part* part = positions ? nullptr : find_part(tensor.name, config.layers);
  if (part == nullptr && !positions) {
    bad_input(
        "{}: expected positions, or layers.0 … layers.{} with attention_input, queries, keys, output_input, "
        "ffn_input or down_input",
        where, config.layers - 1);
  }
  std::vector<std::string> expected{tokens_ == 0 ? "T" : fmt::format("{}", tokens_)};
  if (part != nullptr) expected.push_back(fmt::format("{}", part->width(config)));
  const bool right_type = positions
                              ? tensor.dtype == DType::I32 || tensor.dtype == DType::I64
                              : tensor.dtype == DType::F32 || tensor.dtype == DType::F16 || tensor.dtype == DType::BF16;
  if (!right_type)
    bad_input("{}: its type is {}, expected {}", where, dtype_name(tensor.dtype),
              positions ? "I32 or I64" : "F32, F16 or BF16");
  const bool right = tensor.shape.size() == expected.size() && tensor.shape[0] > 0 && tensor.shape[0] <= most_tokens &&
                     (tokens_ == 0 || tensor.shape[0] == static_cast<uint64_t>(tokens_)) &&
                     (part == nullptr || tensor.shape[1] == static_cast<uint64_t>(part->width(config)));
  if (!right)
    bad_input("{}: its shape is [{}], expected [{}]", where, fmt::join(tensor.shape, ", "), fmt::join(expected, ", "));
  tokens_ = static_cast<int>(tensor.shape[0]);
}

void Calibration::read_positions() {
  const Tensor* tensor = file_.find(positions_name);
  if (tensor == nullptr) return;
  const size_t width = element_bytes(tensor->dtype);
  for (size_t i = 0; i < static_cast<size_t>(tokens_); ++i) {
    int64_t position = 0;
    if (width == 4) {
      int32_t narrow;
      std::memcpy(&narrow, tensor->bytes.data() + i * width, width);
      position = narrow;
    } else {
      std::memcpy(&position, tensor->bytes.data() + i * width, width);
    }
    if (position < 0 || position > static_cast<int64_t>(most_tokens))
      bad_input("{}: positions: element {} is {}, expected 0 to {}", file_.file(), i, position, most_tokens);
    positions_.push_back(static_cast<int>(position));
  }
}

LayerActivations Calibration::layer(int layer) const {
  LayerActivations out;
  for (const Part& part : parts) {
    const Tensor* tensor = file_.find(tensor_name(layer, part));
    if (tensor == nullptr) continue;
    Matrix& into = out.*part.member;
    into = Matrix(static_cast<int>(tensor->shape[0]), static_cast<int>(tensor->shape[1]));
    read_floats(*tensor, into.values);
  }
  out.positions = positions_;
  return out;
}

std::vector<const Tensor*> Calibration::tensors(int layer) const {
  std::vector<const Tensor*> found;
  for (const Part& part : parts) {
    if (const Tensor* tensor = file_.find(tensor_name(layer, part))) found.push_back(tensor);
  }
  if (const Tensor* positions = file_.find(positions_name)) found.push_back(positions);
  return found;
}

void write_calibration(const std::filesystem::path& path, const std::vector<LayerActivations>& layers, DType dtype) {
  std::vector<TensorDeclaration> declarations;
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const Part& part : parts) {
      const Matrix& m = layers[i].*part.member;
      if (!m.values.empty())
        declarations.push_back({tensor_name(static_cast<int>(i), part),
                                dtype,
                                {static_cast<uint64_t>(m.rows), static_cast<uint64_t>(m.cols)}});
    }
  }
  std::vector<int32_t> positions;
  if (!layers.empty()) positions.assign(layers[0].positions.begin(), layers[0].positions.end());
  if (!positions.empty()) declarations.push_back({positions_name, DType::I32, {positions.size()}});
  SafetensorsWriter writer(path, declarations);
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const Part& part : parts) {
      const Matrix& m = layers[i].*part.member;
      if (!m.values.empty()) writer.write(tensor_name(static_cast<int>(i), part), write_floats(m.values, dtype));
    }
  }
  if (!positions.empty()) writer.write(positions_name, std::as_bytes(std::span(positions)));
  writer.finish();
}

}  // namespace qoq::llama
