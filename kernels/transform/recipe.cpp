#include "kernels/transform/recipe.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "kernels/base/error.h"
#include "kernels/transform/clip.h"
#include "kernels/transform/norm_fold.h"
#include "kernels/transform/reorder.h"
#include "kernels/transform/rotation.h"
#include "kernels/transform/smooth_attention.h"
#include "kernels/transform/smooth_outputs.h"

namespace qoq::transform {

using llama::Config;
using llama::Layer;
using llama::LayerActivations;
using llama::Matrix;

Recipe rtn_recipe() {
  Recipe recipe;
  recipe.rotate = recipe.smooth_attention = recipe.smooth_outputs = recipe.reorder = false;
  recipe.clip = Clip::None;
  return recipe;
}

Recipe qoq_recipe(const WeightFormat& format) {
  Recipe recipe;
  if (format.group == 0) {
    recipe.outputs_alpha = 0.1, recipe.outputs_beta = 0.9;
    recipe.reorder = false;  // a row of one scale has no order
  }
  return recipe;
}

std::vector<NamedRecipe> ablation_recipes(const WeightFormat& format) {
  const Recipe rtn = rtn_recipe(), qoq = qoq_recipe(format);
  struct Part {
    const char* name;
    void (*copy)(const Recipe& from, Recipe& to);
  };
  const Part parts[] = {
      {"rotation", [](const Recipe& from, Recipe& to) { to.rotate = from.rotate; }},
      {"smooth-attention", [](const Recipe& from, Recipe& to) { to.smooth_attention = from.smooth_attention; }},
      {"smooth-outputs", [](const Recipe& from, Recipe& to) { to.smooth_outputs = from.smooth_outputs; }},
      {"reorder", [](const Recipe& from, Recipe& to) { to.reorder = from.reorder; }},
      {"clip", [](const Recipe& from, Recipe& to) { to.clip = from.clip; }},
  };
  std::vector<NamedRecipe> rows = {{"rtn", rtn}};
  const auto add = [&](const char* sign, const Recipe& base, const Recipe& other) {
    for (const Part& part : parts) {
      NamedRecipe row{fmt::format("{} {} {}", sign[0] == '+' ? "rtn" : "qoq", sign, part.name), base};
      row.recipe.outputs_alpha = qoq.outputs_alpha, row.recipe.outputs_beta = qoq.outputs_beta;
      part.copy(other, row.recipe);
      if (row.recipe.reorder != base.reorder || part.name != std::string("reorder")) rows.push_back(row);
    }
  };
  add("+", rtn, qoq);
  rows.push_back({"qoq", qoq});
  add("-", qoq, rtn);
  return rows;
}

namespace {

void check_width(const Matrix& recorded, int width, const char* name) {
  if (recorded.rows > 0 && recorded.cols != width) {
    bad_input("recorded {} has rows of {} numbers, the layer's are of {}", name, recorded.cols, width);
  }
}

void check_widths(const Config& config, const LayerActivations& activations) {
  check_width(activations.attention_input, config.hidden, "attention_input");
  check_width(activations.queries, config.q_width(), "queries");
  check_width(activations.keys, config.kv_width(), "keys");
  check_width(activations.output_input, config.q_width(), "output_input");
  check_width(activations.ffn_input, config.hidden, "ffn_input");
  check_width(activations.down_input, config.intermediate, "down_input");
  const size_t positions = activations.positions.size(), tokens = static_cast<size_t>(activations.attention_input.rows);
  if (positions != 0 && tokens != 0 && positions != tokens) {
    bad_input("recorded positions are of {} tokens, attention_input of {}", positions, tokens);
  }
}

}  // namespace

std::vector<std::string> transform_layer(const Recipe& recipe, const WeightFormat& format, const Config& config,
                                         Layer& layer, LayerActivations& activations, int threads,
                                         LayerActivations* held_out) {
  check_widths(config, activations);
  if (held_out != nullptr) check_widths(config, *held_out);
  std::vector<std::string> chosen;
  if (recipe.rotate) {
    const Hadamard hadamard = rotation_of(config.hidden);
    fold_norms(layer, activations, held_out);
    rotate_layer(hadamard, layer, activations, threads, held_out);
    chosen.push_back(fmt::format("rotation: Hadamard {}", hadamard.name()));
  }
  if (recipe.smooth_attention) {
    chosen.push_back(smooth_attention({recipe.attention_alpha, recipe.search_attention}, config, layer, activations,
                                      threads, held_out));
  }
  if (recipe.smooth_outputs) {
    const OutputStrength strength{recipe.outputs_alpha, recipe.outputs_beta, recipe.search_outputs};
    for (std::string& sentence : smooth_outputs(strength, format, config, layer, activations, threads, held_out)) {
      chosen.push_back(std::move(sentence));
    }
  }
  if (recipe.reorder) chosen.push_back(reorder_channels(config, layer, activations, held_out));
  return chosen;
}

std::vector<std::string> clip_layer(const Recipe& recipe, const WeightFormat& format, const Config& config,
                                    Layer& layer, const LayerActivations& activations, int threads) {
  check_widths(config, activations);
  if (recipe.clip == Clip::None) return {};
  return {clip_weights(recipe.clip == Clip::Outputs, format, config, layer, activations, threads)};
}

void transform_embedding(const Recipe& recipe, Matrix& embedding_rows, int threads) {
  if (recipe.rotate) rotate_rows(rotation_of(embedding_rows.cols), embedding_rows, threads);
}

void transform_head(const Recipe& recipe, std::span<const float> final_norm, Matrix& head_rows, int threads) {
  if (!recipe.rotate) return;
  fold_final_norm(final_norm, head_rows);
  rotate_rows(rotation_of(head_rows.cols), head_rows, threads);
}

void transform_ends(const Recipe& recipe, llama::Ends& ends, int threads) {
  if (!recipe.rotate) return;
  if (ends.head.rows == 0) ends.head = ends.embedding;
  transform_embedding(recipe, ends.embedding, threads);
  transform_head(recipe, ends.final_norm, ends.head, threads);
  ends.final_norm.assign(ends.final_norm.size(), 1.0F);
}

}  // namespace qoq::transform
