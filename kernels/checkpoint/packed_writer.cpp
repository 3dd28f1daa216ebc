#include <cstring>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/checkpoint/packed_content.h"

namespace qoq {

namespace {

/// A tensor on its way into the file: packed here, or the caller's bytes.
struct Piece {
  TensorDeclaration declaration;
  std::vector<uint8_t> packed;
  std::span<const std::byte> bytes;
};

using Pieces = std::map<std::string, Piece>;

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

void add_piece(Pieces& pieces, const std::string& file, Piece piece) {
  const std::string name = piece.declaration.name;
  if (!pieces.emplace(name, std::move(piece)).second)
    bad_input("{}: tensor {}: the name is taken", file, in_quotes(name));
}

/// The bytes of linear_tensors, in its order.
std::vector<Piece> pack(const PackedFormat& format, const LinearWeights& weights) {
  std::vector<Piece> pieces;
  const auto keep = [&](auto packed) {
    Piece piece;
    piece.packed = std::move(packed);
    piece.bytes = bytes_of(piece.packed);
    pieces.push_back(std::move(piece));
  };
  const auto refer = [&](const auto& values) { pieces.push_back({{}, {}, bytes_of(values)}); };
  const auto metadata = [&](std::span<const int8_t> values) {
    const std::vector<int8_t> packed = pack_qserve_metadata(values, weights.n);
    keep(std::vector<uint8_t>(packed.begin(), packed.end()));
  };
  if (const auto* groups = std::get_if<GroupWeights>(&weights.form)) {
    keep(pack_qserve_weights(groups->q4, weights.n, weights.k));
    refer(groups->s1);
    if (format.layout == PackedLayout::Fragment) {
      keep(pack_fragment_metadata(groups->metadata, weights.n));
    } else {
      metadata(groups->metadata.scale);
      metadata(groups->metadata.offset);
    }
  } else {
    const auto& channels = std::get<ChannelWeights>(weights.form);
    keep(pack_qserve_weights(channels.q4, weights.n, weights.k));
    refer(channels.s1);
    refer(channels.szero);
  }
  return pieces;
}

void add_linear(Pieces& pieces, const std::string& file, const PackedFormat& format, const std::string& name,
                const LinearWeights& weights) {
  check_weights(fmt::format("{}: linear {}", file, in_quotes(name)), format, weights);
  std::vector<TensorDeclaration> declarations = linear_tensors(format, name, weights.n, weights.k);
  std::vector<Piece> packed = pack(format, weights);
  for (size_t i = 0; i < packed.size(); ++i) {
    packed[i].declaration = std::move(declarations[i]);
    add_piece(pieces, file, std::move(packed[i]));
  }
}

void add_plain(Pieces& pieces, const std::string& file, const std::string& name, const PlainTensor& tensor) {
  const auto size = tensor_bytes(tensor.dtype, tensor.shape);
  if (!size || *size != tensor.bytes.size()) {
    bad_input("{}: tensor {}: {} bytes do not fill its shape", file, in_quotes(name), tensor.bytes.size());
  }
  add_piece(pieces, file, {{name, tensor.dtype, tensor.shape}, {}, tensor.bytes});
}

}  // namespace

void write_packed(const std::filesystem::path& path, const PackedFormat& format,
                  const std::map<std::string, LinearWeights>& linears, const std::map<std::string, PlainTensor>& plain,
                  const std::map<std::string, std::string>& notes) {
  const std::string file = path.string();
  PackedContent content{format, {}, notes};
  Pieces pieces;
  for (const auto& [name, weights] : linears) {
    add_linear(pieces, file, format, name, weights);
    content.linears[name] = {weights.n, weights.k};
  }
  for (const auto& [name, tensor] : plain) add_plain(pieces, file, name, tensor);

  std::map<std::string, std::string> metadata = content.metadata();
  ContentDigest digest(metadata);
  std::vector<TensorDeclaration> declarations;
  for (const auto& [name, piece] : pieces) {
    digest.begin_tensor(name, piece.declaration.dtype, piece.declaration.shape);
    digest.add(piece.bytes);
    declarations.push_back(piece.declaration);
  }
  metadata["digest"] = digest.text();
  SafetensorsWriter writer(path, declarations, metadata);
  for (const auto& [name, piece] : pieces) writer.write(name, piece.bytes);
  writer.finish();
}

}  // namespace qoq
