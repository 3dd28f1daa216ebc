#pragma once
#include <cstdint>
#include <memory>
#include <string>
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

/// Numbers of tokens and how much they count.
struct Tokens {
  int64_t m = 0;
  double weight = 1;
};

/// One scheme to be tried on every model's linear layers.
struct Request {
  std::string scheme;
  std::vector<Tokens> tokens;
  std::vector<std::string> layers;
  std::vector<int> tensor_parallel;
  std::string output = "fp16";
  bool bias = false;
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

/// The schemes that some family multiplies matrices in, in the families' order.
std::vector<std::string> gemm_schemes(const Families& families);

/// The problem as the first family that solves it completes it. Throws Fault::Input when none does.
Problem canonical(const Problem& problem, const Families& families);

/// The quantization group that a scheme's name ends in ("w4a8-g128": 128), 0 when there is none.
int64_t group_of(const std::string& scheme);

/// Adds every model × request × layer × shard × m to `work`; a shard that cannot be made, or that no family takes,
/// is added to `refusals` once and the rest goes on.
void expand(const std::vector<Model>& models, const std::vector<Request>& requests, const Families& families,
            Work& work, std::vector<Refusal>& refusals);

}  // namespace qoq::job
