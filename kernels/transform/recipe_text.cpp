#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "kernels/base/error.h"
#include "kernels/transform/recipe.h"

namespace qoq::transform {

namespace {

constexpr std::string_view known =
    "rtn, qoq, or a list of rotation, smooth-attention=A, smooth-outputs=A/B, reorder and clip=weights|outputs, A and "
    "B from 0 to 1 or \"search\"";

double read_strength(std::string_view text, const std::string& whole) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= 1) return value;
  bad_input("recipe \"{}\": found \"{}\" as a strength; expected {}", whole, text, known);
}

/// "word" or "word=value".
struct Word {
  std::string_view name, value;
};

Word split(std::string_view text) {
  const size_t at = text.find('=');
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

void read_outputs(std::string_view value, const std::string& whole, Recipe& recipe) {
  recipe.smooth_outputs = true;
  recipe.search_outputs = value == "search";
  if (value.empty() || recipe.search_outputs) return;
  const size_t at = value.find('/');
  if (at == std::string_view::npos) bad_input("recipe \"{}\": smooth-outputs takes two strengths, as 0.3/0.7", whole);
  recipe.outputs_alpha = read_strength(value.substr(0, at), whole);
  recipe.outputs_beta = read_strength(value.substr(at + 1), whole);
}

void read_attention(std::string_view value, const std::string& whole, Recipe& recipe) {
  recipe.smooth_attention = true;
  recipe.search_attention = value == "search";
  if (!value.empty() && !recipe.search_attention) recipe.attention_alpha = read_strength(value, whole);
}

void read_word(std::string_view text, const std::string& whole, Recipe& recipe) {
  const Word word = split(text);
  if (text == "rotation") {
    recipe.rotate = true;
  } else if (text == "reorder") {
    recipe.reorder = true;
  } else if (word.name == "smooth-attention") {
    read_attention(word.value, whole, recipe);
  } else if (word.name == "smooth-outputs") {
    read_outputs(word.value, whole, recipe);
  } else if (text == "clip" || text == "clip=outputs") {
    recipe.clip = Clip::Outputs;
  } else if (text == "clip=weights") {
    recipe.clip = Clip::Weights;
  } else {
    bad_input("recipe \"{}\": found \"{}\"; expected {}", whole, text, known);
  }
}

}  // namespace

std::string write_recipe(const Recipe& recipe) {
  std::vector<std::string> words;
  if (recipe.rotate) words.push_back("rotation");
  if (recipe.smooth_attention) {
    words.push_back(recipe.search_attention ? "smooth-attention=search"
                                            : fmt::format("smooth-attention={}", recipe.attention_alpha));
  }
  if (recipe.smooth_outputs) {
    words.push_back(recipe.search_outputs
                        ? "smooth-outputs=search"
                        : fmt::format("smooth-outputs={}/{}", recipe.outputs_alpha, recipe.outputs_beta));
  }
  if (recipe.reorder) words.push_back("reorder");
  if (recipe.clip != Clip::None) words.push_back(recipe.clip == Clip::Weights ? "clip=weights" : "clip=outputs");
  return words.empty() ? "rtn" : fmt::format("{}", fmt::join(words, ","));
}

Recipe read_recipe(const std::string& text, const WeightFormat& format) {
  if (text == "rtn") return rtn_recipe();
  if (text == "qoq") return qoq_recipe(format);
  Recipe recipe = rtn_recipe();
  const Recipe qoq = qoq_recipe(format);
  recipe.outputs_alpha = qoq.outputs_alpha, recipe.outputs_beta = qoq.outputs_beta;
  for (std::string_view rest = text;;) {
    const size_t comma = rest.find(',');
    read_word(rest.substr(0, comma), text, recipe);
    if (comma == std::string_view::npos) return recipe;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace qoq::transform
