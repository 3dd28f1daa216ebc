#pragma once
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "kernels/quantize/manifest.h"
#include "kernels/quantize/settings.h"

namespace qoq::quantize {

struct Request {
  std::filesystem::path model;  ///< a Hugging Face folder
  std::filesystem::path out;
  std::optional<std::filesystem::path> calibration;
  Settings settings;
  std::string producer;  ///< "qoqtune 0.1.0"
  int threads = 0;       ///< 0: one a core
};

/// Hears how a run goes; every call may be ignored.
class Listener {
 public:
  virtual ~Listener() = default;
  /// `parameters` of the whole model.
  virtual void begin(uint64_t parameters) { (void)parameters; }
  /// "layer 3", "quantising".
  virtual void enter(const std::string& piece, std::string_view step) { (void)piece, (void)step; }
  /// A piece of so many parameters is written, or was there already (`kept`).
  virtual void finished(const std::string& piece, uint64_t parameters, bool kept) {
    (void)piece, (void)parameters, (void)kept;
  }
  /// What the transforms chose in a layer.
  virtual void chose(const std::string& line) { (void)line; }
  /// What the user should know of the whole run.
  virtual void note(const std::string& line) { (void)line; }
};

struct Outcome {
  bool stopped = false;  ///< by the token: the folder holds whole pieces, and the same request goes on from them
  int kept = 0;          ///< pieces that were there already
  int written = 0;
  Manifest manifest;  ///< of a whole result
};

/// The straight line from a checkpoint to packed files, a layer at a time: read, transform, prove, clip, fuse,
/// quantise, pack, write. A piece that an earlier run wrote with the same settings from the same bytes is kept. The
/// manifest is written last, and removed first where a piece will change.
/// Throws Fault::Input for a bad model, calibration or out folder, and for a finished result of other settings or
/// another source in it; Fault::Work when files cannot be written.
Outcome quantize(const Request& request, Listener& listener, const std::stop_token& stop = {});

}  // namespace qoq::quantize
