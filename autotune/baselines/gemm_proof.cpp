#include "autotune/baselines/gemm_proof.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "autotune/baselines/float8.h"
#include "kernels/base/float16.h"
#include "kernels/base/random.h"

namespace qoq::baselines {

namespace {

constexpr int random_elements = 64;

double value_at(Format format, std::span<const std::byte> bytes, size_t index) {
  const std::byte* at = bytes.data() + index * bytes_of(format);
  uint16_t half = 0;
  int32_t sum = 0;
  switch (format) {
    case Format::Int8:
      return static_cast<int8_t>(*at);
    case Format::E4M3:
      return e4m3_to_float(static_cast<uint8_t>(*at));
    case Format::BF16:
      std::memcpy(&half, at, sizeof half);
      return bfloat16_to_float(half);
    case Format::F16:
      std::memcpy(&half, at, sizeof half);
      return half_to_float(half);
    case Format::Int32:
      std::memcpy(&sum, at, sizeof sum);
      return sum;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

/// The sum of four random bytes is close to normal; two such sums from each word of the generator.
class NormalBytes {
 public:
  static constexpr size_t sums = 4 * 255 + 1;
  static float value(size_t sum) {
    constexpr double deviation = 147.8;  // of the sum: √(4 · (256² − 1) / 12)
    return static_cast<float>((static_cast<double>(sum) - 510) / deviation);
  }
  explicit NormalBytes(Random& random) : random_(random) {}
  size_t next() {
    if (!half_left_) word_ = random_.next();
    size_t sum = 0;
    for (int i = 0; i < 4; ++i, word_ >>= 8) sum += word_ & 255;
    half_left_ = !half_left_;
    return sum;
  }

 private:
  Random& random_;
  uint64_t word_ = 0;
  bool half_left_ = false;
};

template <class Code, class Encode>
std::vector<std::byte> draw_normal(Random& random, size_t count, Encode encode) {
  std::array<Code, NormalBytes::sums> codes;
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = encode(NormalBytes::value(i));
  NormalBytes normal(random);
  std::vector<std::byte> bytes(count * sizeof(Code));
  for (size_t i = 0; i < count; ++i) std::memcpy(bytes.data() + i * sizeof(Code), &codes[normal.next()], sizeof(Code));
  return bytes;
}

std::vector<std::byte> draw(Random& random, Format format, size_t count) {
  if (format == Format::E4M3) return draw_normal<uint8_t>(random, count, float_to_e4m3);
  if (format == Format::BF16) return draw_normal<uint16_t>(random, count, float_to_bfloat16);
  return random.bytes<std::byte>(count, [](uint8_t byte) { return std::byte(byte == 128 ? 127 : byte); });
}

}  // namespace

size_t bytes_of(Format format) {
  switch (format) {
    case Format::Int8:
    case Format::E4M3:
      return 1;
    case Format::BF16:
    case Format::F16:
      return 2;
    case Format::Int32:
      return 4;
  }
  return 0;
}

GemmProof::GemmProof(Format operands, Format output, int m, int n, int k, uint64_t seed)
    : operands_(operands),
      output_(output),
      m_(static_cast<size_t>(m)),
      n_(static_cast<size_t>(n)),
      k_(static_cast<size_t>(k)) {
  Random random(seed);
  x_ = draw(random, operands_, m_ * k_);
  w_ = draw(random, operands_, n_ * k_);
  sample_ = {element(0, 0), element(m_ - 1, n_ - 1)};
  for (int i = 0; i < random_elements; ++i) sample_.push_back(element(random.next() % m_, random.next() % n_));
}

void GemmProof::drop_operands() {
  x_ = {};
  w_ = {};
}

GemmProof::Element GemmProof::element(size_t row, size_t column) const {
  Element made{row, column, 0, 0};
  for (size_t i = 0; i < k_; ++i) {  // products are exact, and so are int8's sums
    const double product = value_at(operands_, x_, row * k_ + i) * value_at(operands_, w_, column * k_ + i);
    made.value += product;
    made.scale += product * product;
  }
  made.scale = std::sqrt(made.scale);
  return made;
}

size_t GemmProof::output_bytes() const { return m_ * n_ * bytes_of(output_); }

uint8_t GemmProof::poison() const { return output_ == Format::Int32 ? 0x80 : 0xff; }

Check GemmProof::check(std::span<const std::byte> y, double tolerance) const {
  if (y.size() != output_bytes()) {
    return {false, 1, fmt::format("the output has {} bytes instead of {}", y.size(), output_bytes())};
  }
  const size_t width = bytes_of(output_);
  const std::array<uint8_t, 4> untouched = {poison(), poison(), poison(), poison()};
  size_t unwritten = 0, first = 0;
  for (size_t i = 0; i < m_ * n_; ++i) {
    if (std::memcmp(y.data() + i * width, untouched.data(), width) != 0) continue;
    if (unwritten++ == 0) first = i;
  }
  if (unwritten > 0) {
    return {
        false, 1,
        fmt::format("{} of {} outputs were not written, first y[{}, {}]", unwritten, m_ * n_, first / n_, first % n_)};
  }
  Check result{true, 0, ""};
  for (const Element& right : sample_) {
    const double got = value_at(output_, y, right.row * n_ + right.column);
    const double size = std::abs(right.value) + right.scale, error = std::abs(got - right.value);
    const double relative = error == 0 ? 0 : error / size;
    if (relative <= tolerance) {
      result.max_error = std::max(result.max_error, relative);
      continue;
    }
    result.max_error = std::max(result.max_error, std::isfinite(relative) ? relative : 1);
    if (result.pass) {
      result.message = fmt::format("y[{}, {}] = {}, reference {}, allowed ± {:.4g}", right.row, right.column, got,
                                   right.value, tolerance * size);
    }
    result.pass = false;
  }
  return result;
}

}  // namespace qoq::baselines
