#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kernels/llama/calibration.h"
#include "kernels/quantize/settings.h"
#include "kernels/quantize/source.h"

namespace qoq::quantize {

/// The recorded activations of a model, read a layer at a time; or none.
class CalibrationSource {
 public:
  /// Nothing: transforms choose by weights alone. Throws Fault::Input where the file is bad or is another model's.
  CalibrationSource(const std::optional<std::filesystem::path>& file, const llama::Config& config);

  bool given() const { return calibration_.has_value(); }
  /// Empty matrices without a file.
  llama::LayerActivations layer(int index) const;
  /// What the file lacks of the model's layers, in one clause: "the calibration has no keys of layers 1 to 3"; empty
  /// when it lacks nothing, or there is no file. `inputs_only`: of the linears' inputs. Throws Fault::Input for a file
  /// that records no layer at all.
  std::string lacking(int layers, bool inputs_only = false) const;
  /// Of everything that is recorded of the layer; empty without a file.
  std::string layer_digest(int index) const;

 private:
  std::string file_;
  std::optional<llama::Calibration> calibration_;
};

/// A layer ready to be quantised, with what was recorded of its activations as the transformed layer sees them.
struct PreparedLayer {
  llama::Layer layer;
  llama::LayerActivations activations;
  llama::LayerActivations held_out;  ///< other tokens, which nothing was chosen by; usually empty
  double proof = 0;                  ///< relative error of the fp32 function, transformed against read
  std::vector<std::string> chosen;   ///< what the transforms chose, a sentence each
};

/// The most that the transforms may change a layer's fp32 function, relative to its output.
inline constexpr double most_proof = 1e-4;

/// Two parts of one layer's recorded tokens: the first three quarters, to choose by, and the rest, to judge on.
struct SplitActivations {
  llama::LayerActivations chosen_by, judged_on;
};
SplitActivations split(const llama::LayerActivations& activations);

/// Reads the layer and applies the recipe's transforms that keep its function, and proves that they do. Throws
/// Fault::Work when they do not (a defect here, or weights beyond what fp32 resolves).
PreparedLayer prepare_layer(const ModelSource& source, const CalibrationSource& calibration, const Settings& settings,
                            int index, int threads);
/// The same from given activations.
PreparedLayer prepare_layer(const ModelSource& source, SplitActivations activations, const Settings& settings,
                            int index, int threads);
/// Clipping, which does not keep it.
void clip_layer(const ModelSource& source, const Settings& settings, PreparedLayer& prepared, int threads);

}  // namespace qoq::quantize
