#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "kernels/accuracy/agreement.h"
#include "kernels/accuracy/numerics.h"
#include "kernels/llama/weights.h"
#include "kernels/quantize/scheme.h"
#include "kernels/transform/recipe.h"

namespace qoq::accuracy {

/// One way of computing a model.
struct Way {
  std::string name;  ///< "rtn", "qoq - rotation", "qoq, weights only"
  quantize::Scheme scheme;
  transform::Recipe recipe;
  Numerics numerics;
};

/// The visible table: fp16; round to nearest and QoQ in groups of 128 and per channel, whole (W4A8KV4) and with one of
/// weights, activations and cache in few bits alone; with `ablation` every transform alone and every one left out too.
std::vector<Way> ways(bool ablation);

/// A model that is studied.
struct Subject {
  std::string name;     ///< "llama"
  double outliers = 0;  ///< of a synthetic one; 0: a checkpoint
  uint64_t seed = 0;    ///< of its weights (a synthetic one's) and of the tokens
  llama::Model model;
};

/// A synthetic model, its weights rounded to bf16 as `qoqtune synthesize` writes them.
Subject synthetic_subject(llama::Family family, double outliers, uint64_t seed);

struct StudySettings {
  int positions = 1024;   ///< scored
  int sequence = 256;     ///< tokens a sequence
  int calibration = 512;  ///< tokens recorded for the transforms: others than those that are scored
  int threads = 0;
};

/// How one subject fares one way.
struct StudyRow {
  std::string subject;
  double outliers = 0;
  uint64_t seed = 0;
  std::string way, scheme, recipe;  ///< recipe: its text
  Agreement agreement;              ///< with the untouched model in fp32
  double proof = 0;                 ///< what the transforms changed of the worst layer's fp32 function
};

/// Rows by subject, in the order of the ways. Tokens fall as words in a text (llama::draw_tokens), of seed + 1 for the
/// calibration and of seed + 1,000,003 for the score. `say` hears of every way of every subject before it is run.
std::vector<StudyRow> run_study(std::span<const Subject> subjects, std::span<const Way> ways,
                                const StudySettings& settings, const std::function<void(const std::string&)>& say,
                                const std::stop_token& stop = {});

}  // namespace qoq::accuracy
