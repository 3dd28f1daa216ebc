#pragma once
#include <optional>

#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

/// Warp-level instructions that all warps of a launch issue together.
struct Executed {
  double cuda_core = 0;  ///< Mix::cuda_core()
  double alu = 0;        ///< of those Pipe::Alu
  double issued = 0;     ///< Mix::issued()
};

/// Counts a launch: the main loop as often as `mma_instructions` (all warps' MMAs, padding included) ask for it, all
/// other instructions once a warp. A kernel without MMAs, or without a loop that holds them, counts once throughout.
Executed executed(const EntryCode& code, double mma_instructions, double warps);

/// What the CUDA cores' work costs. Instructions are a thread's, so that 1.0 means one lane-operation an element.
struct CudaCoreCost {
  double per_element = 0;     ///< per stored weight or cached element, however many warps take it
  double per_taken = 0;       ///< per element that a warp takes into its registers
  double share_of_issue = 0;  ///< of all warp instructions that the kernel issues
};

/// A kernel's CUDA-core work, and what of it dequantisation is.
struct Overhead {
  CudaCoreCost whole;
  std::optional<CudaCoreCost> dequantisation;  ///< kernel less ablation; nothing without an ablation
};

/// `elements`: stored ones; `taken`: as all warps take them (Traffic::taken_elements). Both must be positive, else
/// Fault::Work.
Overhead overhead(const Executed& kernel, const std::optional<Executed>& ablation, double elements, double taken);

}  // namespace qoq::roofline
