#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autotune/job/expand.h"
#include "autotune/job/model.h"
#include "autotune/job/restriction.h"
#include "kernels/families.h"
#include "kernels/family.h"

namespace qoq::job {

/// How each problem's space is searched (a job's `search:`; the command line overrides it).
struct Search {
  std::string strategy = "exhaustive";
  std::optional<int64_t> budget;  ///< most points per problem and target
  std::optional<double> minutes;  ///< of the whole job
  uint64_t seed = 1;
};

/// Everything a tuning run is asked to do.
struct Job {
  std::string name;
  std::string text;  ///< the job file, comments gone
  std::vector<Model> models;
  std::vector<std::string> targets;  ///< "cuda:0", "sim:h200"; empty: auto, the attached GPUs
  Search search;
  std::vector<Restriction> restrictions;  ///< at most one a family; checked against the family's parameters
  std::vector<WorkItem> work;             ///< merged by shape, heaviest first
  std::vector<Refusal> refusals;          ///< shards that cannot be asked for
  /// A parameter ("dequant"): the best kernel with each of its values gets a no-dequant ablation, not only the winner.
  /// Empty: only the winner.
  std::string ablate_each = {};

  /// The family's parameters as this job restricts them.
  std::vector<Parameter> parameters(const Family& family) const;
};

/// Reads a job file, its models and its spaces. Where no such file exists, `path` may name a job in the program
/// ("llama-3-8b", "configs/llama-3-8b.yaml"). Every fault throws Fault::Input: file, line and column, what was found,
/// what would be right. `families` are asked for canonical problems and known parameters; a strategy that is not among
/// `strategies` is a fault (empty: not checked).
Job load_job(const std::filesystem::path& path, const Families& families = qoq::families(),
             std::span<const std::string> strategies = {});

}  // namespace qoq::job
