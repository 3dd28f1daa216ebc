#pragma once
#include <string_view>
#include <vector>

#include "kernels/accuracy/numerics.h"
#include "kernels/llama/weights.h"
#include "kernels/qoq/linear.h"
#include "kernels/transform/weight_format.h"

namespace qoq::accuracy {

/// A linear layer as the kernels compute it: activations in int8 a token, weights in 4 bits, int32 sums, and the
/// epilogue of kernels/gemm/reference.h in its order, to fp16. Either side may stay in fp32 (numerics); the products
/// are then llama::multiply's, of what the other side's codes stand for.
class QuantizedLinear {
 public:
  /// `w` is [N][K]; `bias` [N] or empty, rounded to fp16. Throws Fault::Input for weights that cannot be quantised;
  /// `name` opens the message.
  QuantizedLinear(std::string_view name, const llama::Matrix& w, std::vector<float> bias,
                  const transform::WeightFormat& format, const Numerics& numerics, int threads);

  /// x is [M][K], the result [M][N]; the same bit for bit on any number of threads (0: one a core).
  llama::Matrix multiply(const llama::Matrix& x, int threads) const;

  const LinearWeights& weights() const { return weights_; }

 private:
  llama::Matrix multiply_integers(const llama::Matrix& x, int threads) const;

  Numerics numerics_;
  LinearWeights weights_;     ///< of 4-bit weights
  std::vector<int8_t> w8_;    ///< [N][K] what is multiplied with int8 activations: reconstructed, or raw codes
  llama::Matrix stands_for_;  ///< [N][K] fp32, where one side stays in fp32
  std::vector<float> bias_;
};

}  // namespace qoq::accuracy
