#include "kernels/checkpoint/qserve.h"

#include <algorithm>
#include <array>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/checkpoint/channel_zero.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view codes_suffix = ".qweight";
/// Groups looked at before a verdict: a matrix or two.
constexpr int enough_groups = 1 << 16;
constexpr uint16_t half_infinity = 0x7c00;

int place_in_32(int column, GroupOrder order) {
  return order == GroupOrder::Quads ? column % 8 * 4 + column / 8 : column / 16 * 16 + column % 8 * 2 + column % 16 / 8;
}

/// Natural order [K/group][N] of a file's metadata.
std::vector<int8_t> unpack_metadata(std::span<const int8_t> packed, int n, GroupOrder order) {
  std::array<size_t, 32> place;
  for (int column = 0; column < 32; ++column) {
    place[static_cast<size_t>(column)] = static_cast<size_t>(place_in_32(column, order));
  }
  std::vector<int8_t> values(packed.size());
  for (size_t first = 0; first < packed.size(); first += 32) {
    for (size_t column = 0; column < 32; ++column) values[first + column] = packed[first + place[column]];
  }
  if (values.size() % static_cast<size_t>(n) != 0) fail("{} values are no rows of n={}", values.size(), n);
  return values;
}

/// The squared distance of a group's mean code from its zero point. Zero points are not negative, so an offset above 0
/// was stored modulo 256. A scale of 0 has no zero point; it counts as the furthest.
double distance(std::span<const uint8_t> codes, int scale, int offset) {
  if (scale <= 0) return 15.0 * 15.0;
  int sum = 0;
  for (const uint8_t code : codes) sum += code;
  const double zero = static_cast<double>(offset > 0 ? 256 - offset : -offset) / scale;
  const double difference = static_cast<double>(sum) / static_cast<double>(codes.size()) - zero;
  return difference * difference;
}

/// Adds one linear's groups to the evidence; its distances are sums here.
void add_evidence(OrderEvidence& evidence, const std::vector<uint8_t>& q4, const GroupMetadata& quads,
                  const GroupMetadata& pairs, size_t n, size_t k, size_t group) {
  for (size_t row = 0; row < n; ++row) {
    const int column = static_cast<int>(row % 32);
    if (place_in_32(column, GroupOrder::Quads) == place_in_32(column, GroupOrder::Pairs)) continue;
    for (size_t each = 0; each < k / group; ++each) {
      const auto codes = std::span(q4).subspan(row * k + each * group, group);
      const size_t at = each * n + row;
      evidence.quads += distance(codes, quads.scale[at], quads.offset[at]);
      evidence.pairs += distance(codes, pairs.scale[at], pairs.offset[at]);
      ++evidence.groups;
    }
  }
}

[[noreturn]] void refuse_shape(const Tensor& tensor, const std::string& expected) {
  bad_input("{}: is {} [{}], expected {}", place_of(tensor), dtype_name(tensor.dtype), fmt::join(tensor.shape, ", "),
            expected);
}

void expect(const Tensor& tensor, DType dtype, const std::vector<uint64_t>& shape) {
  if (tensor.dtype != dtype || tensor.shape != shape) {
    refuse_shape(tensor, fmt::format("{} [{}]", dtype_name(dtype), fmt::join(shape, ", ")));
  }
}

/// fp16 values that are numbers from 0 on.
std::vector<uint16_t> read_positive(const Tensor& tensor) {
  std::vector<uint16_t> values = read_values<uint16_t>(tensor);
  const auto bad = std::find_if(values.begin(), values.end(), [](uint16_t bits) { return bits >= half_infinity; });
  if (bad != values.end()) {
    bad_input("{}: row {} has {}, a scale and a scaled zero point are finite and not negative", place_of(tensor),
              bad - values.begin(), half_to_float(*bad));
  }
  return values;
}

Checkpoint open_tensors(const fs::path& folder) {
  const auto has = [&](const char* name) {
    std::error_code ignored;
    return fs::exists(folder / name, ignored);
  };
  if (!has("model.safetensors") && !has("model.safetensors.index.json")) {
    for (const char* name : {"quant_model.pt", "pytorch_model.bin"}) {
      if (has(name)) return Checkpoint::open_pytorch(folder / name);
    }
  }
  return Checkpoint::open(folder);
}

}  // namespace

std::string_view group_order_name(GroupOrder order) { return order == GroupOrder::Quads ? "quads" : "pairs"; }

std::optional<GroupOrder> OrderEvidence::verdict() const {
  constexpr int fewest_groups = 32;
  if (groups < fewest_groups || 2 * std::min(quads, pairs) >= std::max(quads, pairs)) return std::nullopt;
  return quads < pairs ? GroupOrder::Quads : GroupOrder::Pairs;
}

QServeCheckpoint QServeCheckpoint::open(const fs::path& folder, std::optional<GroupOrder> order) {
  QServeCheckpoint checkpoint(open_tensors(folder));
  for (const std::string& name : checkpoint.tensors_.names()) {
    if (name.ends_with(codes_suffix)) checkpoint.add_linear(name.substr(0, name.size() - codes_suffix.size()));
  }
  if (checkpoint.linears_.empty()) {
    bad_input("{}: has no NAME.qweight: is no checkpoint of QServe's or DeepCompressor's converter", folder.string());
  }
  const bool groups = std::any_of(checkpoint.linears_.begin(), checkpoint.linears_.end(),
                                  [](const auto& linear) { return linear.second.group != 0; });
  if (!groups) return checkpoint;
  const OrderEvidence evidence = order ? OrderEvidence{} : checkpoint.gather_evidence();
  checkpoint.order_ = order ? order : evidence.verdict();
  if (!checkpoint.order_) {
    bad_input(
        "{}: cannot tell which converter ordered its group scales: over {} groups, codes are off their zero points by "
        "{:.2f} in the order of QServe's and by {:.2f} in the other of DeepCompressor's (mean squares)",
        folder.string(), evidence.groups, evidence.quads, evidence.pairs);
  }
  return checkpoint;
}

void QServeCheckpoint::add_linear(const std::string& name) {
  const Tensor& codes = tensors_.tensor(name + ".qweight");
  constexpr uint64_t most = std::numeric_limits<int>::max() / 2;
  if ((codes.dtype != DType::I8 && codes.dtype != DType::U8) || codes.shape.size() != 2 || codes.shape[0] == 0 ||
      codes.shape[1] == 0 || codes.shape[0] > most || codes.shape[1] > most || codes.shape[0] % 32 != 0 ||
      codes.shape[1] % 16 != 0) {
    refuse_shape(codes, "I8 [N, K/2] with N and K multiples of 32");
  }
  const uint64_t n = codes.shape[0], k = 2 * codes.shape[1];
  expect(tensors_.tensor(name + ".s1_scales"), DType::F16, {n});
  Shape shape{static_cast<int>(n), static_cast<int>(k), 0};
  if (tensors_.contains(name + ".s1_szeros")) {
    if (tensors_.contains(name + ".s2_scales"))
      bad_input("{}: has s1_szeros and s2_scales, expected one", place_of(codes));
    expect(tensors_.tensor(name + ".s1_szeros"), DType::F16, {n});
  } else {
    const Tensor& scales = tensors_.tensor(name + ".s2_scales");
    const uint64_t groups = scales.shape.size() == 2 ? scales.shape[0] : 0;
    const uint64_t group = groups != 0 && k % groups == 0 ? k / groups : 0;
    if (group != 128 && group != 64 && group != 32) {
      refuse_shape(scales, fmt::format("I8 [{} / group, {}] with a group of 128, 64 or 32", k, n));
    }
    expect(scales, DType::I8, {groups, n});
    expect(tensors_.tensor(name + ".s2_zeros"), DType::I8, {groups, n});
    shape.group = static_cast<int>(group);
  }
  linears_.emplace(name, shape);
}

OrderEvidence QServeCheckpoint::gather_evidence() const {
  OrderEvidence evidence;
  for (const auto& [name, shape] : linears_) {
    if (shape.group == 0) continue;
    const auto codes =
        unpack_qserve_weights(read_values<uint8_t>(tensors_.tensor(name + ".qweight")), shape.n, shape.k);
    const auto scales = read_values<int8_t>(tensors_.tensor(name + ".s2_scales"));
    const auto offsets = read_values<int8_t>(tensors_.tensor(name + ".s2_zeros"));
    const auto unpacked = [&, n = shape.n](GroupOrder order) {
      return GroupMetadata{unpack_metadata(scales, n, order), unpack_metadata(offsets, n, order)};
    };
    add_evidence(evidence, codes, unpacked(GroupOrder::Quads), unpacked(GroupOrder::Pairs),
                 static_cast<size_t>(shape.n), static_cast<size_t>(shape.k), static_cast<size_t>(shape.group));
    if (evidence.groups >= enough_groups) break;
  }
  const double groups = std::max(1, evidence.groups);
  evidence.quads /= groups;
  evidence.pairs /= groups;
  return evidence;
}

std::vector<std::string> QServeCheckpoint::linears() const {
  std::vector<std::string> names;
  for (const auto& [name, shape] : linears_) names.push_back(name);
  return names;
}

LinearWeights QServeCheckpoint::linear(std::string_view name) const {
  const auto found = linears_.find(name);
  if (found == linears_.end()) bad_input("there is no quantised linear {}", in_quotes(name));
  const auto [n, k, group] = found->second;
  const auto part = [&](const char* suffix) -> const Tensor& { return tensors_.tensor(found->first + suffix); };
  std::vector<uint8_t> codes = unpack_qserve_weights(read_values<uint8_t>(part(".qweight")), n, k);
  std::vector<uint16_t> s1 = read_positive(part(".s1_scales"));
  if (group == 0) {
    std::vector<uint16_t> szero = read_positive(part(".s1_szeros"));
    std::vector<uint8_t> zero(szero.size());
    for (size_t row = 0; row < zero.size(); ++row) zero[row] = std::min<uint8_t>(15, channel_zero(szero[row], s1[row]));
    return {n, k, ChannelWeights{std::move(codes), std::move(zero), std::move(s1), std::move(szero)}};
  }
  GroupMetadata metadata{unpack_metadata(read_values<int8_t>(part(".s2_scales")), n, *order_),
                         unpack_metadata(read_values<int8_t>(part(".s2_zeros")), n, *order_)};
  if (const auto outside = outside_vadd4_range(metadata, n))
    bad_input("{}: {}", place_of(part(".s2_scales")), *outside);
  return {n, k, GroupWeights{group, std::move(codes), std::move(metadata), std::move(s1)}};
}

}  // namespace qoq
