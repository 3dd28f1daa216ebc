#include "kernels/quantize/piece.h"

#include <fmt/ranges.h>

#include <sstream>

#include "kernels/base/error.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/packed.h"
#include "kernels/quantize/linears.h"

namespace qoq::quantize {

namespace fs = std::filesystem;

namespace {

constexpr int rows_at_once = 1024;  // of the embedding and the head

using Plain = std::map<std::string, PlainTensor>;

void add_vector(Plain& plain, const std::string& name, const std::vector<float>& values) {
  if (!values.empty()) plain[name] = {DType::F32, {values.size()}, std::as_bytes(std::span(values))};
}

/// The embedding or the head as its file will hold it.
std::vector<std::byte> transformed_rows(const ModelSource& source, const Settings& settings, bool head, int threads) {
  const llama::Config& config = source.config();
  const DType dtype = source.ends_dtype();
  const size_t row_bytes = static_cast<size_t>(config.hidden) * element_bytes(dtype);
  std::vector<std::byte> bytes(static_cast<size_t>(config.vocab) * row_bytes);
  const std::vector<float> norm = source.final_norm();
  source.each_block(head, rows_at_once, [&](int first, llama::Matrix& block) {
    if (head) {
      transform::transform_head(settings.recipe, norm, block, threads);
    } else {
      transform::transform_embedding(settings.recipe, block, threads);
    }
    const auto part =
        std::span(bytes).subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(block.rows) * row_bytes);
    try {
      write_floats(block.values, dtype, part);
    } catch (const Error& error) {
      bad_input("the transformed {}, rows from {} on: {}", head ? "head" : "embedding", first, error.what());
    }
  });
  return bytes;
}

PlainTensor table(const ModelSource& source, std::span<const std::byte> bytes) {
  const llama::Config& config = source.config();
  return {source.ends_dtype(), {static_cast<uint64_t>(config.vocab), static_cast<uint64_t>(config.hidden)}, bytes};
}

const std::string& note(const PackedFile& file, const std::string& name) {
  const auto found = file.notes().find(name);
  if (found == file.notes().end())
    bad_input("{}: its note \"{}\" is missing: quantize did not write this file", file.file(), name);
  return found->second;
}

}  // namespace

std::map<std::string, std::string> piece_notes(const PieceIdentity& identity, const LayerEntry& layer) {
  return {{"piece", identity.piece},
          {"settings", identity.settings},
          {"source", identity.source},
          {"calibration", identity.calibration},
          {"proof", fmt::format("{}", layer.proof)},
          {"chosen", fmt::format("{}", fmt::join(layer.chosen, "\n"))}};
}

Piece read_piece(const fs::path& path) {
  const PackedFile file = PackedFile::open(path);
  Piece out;
  out.identity = {note(file, "piece"), note(file, "settings"), note(file, "source"), note(file, "calibration")};
  out.file = {path.filename(), fs::file_size(path), file.digest()};
  out.format = file.format();
  std::istringstream proof(note(file, "proof")), chosen(note(file, "chosen"));
  if (!(proof >> out.layer.proof)) bad_input("{}: its note \"proof\" is no number", file.file());
  for (std::string line; std::getline(chosen, line);) out.layer.chosen.push_back(line);
  return out;
}

std::optional<Piece> piece_if_whole(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  try {
    return read_piece(path);
  } catch (const Error& error) {
    if (error.fault() != Fault::Input) throw;  // a disk that fails is not written to
    return std::nullopt;
  }
}

uint64_t packed_bytes(const Scheme& scheme, int n, int k) {
  const uint64_t rows = static_cast<uint64_t>(n), columns = static_cast<uint64_t>(k);
  const uint64_t codes = rows * columns / 2, scales = 2 * rows;
  return codes + scales + (scheme.group > 0 ? 2 * rows * columns / static_cast<uint64_t>(scheme.group) : 2 * rows);
}

bool stores_head(const Settings& settings, const llama::Config& config) {
  return !config.tied || settings.recipe.rotate;
}

void write_layer(const fs::path& path, const Settings& settings, const llama::Config& config, PreparedLayer prepared,
                 const PieceIdentity& identity, int threads) {
  prepared.activations = {};
  std::map<std::string, LinearWeights> linears;
  for (const std::string_view name : linear_names) {
    const llama::Matrix w = take_fused(prepared.layer, name);
    linears[std::string(name)] =
        quantize_linear(settings.format(), fmt::format("{}, {}", identity.piece, name), w, threads);
  }
  const std::vector<float> bias = fused_bias(config, prepared.layer);
  Plain plain;
  add_vector(plain, "qkv.bias", bias);
  add_vector(plain, "attention_norm", prepared.layer.attention_norm);
  add_vector(plain, "ffn_norm", prepared.layer.ffn_norm);
  add_vector(plain, "q_norm", prepared.layer.q_norm);
  add_vector(plain, "k_norm", prepared.layer.k_norm);
  write_packed(path, settings.packed(), linears, plain, piece_notes(identity, {prepared.proof, prepared.chosen}));
}

void write_embedding(const fs::path& path, const Settings& settings, const ModelSource& source,
                     const PieceIdentity& identity, int threads) {
  const std::vector<std::byte> bytes = transformed_rows(source, settings, false, threads);
  write_packed(path, settings.packed(), {}, {{"embedding", table(source, bytes)}}, piece_notes(identity, {}));
}

void write_head(const fs::path& path, const Settings& settings, const ModelSource& source,
                const PieceIdentity& identity, int threads) {
  std::vector<float> norm = source.final_norm();
  if (settings.recipe.rotate) std::fill(norm.begin(), norm.end(), 1.0F);  // its gain is in the head
  Plain plain;
  add_vector(plain, "final_norm", norm);
  std::vector<std::byte> bytes;
  if (stores_head(settings, source.config())) {
    bytes = transformed_rows(source, settings, true, threads);
    plain["head"] = table(source, bytes);
  }
  write_packed(path, settings.packed(), {}, plain, piece_notes(identity, {}));
}

}  // namespace qoq::quantize
