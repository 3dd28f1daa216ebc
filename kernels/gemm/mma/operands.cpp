#include "kernels/gemm/mma/operands.h"

#include <cstring>

#include "kernels/base/error.h"
#include "kernels/gemm/packing.h"

namespace qoq::gemm {

namespace {

using Role = Buffer::Role;

template <class T>
Buffer buffer(std::string name, Buffer::Role role, const std::vector<T>& values) {
  Buffer result{std::move(name), role, {}};
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  result.bytes.assign(bytes, bytes + values.size() * sizeof(T));
  return result;
}

std::vector<uint8_t> as_bytes(const std::vector<int8_t>& values) { return {values.begin(), values.end()}; }

/// What turns sums into outputs, and the poisoned output itself.
void add_epilogue(const GemmCase& c, std::vector<Buffer>& buffers) {
  const GemmProblem& p = c.problem;
  const bool scaled = p.scheme != Scheme::W4A16Group && p.scheme != Scheme::W4A4Group;
  if (p.output != Output::I32 && scaled) {
    buffers.push_back(buffer("s1", Role::Weights, c.s1));
    buffers.push_back(buffer("sx", Role::Input, c.sx));
    if (p.scheme == Scheme::W4A8Channel) {
      buffers.push_back(buffer("szero", Role::Weights, c.szero));
      buffers.push_back(buffer("t", Role::Input, c.token_sum));
    }
  }
  if (p.bias) buffers.push_back(buffer("bias", Role::Weights, c.bias));
  const size_t outputs = static_cast<size_t>(p.m) * static_cast<size_t>(p.n) * (p.output == Output::I32 ? 4 : 2);
  buffers.push_back({"out", Role::Output, std::vector<std::byte>(outputs, std::byte{0xcd})});
}

}  // namespace

PackedGroupWeights pack_group_weights(std::span<const uint8_t> q4, const GroupMetadata& metadata, int n, int k,
                                      Dequant wanted, Layout layout) {
  PackedGroupWeights packed{wanted, layout, pack_qserve_weights(q4, n, k), {}, {}, ""};
  if (wanted != Dequant::Vadd4) {
    if (const auto why = outside_imad_range(q4, metadata, n, k)) {
      packed.dequant = Dequant::Vadd4;
      packed.layout = Layout::QServe;
      packed.note = "packed for vadd4 instead: " + *why;
    }
  }
  if (packed.dequant == Dequant::Vadd4) {
    if (const auto why = outside_vadd4_range(metadata, n)) bad_input("these weights fit no dequantisation: {}", *why);
  }
  if (packed.layout == Layout::Fragment) {
    packed.metadata = pack_fragment_metadata(metadata, n);
  } else {
    packed.metadata = as_bytes(pack_qserve_metadata(metadata.scale, n));
    packed.zeros = as_bytes(pack_qserve_metadata(metadata.offset, n));
  }
  return packed;
}

namespace {

/// The ablation's words must not be infinite or NaN as fp16 pairs (kernels/gemm/float_reference.h).
std::vector<Buffer> prepare_w4a16(const GemmCase& c, bool ablated) {
  const GemmProblem& p = c.problem;
  std::vector<uint8_t> weights = pack_half_weights(c.q4, p.n, p.k);
  for (size_t i = 1; ablated && i < weights.size(); i += 2) weights[i] &= 0xbf;
  return {buffer("a", Role::Input, c.a16), buffer("w", Role::Weights, weights),
          buffer("s2", Role::Weights, pack_half_metadata(c.group_scale, c.group_zero, p.n))};
}

std::vector<Buffer> prepare_w4a4(const GemmCase& c) {
  const GemmProblem& p = c.problem;
  return {buffer("a", Role::Input, pack_int4_rows(c.a)), buffer("w", Role::Weights, pack_int4_weights(c.w, p.n, p.k)),
          buffer("s2", Role::Weights, pack_column_scales(c.group_scale, p.n)),
          buffer("sx", Role::Input, pack_token_scales(c.token_group_scale, p.m))};
}

}  // namespace

std::vector<Buffer> prepare_operands(const GemmCase& c, const MmaConfig& config) {
  const GemmProblem& p = c.problem;
  if (p.scheme == Scheme::W4A16Group || p.scheme == Scheme::W4A4Group) {
    std::vector<Buffer> buffers = p.scheme == Scheme::W4A16Group ? prepare_w4a16(c, config.ablated) : prepare_w4a4(c);
    add_epilogue(c, buffers);
    return buffers;
  }
  std::vector<Buffer> buffers{buffer("a", Role::Input, c.a)};
  if (p.scheme == Scheme::W4A8Group) {
    const PackedGroupWeights packed = pack_group_weights(c.q4, c.metadata, p.n, p.k, config.dequant, config.layout);
    if (packed.dequant != config.dequant) bad_input("the variant cannot read these weights: {}", packed.note);
    buffers.push_back(buffer("w", Role::Weights, packed.weights));
    buffers.push_back(buffer("s2", Role::Weights, packed.metadata));
    if (!packed.zeros.empty()) buffers.push_back(buffer("zeros", Role::Weights, packed.zeros));
  } else if (p.scheme == Scheme::W4A8Channel) {
    buffers.push_back(buffer("w", Role::Weights, pack_qserve_weights(c.q4, p.n, p.k)));
  } else {
    buffers.push_back(buffer("w", Role::Weights, c.w));
  }
  if (config.dequant == Dequant::U8S8) buffers.push_back(buffer("qsum", Role::Input, c.quantised_sum));
  add_epilogue(c, buffers);
  return buffers;
}

std::vector<Buffer> prepare_plain_operands(const GemmCase& c) {
  std::vector<Buffer> buffers{buffer("a", Role::Input, c.a), buffer("w", Role::Weights, c.w)};
  add_epilogue(c, buffers);
  return buffers;
}

Arguments bind_operands(const MmaVariant& variant, const GemmProblem& problem, const Addresses& addresses) {
  const auto at = [&](const char* name, auto& pointer) { find_address(addresses, name, pointer); };
  MmaArgs args{};
  at("a", args.a);
  at("w", args.w);
  at("s2", args.metadata);
  at("zeros", args.zeros);
  at("s1", args.weight_scales);
  at("szero", args.weight_szeros);
  at("sx", args.token_scales);
  at("t", args.token_sums);
  at("qsum", args.quantised_sums);
  at("bias", args.bias);
  at("out", args.out);
  at("partials", args.partials);
  at("arrivals", args.arrivals);
  args.m = problem.m;
  args.n = problem.n;
  args.k = problem.k;
  args.splits = variant.splits;
  args.raster = variant.raster;
  std::vector<std::byte> bytes(sizeof args);
  std::memcpy(bytes.data(), &args, sizeof args);
  return {bytes};
}

}  // namespace qoq::gemm
