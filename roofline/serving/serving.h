#pragma once
#include <optional>
#include <string>
#include <vector>

#include "roofline/gpu/gpu.h"
#include "roofline/serving/kernel_times.h"
#include "roofline/serving/memory.h"
#include "roofline/serving/scheme.h"
#include "roofline/serving/shape.h"

namespace qoq::roofline {

/// What nobody measured; README.md says why these.
struct Assumptions {
  Request request;
  double usable_memory = 0.9;
  int chunk = 2048;          ///< tokens of a prefill step
  int most_sequences = 256;  ///< that run at once
  double efficiency = 0.8;   ///< of listed bandwidth and tensor rates, for what is estimated
  int small_launches = 5;    ///< a layer: two norms, rotary embedding with append, SiLU, an activation quantisation
};

/// A decode step of a whole batch, µs.
struct DecodeStep {
  Figured gemms, attention, small, lm_head;
  Figured total() const;
};

/// How a scheme serves a model on one GPU.
struct Serving {
  ServingScheme scheme;
  MemoryBudget memory;
  int most = 0;   ///< sequences that fit, at most Assumptions::most_sequences
  int batch = 0;  ///< the one taken: the fastest that fits, or the asked one
  DecodeStep step;
  Figured prefill;                            ///< one request's, µs
  double tokens_per_s = 0;                    ///< generated ones
  std::optional<double> dollars_per_million;  ///< generated tokens; nothing without a price
  std::string refusal;  ///< why there is nothing; the memory is filled in nevertheless where it is the reason

  /// Of the time of all, what prefill takes.
  double prefill_share(const Request& request) const;
  std::set<Basis> bases() const;
};

/// A GPU as somebody rents it out.
struct Offer {
  double memory_bytes = 0;
  std::optional<double> dollars_per_hour;
};

/// Serves `model` with kernels of `times`. `batch`: exactly so many sequences (refused when they do not fit, or are
/// more than run at once); nothing: the fastest of 1, 2, 4, … and the most that fit. A scheme of whose kernels one is
/// missing is refused, with the first missing one named.
Serving serve(const ModelShape& model, const ServingScheme& scheme, const Gpu& gpu, const Offer& offer,
              const KernelTimes& times, std::optional<int> batch = std::nullopt, const Assumptions& assumptions = {});

/// The step alone, at a batch. Throws Fault::Work where serve() refuses for a missing kernel.
DecodeStep decode_step(const ModelShape& model, const ServingScheme& scheme, const Gpu& gpu, const KernelTimes& times,
                       int batch, const Assumptions& assumptions = {});

/// µs of a GEMM in fp16, estimated.
double estimated_gemm_us(const Gpu& gpu, double m, double n, double k, double efficiency);

}  // namespace qoq::roofline
