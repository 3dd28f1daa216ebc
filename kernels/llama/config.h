#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace qoq::llama {

/// The model families that are one architecture, but for biases and query/key norms.
enum class Family { Llama, Mistral, Qwen2, Qwen3 };

/// A decoder's sizes, from Hugging Face's config.json. RoPE pairs channel i of a head with channel i + head_dim/2.
struct Config {
  Family family = Family::Llama;
  int hidden = 0;
  int intermediate = 0;
  int layers = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int vocab = 0;
  float norm_epsilon = 1e-5F;
  double rope_theta = 10000;
  bool tied = false;         ///< the head's weights are the embedding's
  int window = 0;            ///< a query sees at most this many tokens, itself included; 0: all
  std::string rope_scaling;  ///< config.json's object as text; empty: none

  int group() const { return heads / kv_heads; }  ///< query heads a KV head serves
  int q_width() const { return heads * head_dim; }
  int kv_width() const { return kv_heads * head_dim; }
  bool operator==(const Config&) const = default;
};

/// As config.json's "model_type" spells it.
std::string family_name(Family family);
/// Nothing for a name that is none of the families'.
std::optional<Family> find_family(std::string_view name);

}  // namespace qoq::llama
