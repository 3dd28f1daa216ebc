#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qoq::transform {

/// How a Hadamard matrix is made from the quadratic residues of a finite field of q elements (R. Paley, "On orthogonal
/// matrices", 1933).
enum class Paley {
  One,  ///< order q + 1, q = 3 mod 4
  Two,  ///< order 2·(q + 1), q = 1 mod 4
};

/// A matrix that no doubling makes. Its order is 4 times an odd number.
struct HadamardBase {
  int order;
  Paley construction;
  int prime;   ///< the field has prime^degree elements
  int degree;  ///< 1 or 2
};

/// All that are known here, ascending. Times powers of two they make every multiple of 4 whose odd part is 1 … 21, 25,
/// 27 or 31.
std::span<const HadamardBase> hadamard_bases();

/// The matrix of a base, ±1 in [order][order]: H·Hᵀ = order·I.
std::vector<int8_t> hadamard_matrix(const HadamardBase& base);

/// H = (base ⊗ Sylvester's 2^powers) / sqrt(size), an orthogonal matrix applied in O(size·log size).
class Hadamard {
 public:
  /// None where no matrix of that size is known here.
  static std::optional<Hadamard> of_size(int size);

  int size() const { return order_ << powers_; }
  /// "12·2^5", "2^12".
  std::string name() const;

  /// x ← x·H for a row vector of `size` numbers.
  void apply(float* x) const;
  /// The same for `count` row vectors at once: number i of vector j stands at x[i·stride + j].
  void apply_columns(float* x, size_t stride, size_t count) const;
  /// x ← x·Hᵀ: the inverse.
  void apply_inverse(float* x) const;

 private:
  void apply_strided(float* x, size_t stride, size_t count, bool transposed) const;
  void mix_bases(float* x, size_t stride, size_t count, bool transposed) const;

  int order_ = 1;
  int powers_ = 0;
  std::vector<int8_t> base_ = {1};
};

}  // namespace qoq::transform
