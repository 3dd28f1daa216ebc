#include "kernels/checkpoint/packed.h"

#include <algorithm>
#include <set>

#include "kernels/base/error.h"
#include "kernels/checkpoint/channel_zero.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/checkpoint/packed_content.h"

namespace qoq {

namespace {

/// Bytes digested at a time.
constexpr size_t block_bytes = 1 << 20;

std::string digest_of(const Safetensors& tensors) {
  ContentDigest digest(tensors.metadata());
  std::vector<std::byte> block(block_bytes);
  for (const std::string& name : tensors.names()) {
    const Tensor& tensor = tensors.tensor(name);
    digest.begin_tensor(name, tensor.dtype, tensor.shape);
    for (size_t first = 0; first < tensor.bytes.size(); first += block_bytes) {
      const auto part = std::span(block).first(std::min(block_bytes, tensor.bytes.size() - first));
      read_bytes(tensor, first, part);
      digest.add(part);
    }
  }
  return digest.text();
}

}  // namespace

PackedFile PackedFile::open(const std::filesystem::path& path) { return PackedFile(Safetensors::open(path)); }

PackedFile::PackedFile(Safetensors tensors) : tensors_(std::move(tensors)) {
  PackedContent content = PackedContent::parse(file(), tensors_.metadata());
  format_ = content.format;
  notes_ = std::move(content.notes);
  std::set<std::string, std::less<>> of_linears;
  for (const auto& [name, shape] : content.linears) {
    for (const TensorDeclaration& expected : linear_tensors(format_, name, shape.n, shape.k)) {
      const Tensor& found = tensors_.tensor(expected.name);
      if (found.dtype != expected.dtype || found.shape != expected.shape) {
        bad_input("{}: is {} [{}], its linear's shape asks for {} [{}]", place_of(found), dtype_name(found.dtype),
                  fmt::join(found.shape, ", "), dtype_name(expected.dtype), fmt::join(expected.shape, ", "));
      }
      if (!of_linears.insert(expected.name).second) bad_input("{}: is of two linears", place_of(found));
    }
    linears_.emplace(name, Shape{shape.n, shape.k});
  }
  for (const std::string& name : tensors_.names()) {
    if (!of_linears.contains(name)) plain_.push_back(name);
  }
  digest_ = digest_of(tensors_);
  if (digest_ != tensors_.metadata().at("digest")) {
    bad_input("{}: its content is not what was written: its digest is {}, the metadata says {}", file(), digest_,
              in_quotes(tensors_.metadata().at("digest")));
  }
}

std::vector<std::string> PackedFile::linears() const {
  std::vector<std::string> names;
  for (const auto& [name, shape] : linears_) names.push_back(name);
  return names;
}

LinearWeights PackedFile::linear(std::string_view name) const {
  const auto found = linears_.find(name);
  if (found == linears_.end()) bad_input("{}: has no linear {}", file(), in_quotes(name));
  const auto [n, k] = found->second;
  const auto part = [&](const char* suffix) -> const Tensor& { return tensor(found->first + suffix); };
  LinearWeights weights{n, k, {}};
  std::vector<uint8_t> codes = unpack_qserve_weights(read_values<uint8_t>(part(".qweight")), n, k);
  std::vector<uint16_t> s1 = read_values<uint16_t>(part(".s1_scales"));
  if (const int group = format_.group(); group == 0) {
    std::vector<uint16_t> szero = read_values<uint16_t>(part(".s1_szeros"));
    std::vector<uint8_t> zero(szero.size());
    for (size_t row = 0; row < zero.size(); ++row) zero[row] = channel_zero(szero[row], s1[row]);
    weights.form = ChannelWeights{std::move(codes), std::move(zero), std::move(s1), std::move(szero)};
  } else if (format_.layout == PackedLayout::Fragment) {
    GroupMetadata metadata = unpack_fragment_metadata(read_values<uint8_t>(part(".s2_metadata")), n);
    weights.form = GroupWeights{group, std::move(codes), std::move(metadata), std::move(s1)};
  } else {
    GroupMetadata metadata{unpack_qserve_metadata(read_values<int8_t>(part(".s2_scales")), n),
                           unpack_qserve_metadata(read_values<int8_t>(part(".s2_zeros")), n)};
    weights.form = GroupWeights{group, std::move(codes), std::move(metadata), std::move(s1)};
  }
  check_weights(fmt::format("{}: linear {}", file(), in_quotes(name)), format_, weights);
  return weights;
}

std::vector<float> PackedFile::floats(std::string_view name) const {
  if (!std::binary_search(plain_.begin(), plain_.end(), name, std::less<>{})) {
    bad_input("{}: has no plain tensor {}", file(), in_quotes(name));
  }
  return read_floats(tensor(name));
}

}  // namespace qoq
