#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "autotune/store/rows.h"

namespace qoq::report {

/// CUDA-core instructions, counted in the machine code (roofline/overhead).
struct InstructionFacts {
  double per_element = 0;     ///< a thread's, per stored weight or cached element
  double per_taken = 0;       ///< per element that a warp takes into its registers
  double share_of_issue = 0;  ///< of all that the kernel issues
};

/// A kernel beside the same kernel without its dequantisation (an ablation row's details, key "overhead").
struct OverheadFacts {
  std::string kernel;                           ///< variant
  std::string ablation;                         ///< its ablation's variant
  store::Outcome outcome = store::Outcome::Ok;  ///< of the ablation
  std::string reason;                           ///< why there are no two times; empty when there are
  bool best_of_form = false;  ///< no other kernel of this dequantisation is faster; a resumed run may find one
  std::string dequant;        ///< the kernel's dequantisation by name: "imad"; empty: it has no choice

  store::Source source = store::Source::None;  ///< of both times
  double kernel_us = 0, ablation_us = 0;
  double noise = 0;  ///< the larger relative interquartile range of the two, where they were measured
  double predicted_kernel_us = 0, predicted_ablation_us = 0;  ///< beside measured ones; 0: none

  std::optional<InstructionFacts> whole, dequantisation;
  std::string uncounted;  ///< why there are no counts
  /// Of the predicted time: what the busiest CUDA-core pipe, and the issue slots, would take alone.
  std::optional<double> cuda_core_time, issue_time;

  bool timed() const { return reason.empty(); }
  double overhead() const { return kernel_us / ablation_us - 1; }       ///< t(kernel) / t(ablation) − 1
  double share_of_time() const { return 1 - ablation_us / kernel_us; }  ///< of the kernel's time
  double predicted_overhead() const { return predicted_kernel_us / predicted_ablation_us - 1; }
  bool predicted_too() const { return predicted_ablation_us > 0; }
};

/// The ablation rows of an environment by problem, fastest kernel first.
std::map<std::string, std::vector<OverheadFacts>> read_overheads(const std::vector<store::Candidate>& rows);

}  // namespace qoq::report
