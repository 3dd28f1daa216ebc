#include "kernels/ceiling/tensor_family.h"

#include <fmt/format.h>

#include <bit>

#include "kernels/base/float16.h"
#include "kernels/base/random.h"
#include "kernels/ceiling/tensor.cuh"
#include "kernels/ceiling/warp_family.h"

namespace qoq::ceiling {

namespace {

constexpr int most_tiles = 4;  ///< of an mma point along either side
constexpr int most_columns = 256;
constexpr int64_t most_half_trips = 512;  ///< 2^24 / (16 · 8 · 8 a product · 32 products a trip into one sum)

/// Element of a fragment's word, as a number.
int int8_at(uint32_t word, int e) { return static_cast<int8_t>(word >> (8 * e)); }
float half_at(uint32_t word, int e) { return half_to_float(static_cast<uint16_t>(word >> (16 * e))); }

/// Σ over a row of A and a column of B from their fragments (PTX: "mma", layouts of m16n8k32 and m16n8k16). Row g of A
/// lies with lanes 4g … 4g + 3, words 0 and 2 (rows 8 and more: 1 and 3); column g of B with the same lanes.
template <class Sum, class At>
Sum product(const uint32_t* a, const uint32_t* b, int row, int column, int elements, At at) {
  Sum sum = 0;
  for (int half = 0; half < 2; ++half) {
    for (int lane = 0; lane < 4; ++lane) {
      const uint32_t a_word = a[(row / 8 + 2 * half) * 32 + row % 8 * 4 + lane];
      const uint32_t b_word = b[half * 32 + column * 4 + lane];
      for (int e = 0; e < elements; ++e) sum += static_cast<Sum>(at(a_word, e)) * static_cast<Sum>(at(b_word, e));
    }
  }
  return sum;
}

class MmaFamily final : public WarpFamily {
 public:
  std::string_view name() const override { return "ceiling/tensor"; }
  std::vector<std::string> schemes() const override { return {"mma.int8", "mma.fp16"}; }
  std::vector<Parameter> parameters() const override {
    return {{"threads", "threads of a CTA", {128, 256, 512}, {}},
            {"rows", "tiles of 16 rows a warp", {2, 4}, {}},
            {"columns", "tiles of 8 columns a warp", {2, 4}, {}}};
  }
  std::optional<std::string> unsupported(const Point& point, const Problem& problem,
                                         const Device& device) const override {
    if (!is_int8(problem) && problem.size("trips") > most_half_trips)
      return fmt::format("sums of more than {} trips are not exact in fp32", most_half_trips);
    return WarpFamily::unsupported(point, problem, device);
  }
  Traffic traffic(const Point& point, const Problem& problem, const Device& device) const override {
    Traffic traffic = WarpFamily::traffic(point, problem, device);
    traffic.mma_instructions = static_cast<double>(problem.size("warps") * problem.size("trips")) * mmas_per_trip;
    return traffic;
  }

 protected:
  Text text(const Point& point, const Problem& problem) const override {
    return {"kernels/ceiling/tensor.cuh",
            fmt::format("multiply_mma<{}, {}, {}, {}>", is_int8(problem) ? "qoq::i32" : "float", point.at("threads"),
                        point.at("rows"), point.at("columns"))};
  }
  double ops_per_warp_trip(const Problem& problem) const override {
    return 2.0 * mmas_per_trip * 16 * 8 * (is_int8(problem) ? 32 : 16);
  }
  std::string arithmetic(const Problem& problem) const override { return is_int8(problem) ? "int8" : "fp16"; }

  /// Halves are whole numbers to 8: sums of up to 2^24 of them are exact in fp32, in whatever order.
  std::vector<uint32_t> operands(const Problem& problem, uint64_t seed) const override {
    const size_t count = most_tiles * (128 + 64);
    if (is_int8(problem)) return random_words(count, seed);
    Random random(seed);
    std::vector<uint32_t> words(count);
    const auto number = [&] { return uint32_t{float_to_half(static_cast<float>(random.between(-8, 8)))}; };
    for (uint32_t& word : words) word = number() | number() << 16;
    return words;
  }

  std::vector<uint32_t> expected(const std::vector<uint32_t>& operands, const Point& point,
                                 const Problem& problem) const override {
    const int rows = point.at("rows"), columns = point.at("columns");
    const auto times = static_cast<uint32_t>(problem.size("trips") * (mmas_per_trip / (rows * columns)));
    std::vector<uint32_t> words(32);
    for (int lane = 0; lane < 32; ++lane) {
      uint32_t& word = words[static_cast<size_t>(lane)];
      for (int tile = 0; tile < rows * columns; ++tile) {
        const uint32_t* a = operands.data() + tile / columns * 128;
        const uint32_t* b = operands.data() + rows * 128 + tile % columns * 64;
        for (int e = 0; e < 4; ++e) {
          const int row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
          const uint32_t sum =
              is_int8(problem)
                  ? times * static_cast<uint32_t>(product<int>(a, b, row, column, 4, int8_at))
                  : std::bit_cast<uint32_t>(static_cast<float>(times) * product<float>(a, b, row, column, 2, half_at));
          word = word * 31 + sum;
        }
      }
    }
    return words;
  }

 private:
  static bool is_int8(const Problem& problem) { return problem.scheme == "mma.int8"; }
};

class WgmmaFamily final : public WarpFamily {
 public:
  std::string_view name() const override { return "ceiling/wgmma"; }
  std::vector<std::string> schemes() const override { return {"wgmma.int8"}; }
  std::vector<Parameter> parameters() const override {
    return {{"threads", "threads of a CTA", {128, 256, 384}, {}}, {"n", "columns of one wgmma", {128, 256}, {}}};
  }
  std::optional<std::string> unsupported(const Point& point, const Problem& problem,
                                         const Device& device) const override {
    if (device.compute_capability != 90) return "wgmma exists on compute capability 9.0 alone";
    return WarpFamily::unsupported(point, problem, device);
  }
  Traffic traffic(const Point& point, const Problem& problem, const Device& device) const override {
    Traffic traffic = WarpFamily::traffic(point, problem, device);
    traffic.mma_instructions =
        static_cast<double>(problem.size("warps") * problem.size("trips")) * columns_per_trip / point.at("n");
    return traffic;
  }

 protected:
  Text text(const Point& point, const Problem&) const override {
    return {"kernels/ceiling/tensor.cuh", fmt::format("multiply_wgmma<{}, {}>", point.at("threads"), point.at("n"))};
  }
  int64_t shared_bytes(const Point& point, const Problem&) const override { return point.at("n") * 128; }
  double ops_per_warp_trip(const Problem&) const override { return 2.0 * 16 * columns_per_trip * 32; }
  std::string arithmetic(const Problem&) const override { return "int8"; }
  std::vector<uint32_t> operands(const Problem&, uint64_t seed) const override {
    return random_words(k_steps * 128 + most_columns * 32, seed);
  }

  std::vector<uint32_t> expected(const std::vector<uint32_t>& operands, const Point& point,
                                 const Problem& problem) const override {
    const int n = point.at("n");
    const auto times = static_cast<uint32_t>(problem.size("trips") * (columns_per_trip / n / k_steps));
    std::vector<uint32_t> words(32);
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < n / 2; ++i) {
        const int row = lane / 4 + i % 4 / 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
        words[static_cast<size_t>(lane)] =
            words[static_cast<size_t>(lane)] * 31 + times * sum_of(operands, row, column);
      }
    }
    return words;
  }

 private:
  /// Row of A times column of B over all k steps. A: fragments step by step; B: 128 bytes of k a column, its 16-byte
  /// chunks exchanged by chunk ^ column % 8.
  static uint32_t sum_of(const std::vector<uint32_t>& operands, int row, int column) {
    const uint32_t* b = operands.data() + k_steps * 128 + column * 32;
    uint32_t sum = 0;
    for (int k = 0; k < k_steps * 32; ++k) {
      const int in_step = k % 32;
      const uint32_t a_word = operands[static_cast<size_t>(k / 32 * 128 + (row / 8 + in_step / 16 * 2) * 32 +
                                                           row % 8 * 4 + in_step % 16 / 4)];
      const uint32_t b_word = b[((k / 16) ^ (column % 8)) * 4 + k % 16 / 4];
      sum += static_cast<uint32_t>(int8_at(a_word, k % 4) * int8_at(b_word, k % 4));
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<Family> make_mma_family() { return std::make_unique<MmaFamily>(); }
std::unique_ptr<Family> make_wgmma_family() { return std::make_unique<WgmmaFamily>(); }

}  // namespace qoq::ceiling
