#pragma once
#include <map>
#include <optional>
#include <string>

#include "kernels/quantize/manifest.h"
#include "kernels/quantize/out_folder.h"
#include "kernels/quantize/prepare.h"

namespace qoq::quantize {

/// What a piece is made from; its file carries this, so that a later run can tell whether it still holds.
struct PieceIdentity {
  std::string piece;        ///< "layer 3", "embedding", "head"
  std::string settings;     ///< settings_text
  std::string source;       ///< digest of its bytes in the checkpoint, and of config.json
  std::string calibration;  ///< digest of what was recorded; empty: nothing
  bool operator==(const PieceIdentity&) const = default;
};

/// A piece of the result that is on disk.
struct Piece {
  PieceIdentity identity;
  FileEntry file;
  PackedFormat format;
  LayerEntry layer;  ///< of layers: what was said of it
};

/// The notes of a packed file.
std::map<std::string, std::string> piece_notes(const PieceIdentity& identity, const LayerEntry& layer);

/// Opens and checks a packed file of the result. Throws Fault::Input for what PackedFile refuses, and for notes that a
/// quantizer did not write.
Piece read_piece(const std::filesystem::path& path);

/// As read_piece, but nothing where there is no such file or it is damaged.
std::optional<Piece> piece_if_whole(const std::filesystem::path& path);

/// Bytes of one packed linear.
uint64_t packed_bytes(const Scheme& scheme, int n, int k);
/// Whether the result holds a head of its own: of an untied model, and where transforms make the two differ.
bool stores_head(const Settings& settings, const llama::Config& config);

/// Quantises the layer and writes it. The layer gives up its weights.
void write_layer(const std::filesystem::path& path, const Settings& settings, const llama::Config& config,
                 PreparedLayer prepared, const PieceIdentity& identity, int threads);

/// The embedding, transformed, in the checkpoint's own element type.
void write_embedding(const std::filesystem::path& path, const Settings& settings, const ModelSource& source,
                     const PieceIdentity& identity, int threads);
/// The final norm (F32) and the head; no head where the embedding serves.
void write_head(const std::filesystem::path& path, const Settings& settings, const ModelSource& source,
                const PieceIdentity& identity, int threads);

}  // namespace qoq::quantize
