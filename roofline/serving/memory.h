#pragma once
#include "roofline/serving/scheme.h"
#include "roofline/serving/shape.h"

namespace qoq::roofline {

/// Where a GPU's memory goes. Bytes.
struct MemoryBudget {
  double usable = 0;       ///< what may be used of the GPU's
  double weights = 0;      ///< linear layers in the scheme's format, embeddings and lm_head in fp16
  double activations = 0;  ///< of one prefill chunk; a step's logits beside them
  double sequence = 0;     ///< one sequence's cache at its full length
  /// Sequences whose caches fit beside the rest; 0: not even the weights do, or no sequence beside them.
  int sequences() const;
};

struct Request {
  int input = 1024, output = 512;  ///< tokens
};

/// `memory_bytes`: the GPU's; `usable`: the share of it that may be used; `chunk`: tokens of a prefill step; `most`:
/// sequences whose logits must fit.
MemoryBudget memory_budget(const ModelShape& model, const ServingScheme& scheme, double memory_bytes, double usable,
                           const Request& request, int chunk, int most);

}  // namespace qoq::roofline
