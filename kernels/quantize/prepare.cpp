#include "kernels/quantize/prepare.h"

#include "kernels/base/error.h"
#include "kernels/transform/proof.h"

namespace qoq::quantize {

CalibrationSource::CalibrationSource(const std::optional<std::filesystem::path>& file, const llama::Config& config) {
  if (file) calibration_ = llama::Calibration::open(*file, config);
}

llama::LayerActivations CalibrationSource::layer(int index) const {
  return calibration_ ? calibration_->layer(index) : llama::LayerActivations();
}

std::string CalibrationSource::layer_digest(int index) const {
  return calibration_ ? digest_tensors(calibration_->tensors(index)) : "";
}

PreparedLayer prepare_layer(const ModelSource& source, const CalibrationSource& calibration, const Settings& settings,
                            int index, int threads) {
  const llama::Config& config = source.config();
  PreparedLayer out;
  out.layer = source.layer(index);
  out.activations = calibration.layer(index);
  if (settings.recipe == transform::rtn_recipe()) return out;
  const transform::Proof proof(config, out.layer, 16, 1, threads);
  out.chosen =
      transform::transform_layer(settings.recipe, settings.format(), config, out.layer, out.activations, threads);
  out.proof = proof.difference(settings.recipe, out.layer);
  if (!(out.proof <= most_proof)) {
    fail("layer {}: the transforms change its fp32 function by {:.2g} of what it adds, at most {:.0e} is allowed",
         index, out.proof, most_proof);
  }
  return out;
}

void clip_layer(const ModelSource& source, const Settings& settings, PreparedLayer& prepared, int threads) {
  for (std::string& line : transform::clip_layer(settings.recipe, settings.format(), source.config(), prepared.layer,
                                                 prepared.activations, threads)) {
    prepared.chosen.push_back(std::move(line));
  }
}

}  // namespace qoq::quantize
