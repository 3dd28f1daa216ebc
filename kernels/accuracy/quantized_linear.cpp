#include "kernels/accuracy/quantized_linear.h"

#include <algorithm>

#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"
#include "kernels/gemm/reference.h"
#include "kernels/llama/product.h"
#include "kernels/qoq/activation.h"
#include "kernels/quantize/scheme.h"

namespace qoq::accuracy {

namespace {

float to_half_and_back(float x) { return half_to_float(float_to_half(x)); }

/// What the tensor cores multiply.
std::vector<int8_t> codes_as_int8(const LinearWeights& weights, int group) {
  if (const auto* groups = std::get_if<GroupWeights>(&weights.form))
    return reconstruct_int8(groups->q4, groups->metadata, weights.n, weights.k, group);
  const auto& q4 = std::get<ChannelWeights>(weights.form).q4;
  return {q4.begin(), q4.end()};
}

}  // namespace

QuantizedLinear::QuantizedLinear(std::string_view name, const llama::Matrix& w, std::vector<float> bias,
                                 const transform::WeightFormat& format, const Numerics& numerics, int threads)
    : numerics_(numerics), bias_(std::move(bias)) {
  for (float& x : bias_) x = to_half_and_back(x);
  if (numerics.weights) weights_ = quantize::quantize_linear(format, name, w, threads);
  if (numerics.weights && numerics.activations) {
    w8_ = codes_as_int8(weights_, format.group);
    return;
  }
  stands_for_ = w;
  if (numerics.weights) stands_for_.values = quantize::dequantize(weights_);
}

llama::Matrix QuantizedLinear::multiply_integers(const llama::Matrix& x, int threads) const {
  const TokenActivations a = quantize_tokens(x.values, x.rows, x.cols);
  const auto* channels = std::get_if<ChannelWeights>(&weights_.form);
  const std::vector<uint16_t>& s1 = channels != nullptr ? channels->s1 : std::get<GroupWeights>(weights_.form).s1;
  const auto n = static_cast<size_t>(weights_.n), k = static_cast<size_t>(weights_.k);
  constexpr size_t columns = 16;  // of one piece of work: their weights stay in the cache
  llama::Matrix y(x.rows, weights_.n);
  run_parallel((n + columns - 1) / columns, threads, [&](size_t block) {
    for (size_t row = 0; row < static_cast<size_t>(x.rows); ++row) {
      const float sx = half_to_float(a.sx[row]);
      float* out = y.row(static_cast<int>(row));
      for (size_t column = block * columns; column < std::min(n, (block + 1) * columns); ++column) {
        const int32_t sum = gemm::dot(a.q.data() + row * k, w8_.data() + column * k, weights_.k);
        float value = static_cast<float>(sum) * (half_to_float(s1[column]) * sx);
        if (channels != nullptr) value = value - half_to_float(channels->szero[column]) * a.token_sum[row];
        if (!bias_.empty()) value = value + bias_[column];
        out[column] = to_half_and_back(value);
      }
    }
  });
  return y;
}

llama::Matrix QuantizedLinear::multiply(const llama::Matrix& x, int threads) const {
  if (!w8_.empty()) return multiply_integers(x, threads);
  llama::Matrix y;
  if (numerics_.activations) {
    const TokenActivations a = quantize_tokens(x.values, x.rows, x.cols);
    llama::Matrix rounded(x.rows, x.cols);
    for (int row = 0; row < x.rows; ++row) {
      const size_t first = static_cast<size_t>(row) * static_cast<size_t>(x.cols);
      for (size_t i = first; i < first + static_cast<size_t>(x.cols); ++i)
        rounded.values[i] = static_cast<float>(a.q[i]) * half_to_float(a.sx[static_cast<size_t>(row)]);
    }
    y = llama::multiply(rounded, stands_for_, bias_, threads);
  } else {
    y = llama::multiply(x, stands_for_, bias_, threads);
  }
  for (float& value : y.values) value = to_half_and_back(value);
  return y;
}

}  // namespace qoq::accuracy
