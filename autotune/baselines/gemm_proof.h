#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/family.h"

namespace qoq::baselines {

/// Formats of operands and outputs.
enum class Format { Int8, E4M3, BF16, F16, Int32 };
size_t bytes_of(Format format);

/// Random operands of y[m,n] = x[m,k] · w[n,k]^T, all row-major, and a sample of the right outputs.
///
/// int8 operands use the whole range −127 … 127, as our own cases do. e4m3 and bf16 operands are close to normal with
/// deviation 1, as activations and weights are: power, and so clocks, depend on the bits that toggle.
class GemmProof {
 public:
  GemmProof(Format operands, Format output, int m, int n, int k, uint64_t seed);

  const std::vector<std::byte>& x() const { return x_; }
  const std::vector<std::byte>& w() const { return w_; }
  /// The operands are no longer needed: they may be hundreds of megabytes.
  void drop_operands();

  size_t output_bytes() const;
  /// A byte whose repetition is no output: NaN, or a sum out of reach.
  uint8_t poison() const;
  /// Every element must have been written; the first, the last and 64 random ones must be right. `y` is the whole
  /// output. `tolerance`: 0 demands equality; else |y − reference| ≤ tolerance · (|reference| + √Σ(x·w)²), the second
  /// term being the size a sum of such products typically has.
  Check check(std::span<const std::byte> y, double tolerance) const;

 private:
  struct Element {
    size_t row, column;
    double value, scale;  ///< what is right; √Σ(x·w)²
  };
  Element element(size_t row, size_t column) const;

  Format operands_, output_;
  size_t m_, n_, k_;
  std::vector<std::byte> x_, w_;
  std::vector<Element> sample_;
};

}  // namespace qoq::baselines
