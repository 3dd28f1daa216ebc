#include "autotune/job/model.h"

#include <algorithm>
#include <array>

#include "autotune/job/config_file.h"

namespace qoq::job {
namespace {

const std::array<std::string, 8> model_keys{"name",    "hidden",   "intermediate", "layers",
                                            "q_heads", "kv_heads", "head_dim",     "vocab"};
constexpr int64_t widest = int64_t{1} << 24;

/// What keeps a model's heads from being split evenly over `tp` ranks, as a sentence; empty when nothing does.
std::string uneven_heads(const Model& model, int tp) {
  if (model.q_heads % tp != 0) return fmt::format("{} query heads do not split over tp={}", model.q_heads, tp);
  if (model.kv_heads % tp != 0 && tp % model.kv_heads != 0) {
    return fmt::format("{} KV heads neither split over nor replicate on tp={}", model.kv_heads, tp);
  }
  return "";
}

/// What keeps `model` from being split evenly over `tp` ranks, as a sentence; empty when nothing does.
std::string uneven_split(const Model& model, const std::string& layer, int tp, int64_t group) {
  if (layer == "qkv" || layer == "o") {
    if (std::string reason = uneven_heads(model, tp); !reason.empty()) return reason;
  } else if (model.intermediate % tp != 0) {
    return fmt::format("the intermediate width {} does not split over tp={}", model.intermediate, tp);
  }
  const int64_t k = layer == "o" ? model.hidden : layer == "down" ? model.intermediate : 0;
  if (group > 0 && k / tp % group != 0) {
    return fmt::format("a shard of k={} over tp={} has {} columns, which splits a quantization group of {}", k, tp,
                       k / tp, group);
  }
  return "";
}

Model read_model(const Yaml& file) {
  const Record record(file, model_keys);
  Model model;
  model.name = record.require("name").text();
  model.hidden = record.require("hidden").integer(1, widest);
  model.intermediate = record.require("intermediate").integer(1, widest);
  model.layers = static_cast<int>(record.require("layers").integer(1, 10000));
  model.q_heads = static_cast<int>(record.require("q_heads").integer(1, 10000));
  model.kv_heads = static_cast<int>(record.require("kv_heads").integer(1, 10000));
  model.head_dim = static_cast<int>(record.require("head_dim").integer(1, 10000));
  model.vocab = record.require("vocab").integer(1, widest);
  if (int64_t{model.q_heads} * model.head_dim != model.hidden) {
    record.require("q_heads").fault("{} heads of {} make {}, but hidden is {}", model.q_heads, model.head_dim,
                                    int64_t{model.q_heads} * model.head_dim, model.hidden);
  }
  if (model.q_heads % model.kv_heads != 0) {
    record.require("kv_heads").fault("{} KV heads do not divide the {} query heads", model.kv_heads, model.q_heads);
  }
  return model;
}

}  // namespace

const std::vector<std::string>& linear_layers() {
  static const std::vector<std::string> names{"qkv", "o", "gate_up", "down"};
  return names;
}

std::variant<Heads, Refusal> shard_heads(const Model& model, int tp) {
  if (const std::string reason = uneven_heads(model, tp); !reason.empty()) {
    return Refusal{fmt::format("{} attention tp={}", model.name, tp), reason};
  }
  return Heads{model.q_heads / tp, std::max(model.kv_heads / tp, 1), model.head_dim};
}

std::variant<Linear, Refusal> shard(const Model& model, const std::string& layer, int tp, int64_t group) {
  if (const std::string reason = uneven_split(model, layer, tp, group); !reason.empty()) {
    return Refusal{fmt::format("{} {} tp={}", model.name, layer, tp), reason};
  }
  const int64_t head_dim = model.head_dim;
  if (layer == "qkv") {
    const int64_t kv_heads = std::max(model.kv_heads / tp, 1);  // as shard_heads()
    return Linear{layer, (model.q_heads / tp + 2 * kv_heads) * head_dim, model.hidden};
  }
  if (layer == "o") return Linear{layer, model.hidden, model.q_heads / tp * head_dim};
  if (layer == "gate_up") return Linear{layer, 2 * (model.intermediate / tp), model.hidden};
  if (layer == "down") return Linear{layer, model.hidden, model.intermediate / tp};
  bad_input("no linear layer called \"{}\"{}", layer, suggestion(layer, linear_layers()));
}

Model load_model(const std::string& name, const std::filesystem::path& folder, const Location& at) {
  return read_model(read_config("models", name, folder, at));
}

Model shipped_model(const std::string& name) { return read_model(shipped_config("models", name)); }

}  // namespace qoq::job
