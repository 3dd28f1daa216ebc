#include "kernels/transform/norm_fold.h"

#include <algorithm>

#include "kernels/transform/channels.h"

namespace qoq::transform {

namespace {

void ungain(llama::Matrix& recorded, std::vector<float> gain) {
  std::replace(gain.begin(), gain.end(), 0.0F, 1.0F);
  divide_columns(recorded, gain);
}

}  // namespace

void fold_norms(llama::Layer& layer, llama::LayerActivations& activations, llama::LayerActivations* held_out) {
  for (llama::Matrix* weight : {&layer.q, &layer.k, &layer.v}) scale_columns(*weight, layer.attention_norm);
  for (llama::Matrix* weight : {&layer.gate, &layer.up}) scale_columns(*weight, layer.ffn_norm);
  for (llama::LayerActivations* recorded : {&activations, held_out}) {
    if (recorded == nullptr) continue;
    ungain(recorded->attention_input, layer.attention_norm);
    ungain(recorded->ffn_input, layer.ffn_norm);
  }
  std::fill(layer.attention_norm.begin(), layer.attention_norm.end(), 1.0F);
  std::fill(layer.ffn_norm.begin(), layer.ffn_norm.end(), 1.0F);
}

void fold_final_norm(std::span<const float> gain, llama::Matrix& head_rows) { scale_columns(head_rows, gain); }

}  // namespace qoq::transform
