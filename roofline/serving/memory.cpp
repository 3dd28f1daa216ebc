#include "roofline/serving/memory.h"

#include <algorithm>
#include <cmath>

namespace qoq::roofline {

int MemoryBudget::sequences() const {
  const double left = usable - weights - activations;
  return left > 0 && sequence > 0 ? static_cast<int>(std::floor(left / sequence)) : 0;
}

MemoryBudget memory_budget(const ModelShape& model, const ServingScheme& scheme, double memory_bytes, double usable,
                           const Request& request, int chunk, int most) {
  constexpr double half = 2;  // bytes
  const auto hidden = static_cast<double>(model.hidden), inner = static_cast<double>(model.intermediate);
  const auto vocab = static_cast<double>(model.vocab);
  const double qkv = (model.q_heads + 2.0 * model.kv_heads) * model.head_dim;
  MemoryBudget budget;
  budget.usable = memory_bytes * usable;
  budget.weights = model.linear_weights() * scheme.weight_bits / 8 + 2 * half * vocab * hidden;
  // Residual stream and its normalised copy beside the widest pair of a layer: qkv with attention's output, or gate, up
  // and their product.
  const double widest = std::max(qkv + model.q_heads * static_cast<double>(model.head_dim), 3 * inner);
  budget.activations = half * (chunk * (2 * hidden + widest) + most * vocab);
  budget.sequence = (request.input + request.output) * model.cached_elements() * scheme.kv_bytes(model.head_dim);
  return budget;
}

}  // namespace qoq::roofline
