#pragma once
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/attention/append/case.h"
#include "kernels/attention/case.h"
#include "tests/kernels/gemm/bench.h"
#include "tests/kernels/quantize/meeting/layer.h"
#include "tests/kernels/quantize/meeting/packed_gemm.h"

namespace qoq::test {

/// Which kernels a decoder layer's step takes.
struct StepKernels {
  const char* name;
  const char* scheme;    ///< of the weights
  const char* recipe;    ///< transforms that leave the residual stream as it is
  double most_error;     ///< of what the layer adds, against fp32: a sanity bound, not a figure of merit
  PackedLayout weights;  ///< how their file lies
  gemm::Dequant dequant;
  KvLayout pages;
  const char* decode;  ///< attention/decode's point (decode/points.h), of pages of 32 tokens
};

/// By its name; GoogleTest would print the bytes, pointers among them.
inline void PrintTo(const StepKernels& kernels, std::ostream* out) { *out << kernels.name; }

/// One layer of a decoder on kernels that run on the emulator: weights are a packed file's bytes, keys and values that
/// its qkv GEMM made go through attention/append into pages of 4 bits, which attention/decode then reads as they are.
class DecoderStep {
 public:
  static constexpr int page = 32;

  DecoderStep(const QuantizedLayer& layer, const PackedFile& file, const StepKernels& kernels);

  /// y = x · Wᵀ (+ bias) as fp16; fails the calling test where the kernel differs from the integer reference in a bit.
  llama::Matrix multiply(const std::string& linear, const llama::Matrix& x);

  /// Appends the keys and values of `qkv`'s rows, `tokens` a sequence, so that the sequences get `lengths` long; fails
  /// the calling test where a byte of a page is not what quantize_kv and write_kv_row make.
  void append(const llama::Matrix& qkv, const std::vector<int>& sequences, const std::vector<int>& lengths, int tokens);

  /// The queries of `qkv`, one token a sequence, over the pages; outputs [sequence][heads · head_dim]. Fails the
  /// calling test where they leave the operator's class of the fp64 reference.
  llama::Matrix attend(const llama::Matrix& qkv);

  /// The operands of the last attend(), outputs included, and what the reference computes from the same pages.
  std::vector<Buffer>& attention_buffers() { return attention_buffers_; }
  const attention::AttentionCase& attention_case() const { return attention_; }
  const Bench::Job& attention_job() const { return *attention_job_; }

  /// Room for sequences that get at most so long; what no token fills is NaN.
  void make_pages(const std::vector<int>& longest);

 private:
  attention::AttentionCase case_of_pages(const Problem& problem, std::vector<uint16_t> queries) const;
  void compare_rows(const attention::AppendCase& c, const std::vector<int>& sequences) const;
  std::vector<int32_t> table_rows(const std::vector<int>& sequences, int width) const;

  const QuantizedLayer& layer_;
  const PackedFile& file_;
  StepKernels kernels_;
  Bench bench_;
  KvShape shape_;
  attention::PagePools pools_;
  std::vector<int> lengths_;
  attention::AttentionCase attention_;
  std::vector<Buffer> attention_buffers_;
  std::optional<Bench::Job> attention_job_;
};

/// Angles of positions 0 … count − 1: cos and sin, each [count][head_dim/2].
void rope_angles(const llama::Config& config, int count, std::vector<float>& cosine, std::vector<float>& sine);

}  // namespace qoq::test
