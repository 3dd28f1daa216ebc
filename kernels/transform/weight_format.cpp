#include "kernels/transform/weight_format.h"

#include "kernels/base/error.h"

namespace qoq::transform {

std::vector<float> quantised_row(std::span<const float> row, const WeightFormat& format) {
  const int k = static_cast<int>(row.size());
  try {
    if (format.group == 0) {
      return dequantize(quantize_channels(row, 1, k, format.rule == GroupRule::LeastError, 1), 1, k);
    }
    return dequantize(quantize_groups(row, 1, k, format.group, format.rule, 1), 1, k);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace qoq::transform
