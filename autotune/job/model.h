#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "kernels/base/error.h"

namespace qoq::job {

/// A transformer's sizes, from configs/models/*.yaml. (Llama-style: RMSNorm, GQA, SwiGLU.)
struct Model {
  std::string name;
  int64_t hidden = 0;        ///< q_heads · head_dim
  int64_t intermediate = 0;  ///< of the feed-forward block
  int layers = 0;
  int q_heads = 0;
  int kv_heads = 0;  ///< divides q_heads
  int head_dim = 0;
  int64_t vocab = 0;
};

/// One linear layer of one tensor-parallel rank: C[m,n] = A[m,k] · W[n,k]^T.
struct Linear {
  std::string layer;  ///< "qkv", "o", "gate_up", "down"
  int64_t n = 0;
  int64_t k = 0;
};

/// The heads of one tensor-parallel rank's attention.
struct Heads {
  int q_heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
};

/// Work that cannot be asked for, and why. The rest of the job goes on.
struct Refusal {
  std::string what;    ///< "Llama-3-8B down w4a8-g128 tp=8"
  std::string reason;  ///< a sentence
};

/// The names of the linear layers in the order they run.
const std::vector<std::string>& linear_layers();

/// Layer `layer` as one of `tp` ranks computes it: qkv and gate_up shard n, o and down shard k, KV heads are
/// replicated when tp exceeds them. `group` is the scheme's quantization group along k (0: none). A split of heads,
/// of the intermediate width or of a group that does not come out even is a Refusal.
std::variant<Linear, Refusal> shard(const Model& model, const std::string& layer, int tp, int64_t group);

/// Attention as one of `tp` ranks computes it, split as qkv is: KV heads are replicated when tp exceeds them. A split
/// that does not come out even is a Refusal.
std::variant<Heads, Refusal> shard_heads(const Model& model, int tp);

/// Reads a model by name ("llama-3-8b": models/<name>.yaml beside the job, then configs/models/<name>.yaml, then the
/// copy in the program) or by path ("….yaml", relative to `folder`). Throws Fault::Input with file, line and column; a
/// model that does not exist is a fault `at` where it was named.
Model load_model(const std::string& name, const std::filesystem::path& folder, const Location& at = {});

/// The program's own copy ("llama-3-8b"), whatever lies on disk. Fails when there is none of that name.
Model shipped_model(const std::string& name);

}  // namespace qoq::job
