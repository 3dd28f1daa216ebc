#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/llama/read.h"

namespace qoq::llama {

namespace {

/// A value in a message.
std::string shown(const nlohmann::json& value) {
  return in_quotes(value.is_string() ? value.get<std::string>() : value.dump());
}

using nlohmann::json;

/// Beyond any model, and small enough that no product of two sizes overflows.
constexpr int largest_size = 1 << 24;

/// The object of config.json; a key whose value is null is as good as absent.
class ConfigFile {
 public:
  explicit ConfigFile(const std::filesystem::path& path)
      : file_(path.string()), object_(parse_json(file_, read_file(path))) {
    if (!object_.is_object()) bad_input("{}: is no JSON object", file_);
  }

  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  template <class... T>
  [[noreturn]] void refuse(fmt::format_string<T...> why, T&&... values) const {
    bad_input("{}: {}", file_, fmt::format(why, std::forward<T>(values)...));
  }

  int size(const char* key, std::optional<int> otherwise = std::nullopt, int least = 1) const {
    const json* value = find(key);
    if (value == nullptr) {
      if (otherwise) return *otherwise;
      refuse("has no {}", key);
    }
    if (!value->is_number_integer() || *value < least || *value > largest_size)
      refuse("{} is {}, expected a whole number of {} to {}", key, shown(*value), least, largest_size);
    return value->get<int>();
  }

  double number(const json* value, const char* key, double otherwise) const {
    if (value == nullptr) return otherwise;
    if (!value->is_number() || !(value->get<double>() > 0) || !(value->get<double>() <= 1e15))
      refuse("{} is {}, expected a positive number", key, shown(*value));
    return value->get<double>();
  }
  double number(const char* key, double otherwise) const { return number(find(key), key, otherwise); }

  bool flag(const char* key, bool otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) refuse("{} is {}, expected true or false", key, shown(*value));
    return value->get<bool>();
  }

  std::string text(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) refuse("has no {}", key);
    if (!value->is_string()) refuse("{} is {}, expected a text", key, shown(*value));
    return value->get<std::string>();
  }

 private:
  std::string file_;
  json object_;
};

Family read_family(const ConfigFile& file) {
  const std::string type = file.text("model_type");
  if (const auto family = find_family(type)) return *family;
  file.refuse("model_type is {}; the families read are llama, mistral, qwen2 and qwen3", in_quotes(type));
}

/// What this decoder does not have.
void refuse_others(const ConfigFile& file, Family family) {
  if (const json* method = file.find("quantization_config")) {
    const bool named = method->is_object() && method->contains("quant_method");
    file.refuse("the weights are quantised already{}",
                named ? ": quant_method is " + shown((*method)["quant_method"]) : "");
  }
  for (const char* key : {"num_local_experts", "num_experts", "n_routed_experts", "moe_intermediate_size"}) {
    if (file.find(key) != nullptr) file.refuse("has {}: a mixture of experts is not read", key);
  }
  if (file.find("hidden_act") != nullptr) {
    const std::string act = file.text("hidden_act");
    if (act != "silu" && act != "swish") file.refuse("hidden_act is {}; only silu is computed", in_quotes(act));
  }
  if (file.flag("mlp_bias", false)) file.refuse("mlp_bias is true; only models without biases in the MLP are read");
  if (family != Family::Qwen2 && file.flag("attention_bias", false))
    file.refuse("attention_bias is true; of the families read only qwen2 has biases");
  if (file.number("partial_rotary_factor", 1) != 1)
    file.refuse("partial_rotary_factor is not 1: only heads that RoPE turns whole are read");
}

void read_heads(const ConfigFile& file, Config& config) {
  config.heads = file.size("num_attention_heads");
  // Defaults that models of the family were saved with.
  std::optional<int> kv_heads;
  if (config.family == Family::Llama) kv_heads = config.heads;
  if (config.family == Family::Mistral) kv_heads = 8;
  config.kv_heads = file.size("num_key_value_heads", kv_heads);
  if (config.heads % config.kv_heads != 0)
    file.refuse("{} attention heads are no multiple of {} key-value heads", config.heads, config.kv_heads);
  if (file.find("head_dim") != nullptr) {
    config.head_dim = file.size("head_dim");
  } else if (config.family == Family::Qwen3) {
    config.head_dim = 128;
  } else {
    if (config.hidden % config.heads != 0)
      file.refuse("hidden_size {} is no multiple of {} attention heads, and there is no head_dim", config.hidden,
                  config.heads);
    config.head_dim = config.hidden / config.heads;
  }
  if (config.head_dim % 2 != 0) file.refuse("head_dim is {}; RoPE turns pairs of channels", config.head_dim);
  if (static_cast<int64_t>(config.heads) * config.head_dim > largest_size)
    file.refuse("{} heads of {} channels are too many", config.heads, config.head_dim);
}

/// theta, and a scaling as text. Newer files keep both in rope_parameters.
void read_rope(const ConfigFile& file, Config& config) {
  const json* parameters = file.find("rope_parameters");
  if (parameters != nullptr && !parameters->is_object())
    file.refuse("rope_parameters is {}, expected an object", shown(*parameters));
  const json* theta = file.find("rope_theta");
  if (theta == nullptr && parameters != nullptr && parameters->contains("rope_theta"))
    theta = &(*parameters)["rope_theta"];
  config.rope_theta = file.number(theta, "rope_theta", 10000);
  const json* scaling = file.find("rope_scaling");
  if (scaling == nullptr) scaling = parameters;
  if (scaling == nullptr) return;
  if (!scaling->is_object()) file.refuse("rope_scaling is {}, expected an object", in_quotes(scaling->dump()));
  const json plain = "default";
  const json& type = scaling->contains("rope_type") ? (*scaling)["rope_type"]
                     : scaling->contains("type")    ? (*scaling)["type"]
                                                    : plain;
  if (type != plain) config.rope_scaling = scaling->dump();
}

int read_window(const ConfigFile& file, Family family) {
  if (family == Family::Llama || (family != Family::Mistral && !file.flag("use_sliding_window", false))) return 0;
  return file.size("sliding_window", 0);
}

}  // namespace

Config read_config(const std::filesystem::path& folder) {
  const ConfigFile file(folder / "config.json");
  Config config;
  config.family = read_family(file);
  refuse_others(file, config.family);
  config.hidden = file.size("hidden_size");
  config.intermediate = file.size("intermediate_size");
  config.layers = file.size("num_hidden_layers");
  config.vocab = file.size("vocab_size");
  read_heads(file, config);
  config.norm_epsilon = static_cast<float>(file.number("rms_norm_eps", 1e-6));
  config.tied = file.flag("tie_word_embeddings", false);
  config.window = read_window(file, config.family);
  read_rope(file, config);
  return config;
}

}  // namespace qoq::llama
