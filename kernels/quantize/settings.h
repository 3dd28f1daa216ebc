#pragma once
#include <filesystem>
#include <string>

#include "kernels/checkpoint/packed.h"
#include "kernels/quantize/scheme.h"
#include "kernels/transform/recipe.h"

namespace qoq::quantize {

/// Everything but the model and its calibration that decides the bytes of the result.
struct Settings {
  Scheme scheme;
  GroupRule rule = GroupRule::Nearest;
  PackedLayout layout = PackedLayout::QServe;
  transform::Recipe recipe;

  transform::WeightFormat format() const { return {scheme.group, rule}; }
  PackedFormat packed() const { return {std::string(scheme.name), layout}; }
};

/// The canonical text, which packed files carry: equal texts mean equal results of equal sources. It begins with the
/// version of the quantizer's arithmetic, which rises with every change of what it would write.
std::string settings_text(const Settings& settings);

}  // namespace qoq::quantize
