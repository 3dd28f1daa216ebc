#include "tests/kernels/quantize/meeting/packed_gemm.h"

#include <fmt/format.h>

#include <cstring>

#include "kernels/base/float16.h"
#include "kernels/families.h"
#include "kernels/gemm/reference.h"

namespace qoq::test {

namespace {

using Role = Buffer::Role;

void take_weights(const LinearWeights& weights, gemm::GemmCase& c) {
  if (const auto* groups = std::get_if<GroupWeights>(&weights.form)) {
    c.q4 = groups->q4;
    c.metadata = groups->metadata;
    c.s1 = groups->s1;
    c.w = reconstruct_int8(c.q4, c.metadata, weights.n, weights.k);
    return;
  }
  const auto& channels = std::get<ChannelWeights>(weights.form);
  c.q4 = channels.q4;
  c.s1 = channels.s1;
  c.szero = channels.szero;
  c.w.assign(c.q4.begin(), c.q4.end());
}

}  // namespace

PackedGemm::PackedGemm(const PackedFile& file, std::string linear, const llama::Matrix& x, std::string_view output)
    : file_(file), linear_(std::move(linear)) {
  const LinearWeights weights = file.linear(linear_);
  std::vector<float> bias;
  for (const std::string& name : file.plain()) {
    if (name == linear_ + ".bias" && output != "i32") bias = file.floats(name);
  }
  problem_ = parse_problem(fmt::format("gemm {} m={} n={} k={} out={}{}", file.format().scheme, x.rows, weights.n,
                                       weights.k, output, bias.empty() ? "" : " bias=1"));
  case_.problem = gemm::GemmProblem::parse(problem_);
  take_weights(weights, case_);
  TokenActivations activations = quantize_tokens(x.values, x.rows, x.cols);
  case_.a = std::move(activations.q);
  case_.sx = std::move(activations.sx);
  case_.token_sum = std::move(activations.token_sum);
  case_.quantised_sum = std::move(activations.quantised_sum);
  for (const float value : bias)
    case_.bias.push_back(output == "bf16" ? float_to_bfloat16(value) : float_to_half(value));
}

std::vector<std::pair<std::string, std::string>> PackedGemm::weight_tensors() const {
  std::vector<std::pair<std::string, std::string>> names{{"w", linear_ + ".qweight"}, {"s1", linear_ + ".s1_scales"}};
  if (file_.format().group() == 0) {
    names.emplace_back("szero", linear_ + ".s1_szeros");
  } else if (file_.format().layout == PackedLayout::Fragment) {
    names.emplace_back("s2", linear_ + ".s2_metadata");
  } else {
    names.emplace_back("s2", linear_ + ".s2_scales");
    names.emplace_back("zeros", linear_ + ".s2_zeros");
  }
  return names;
}

std::vector<Buffer> PackedGemm::operands() const {
  const gemm::GemmProblem& p = case_.problem;
  std::vector<Buffer> buffers{make_buffer("a", Role::Input, case_.a), make_buffer("sx", Role::Input, case_.sx),
                              make_buffer("t", Role::Input, case_.token_sum),
                              make_buffer("qsum", Role::Input, case_.quantised_sum)};
  for (const auto& [buffer, tensor] : weight_tensors()) {
    const std::span<const std::byte> bytes = file_.tensor(tensor).bytes;
    buffers.push_back({buffer, Role::Weights, {bytes.begin(), bytes.end()}});
  }
  if (p.bias) buffers.push_back(make_buffer("bias", Role::Weights, case_.bias));
  const size_t outputs = static_cast<size_t>(p.m) * static_cast<size_t>(p.n);
  buffers.push_back({"out", Role::Output, std::vector<std::byte>(outputs * (p.output == gemm::Output::I32 ? 4 : 2))});
  return buffers;
}

std::vector<std::byte> PackedGemm::expected() const { return gemm::finish(case_, gemm::accumulate(case_, case_.w)); }

Buffer& buffer_named(std::vector<Buffer>& buffers, std::string_view name) {
  for (Buffer& buffer : buffers) {
    if (buffer.name == name) return buffer;
  }
  throw std::runtime_error(fmt::format("no buffer {}", name));
}

std::vector<float> halves(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / 2);
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half;
    std::memcpy(&half, bytes.data() + 2 * i, 2);
    values[i] = half_to_float(half);
  }
  return values;
}

}  // namespace qoq::test
