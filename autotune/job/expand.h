#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/job/model.h"
#include "kernels/family.h"

namespace qoq::job {

using Families = std::vector<std::unique_ptr<Family>>;

/// A problem, how much it counts, and where it comes from.
struct WorkItem {
  Problem problem;                   ///< canonical
  double weight = 0;                 ///< Σ layers · weight of its m over the models, shards and layers of this shape
  std::vector<std::string> origins;  ///< "Llama-3-8B gate_up tp=1"; "job" when written out
};

/// One size along an axis (m, batch, ctx) and how much it counts.
struct Sized {
  int64_t size = 0;
  double weight = 1;
};

/// One scheme to be tried on every model's linear layers.
struct Request {
  std::string scheme;
  std::vector<Sized> tokens;  ///< m
  std::vector<std::string> layers;
  std::vector<int> tensor_parallel;
  std::string output = "fp16";
  bool bias = false;
};

/// One scheme of the KV cache to be tried on every model's attention, one decode step of `q` new tokens.
struct AttentionRequest {
  std::string scheme;
  std::vector<Sized> batches, contexts;
  std::vector<int> tensor_parallel;
  int64_t q = 1;
  std::string output = "fp16";
};

/// A list of work in which equal problems are one item.
class Work {
 public:
  void add(const Problem& problem, double weight, const std::string& origin);
  /// Equal weights stay in the order they were added.
  std::vector<WorkItem> heaviest_first() &&;

 private:
  std::vector<WorkItem> items_;
};

/// The schemes in which some family solves an operator, in the families' order.
std::vector<std::string> schemes_of(std::string_view op, const Families& families);

/// The problem as the first family that solves it completes it. Throws Fault::Input when none does.
Problem canonical(const Problem& problem, const Families& families);

/// The quantization group that a scheme's name ends in ("w4a8-g128": 128), 0 when there is none.
int64_t group_of(const std::string& scheme);

/// Adds every model × request × layer × shard × m to `work`; a shard that cannot be made, or that no family takes,
/// is added to `refusals` once and the rest goes on.
void expand(const std::vector<Model>& models, const std::vector<Request>& requests, const Families& families,
            Work& work, std::vector<Refusal>& refusals);

/// The same for every model × request × shard × batch × context, weighted by layers · batch's · context's weight.
void expand(const std::vector<Model>& models, const std::vector<AttentionRequest>& requests, const Families& families,
            Work& work, std::vector<Refusal>& refusals);

}  // namespace qoq::job
