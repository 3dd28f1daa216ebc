#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/checkpoint/packed.h"
#include "kernels/gemm/case.h"
#include "kernels/llama/weights.h"
#include "kernels/qoq/activation.h"

namespace qoq::test {

/// One GEMM whose weights are a packed file's: what gemm/mma is launched with, and the reference's view of the same.
class PackedGemm {
 public:
  /// `output`: "fp16", "bf16" or "i32". A bias that the file has for the linear is added, rounded to the output's
  /// format (i32 has none): the only operand that is not the file's bytes.
  PackedGemm(const PackedFile& file, std::string linear, const llama::Matrix& x, std::string_view output);

  const Problem& problem() const { return problem_; }
  const gemm::GemmCase& reference_case() const { return case_; }
  /// The kernel's buffers, by the names that it binds: those of weights are copied byte for byte from the file, as one
  /// would read them into a GPU's memory.
  std::vector<Buffer> operands() const;
  /// Which of the file's tensors is which of the kernel's buffers: {"w", "qkv.qweight"} …
  std::vector<std::pair<std::string, std::string>> weight_tensors() const;
  /// Outputs of the integer reference, from the codes that the file unpacks to.
  std::vector<std::byte> expected() const;

 private:
  const PackedFile& file_;
  std::string linear_;
  Problem problem_;
  gemm::GemmCase case_;
};

/// The buffer of that name.
Buffer& buffer_named(std::vector<Buffer>& buffers, std::string_view name);

/// 16-bit floats as fp32.
std::vector<float> halves(const std::vector<std::byte>& bytes);

}  // namespace qoq::test
