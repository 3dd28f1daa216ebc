#include "kernels/qoq/activation.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/qoq/rounding.h"

namespace qoq {

namespace {

constexpr float most_code = 127.0f;

/// Appends one token.
void quantize_token(std::span<const float> x, size_t token, TokenActivations& out) {
  float largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]))
      bad_input("activation m={} k={} is {}: only finite values can be quantised", token, i, x[i]);
    largest = std::max(largest, std::fabs(x[i]));
  }
  const uint16_t scale = float_to_half(largest / most_code);
  if (scale >= 0x7c00) bad_input("token m={} reaches {}: its scale exceeds fp16's 65504", token, largest);
  int32_t quantised_sum = 0;
  for (const float value : x) {
    const int32_t code = scale == 0 ? 0 : nearest_integer(value * most_code / largest);
    out.q.push_back(static_cast<int8_t>(std::clamp(code, -127, 127)));
    quantised_sum += out.q.back();
  }
  out.sx.push_back(scale == 0 ? uint16_t{1} : scale);
  out.token_sum.push_back(static_cast<float>(quantised_sum) * half_to_float(out.sx.back()));
  out.quantised_sum.push_back(quantised_sum);
}

}  // namespace

TokenActivations quantize_tokens(std::span<const float> x, int m, int k) {
  if (m <= 0 || k <= 0 || x.size() != static_cast<size_t>(m) * static_cast<size_t>(k)) {
    bad_input("activations of m={} k={} do not fit {} values", m, k, x.size());
  }
  TokenActivations out;
  out.q.reserve(x.size());
  for (size_t token = 0; token < static_cast<size_t>(m); ++token) {
    quantize_token(x.subspan(token * static_cast<size_t>(k), static_cast<size_t>(k)), token, out);
  }
  return out;
}

}  // namespace qoq
