#pragma once
#include <span>
#include <string>
#include <vector>

#include "kernels/llama/weights.h"
#include "kernels/transform/weight_format.h"

namespace qoq::transform {

/// What clipping minimises.
enum class Clip {
  None,
  Weights,  ///< the weights' squared error: needs no calibration
  Outputs,  ///< the squared error of a linear's outputs on calibration rows (q and k: of attention logits)
};

/// Which transforms run, always in the order of the members. The text form ("rotation,smooth-attention=0.5,…") is what
/// commands take and manifests keep; "rtn" is none of them.
struct Recipe {
  bool rotate = true;             ///< RMSNorm gains folded, then the residual stream rotated
  bool smooth_attention = true;   ///< λ = (a key channel's largest)^alpha
  bool search_attention = false;  ///< alpha by the logits' error under 4-bit keys instead of the fixed one
  double attention_alpha = 0.5;
  bool smooth_outputs = true;   ///< scale = max|x|^alpha / max|w|^beta on the inputs of o and down
  bool search_outputs = false;  ///< alpha = 1 − beta by the output error instead of the fixed ones
  double outputs_alpha = 0.3;   ///< QoQ's published strengths for groups; per channel 0.1 and 0.9
  double outputs_beta = 0.7;
  bool reorder = true;
  Clip clip = Clip::Outputs;
  bool operator==(const Recipe&) const = default;
};

/// All of QoQ, with the strengths that suit the format.
Recipe qoq_recipe(const WeightFormat& format);
/// Round to nearest: no transform at all.
Recipe rtn_recipe();

/// The canonical text, and back; `read_recipe` throws Fault::Input for words it does not know. Also read: "qoq".
///   rotation · smooth-attention=0.5|search · smooth-outputs=0.3/0.7|search · reorder · clip=weights|outputs
std::string write_recipe(const Recipe& recipe);
Recipe read_recipe(const std::string& text, const WeightFormat& format);

struct NamedRecipe {
  std::string name;
  Recipe recipe;
};
/// The ablation table's rows: "rtn", every transform alone ("rtn + rotation", …), "qoq", and QoQ without each
/// ("qoq - rotation", …).
std::vector<NamedRecipe> ablation_recipes(const WeightFormat& format);

/// The transforms that keep the layer's function in fp32 (all but clipping), in place, on the layer and on what is
/// recorded of its activations; matrices that are empty stay so and the choice is made from weights alone. Returns what
/// was chosen, a sentence each, for the driver to say aloud. Throws Fault::Input where the sizes allow no rotation or a
/// recorded matrix disagrees with the layer. With `rotate`, the layer reads and writes the rotated residual stream:
/// transform_ends must be given the same recipe. `threads` 0: one a core. Activations `held_out` follow too and choose
/// nothing: a result can be judged on tokens that it was not made for.
std::vector<std::string> transform_layer(const Recipe& recipe, const WeightFormat& format, const llama::Config& config,
                                         llama::Layer& layer, llama::LayerActivations& activations, int threads = 0,
                                         llama::LayerActivations* held_out = nullptr);

/// Clipping, after transform_layer (and after its proof: clipping changes the function). Clamps weights, so that
/// quantising the result needs no further parameter. Returns what was chosen.
std::vector<std::string> clip_layer(const Recipe& recipe, const WeightFormat& format, const llama::Config& config,
                                    llama::Layer& layer, const llama::LayerActivations& activations, int threads = 0);

/// Embedding, final norm and head for layers of the same recipe. A tied head becomes a matrix of its own where the
/// recipe makes the two differ (rotation folds the final norm's gain into the head).
void transform_ends(const Recipe& recipe, llama::Ends& ends, int threads = 0);
/// The same on any block of rows, for a vocabulary that should not lie in memory whole. `head_rows` of a tied model
/// are the embedding's as the checkpoint has them; the final norm is then all ones where the recipe rotates.
void transform_embedding(const Recipe& recipe, llama::Matrix& embedding_rows, int threads = 0);
void transform_head(const Recipe& recipe, std::span<const float> final_norm, llama::Matrix& head_rows, int threads = 0);

}  // namespace qoq::transform
