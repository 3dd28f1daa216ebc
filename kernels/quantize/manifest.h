#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qoq::quantize {

/// One file of a result.
struct FileEntry {
  std::string name;
  uint64_t bytes = 0;
  std::string digest;  ///< of what it holds: a packed file's own digest, kernels/base/digest of another's bytes
  bool operator==(const FileEntry&) const = default;
};

/// What was said of one layer.
struct LayerEntry {
  /// Relative error of the transformed layer's fp32 function, before anything was clipped or quantised.
  double proof = 0;
  std::vector<std::string> chosen;
  bool operator==(const LayerEntry&) const = default;
};

/// quantization.json: what a result is and what it was made from. It is written last: a folder without it is no whole
/// result.
struct Manifest {
  std::string producer;     ///< "qoqtune 0.1.0"
  std::string scheme;       ///< "w4a8-g128"
  std::string rule;         ///< "nearest": how groups' second level was chosen
  std::string layout;       ///< "qserve"
  std::string recipe;       ///< kernels/transform/recipe's text
  std::string source;       ///< digest of the model's pieces
  std::string calibration;  ///< digest of what was used of the calibration; empty: none, choices by weights alone
  uint64_t parameters = 0;  ///< of the model
  std::vector<FileEntry> files;
  std::vector<LayerEntry> layers;

  uint64_t bytes() const;
  uint64_t fp16_bytes() const { return 2 * parameters; }
  bool operator==(const Manifest&) const = default;
};

std::string write_manifest(const Manifest& manifest);
/// Throws Fault::Input: no such file, no manifest, a newer version, a key that is missing or not known.
Manifest read_manifest(const std::filesystem::path& path);

}  // namespace qoq::quantize
