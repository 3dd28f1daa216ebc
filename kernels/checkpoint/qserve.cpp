#include "kernels/checkpoint/qserve.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/checkpoint/channel_zero.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view codes_suffix = ".qweight";
/// Rows looked at before a verdict: a few matrices' worth.
constexpr int enough_rows = 4096;
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

/// Whether a row's int8 weights are those of a quantiser that scaled its largest to 119 or 127. A group's scale is at
/// most 17, which is how far its rounding can bring that largest weight down.
bool makes_sense(const std::vector<uint8_t>& q4, const GroupMetadata& metadata, size_t n, size_t k, size_t group,
                 size_t row) {
  constexpr int least_of_largest = 127 - 17 - 10;
  int largest = 0;
  for (size_t each = 0; each < k / group; ++each) {
    const auto codes = std::span(q4).subspan(row * k + each * group, group);
    const auto [low, high] = std::minmax_element(codes.begin(), codes.end());
    const int scale = metadata.scale[each * n + row], offset = metadata.offset[each * n + row];
    // An offset of more than 128 below was stored modulo 256.
    const int shift = *low * scale + offset > 127 ? offset - 256 : offset;
    const int least = *low * scale + shift, most = *high * scale + shift;
    if (least < -128 || most > 127) return false;
    largest = std::max({largest, -least, most});
  }
  return largest >= least_of_largest;
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

void refuse_pickles(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name : {"quant_model.pt", "pytorch_model.bin", "model.pt", "pytorch_model.bin.index.json"}) {
    if (!fs::exists(folder / name, ignored)) continue;
    bad_input(
        "{}: holds {}, a PyTorch pickle, which can run code when it is read: save its tensors as "
        "model.safetensors (safetensors.torch.save_file(torch.load(…, weights_only=True), …)) first",
        folder.string(), name);
  }
}

}  // namespace

std::string_view group_order_name(GroupOrder order) { return order == GroupOrder::Quads ? "quads" : "pairs"; }

std::optional<GroupOrder> OrderEvidence::verdict() const {
  const int best = std::max(quads, pairs), other = std::min(quads, pairs);
  // "Nearly all" of the rows; and clearly fewer: a tenth of the rows, and enough of them to be no accident.
  if (best < rows - rows / 50 || best - other < std::max(8, rows / 10)) return std::nullopt;
  return quads > pairs ? GroupOrder::Quads : GroupOrder::Pairs;
}

QServeCheckpoint QServeCheckpoint::open(const fs::path& folder, std::optional<GroupOrder> order) {
  std::error_code ignored;
  if (!fs::exists(folder / "model.safetensors", ignored) &&
      !fs::exists(folder / "model.safetensors.index.json", ignored)) {
    refuse_pickles(folder);
  }
  QServeCheckpoint checkpoint(Checkpoint::open(folder));
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
        "{}: cannot tell which converter ordered its group scales: of {} rows {} make sense in the order of "
        "QServe's, {} in the other of DeepCompressor's",
        folder.string(), evidence.rows, evidence.quads, evidence.pairs);
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
    // With one group a row all the row's weights scale together: both orders reach 100.
    if (shape.group == 0) continue;
    const auto n = static_cast<size_t>(shape.n), k = static_cast<size_t>(shape.k),
               group = static_cast<size_t>(shape.group);
    const auto codes =
        unpack_qserve_weights(read_values<uint8_t>(tensors_.tensor(name + ".qweight")), shape.n, shape.k);
    const auto scales = read_values<int8_t>(tensors_.tensor(name + ".s2_scales"));
    const auto offsets = read_values<int8_t>(tensors_.tensor(name + ".s2_zeros"));
    for (const GroupOrder order : {GroupOrder::Quads, GroupOrder::Pairs}) {
      const GroupMetadata metadata{unpack_metadata(scales, shape.n, order), unpack_metadata(offsets, shape.n, order)};
      int& count = order == GroupOrder::Quads ? evidence.quads : evidence.pairs;
      for (size_t row = 0; row < n; ++row) count += makes_sense(codes, metadata, n, k, group, row);
    }
    evidence.rows += shape.n;
    if (evidence.rows >= enough_rows) break;
  }
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
