#include "roofline/serving/kernel_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"

namespace qoq::roofline {

std::string_view text(Basis basis) {
  switch (basis) {
    case Basis::Measured:
      return "measured";
    case Basis::Predicted:
      return "predicted";
    case Basis::Estimated:
      return "estimated";
  }
  return "";
}

std::string text(const std::set<Basis>& bases) {
  std::string joined;
  size_t left = bases.size();
  for (const Basis basis : bases) {
    --left;
    joined += std::string(text(basis)) + (left > 1 ? ", " : left == 1 ? " and " : "");
  }
  return joined;
}

Figured& Figured::operator+=(const Figured& other) {
  us += other.us;
  bases.insert(other.bases.begin(), other.bases.end());
  beyond |= other.beyond;
  return *this;
}

void TimeCurve::add(double size, double us, Basis basis) {
  if (!(size > 0) || !(us > 0)) fail("a kernel of size {} that takes {} us is none", size, us);
  const auto [found, fresh] = points_.try_emplace(size, Point{us, basis});
  Point& point = found->second;
  if (!fresh && (basis < point.basis || (basis == point.basis && us < point.us))) point = {us, basis};
}

Figured TimeCurve::at(double size) const {
  if (points_.empty()) fail("no kernel was tuned for this");
  const auto above = points_.lower_bound(size);
  if (above == points_.end()) {
    const auto& [largest, point] = *points_.rbegin();
    return {point.us * size / largest, {point.basis}, true};
  }
  if (above->first == size || above == points_.begin()) return {above->second.us, {above->second.basis}, false};
  const auto below = std::prev(above);
  const double share = (size - below->first) / (above->first - below->first);
  return {below->second.us + share * (above->second.us - below->second.us),
          {below->second.basis, above->second.basis},
          false};
}

std::string KernelTimes::gemm_key(std::string_view scheme, int64_t n, int64_t k) {
  return fmt::format("{} {} {}", scheme, n, k);
}
std::string KernelTimes::attention_key(std::string_view scheme, int q_heads, int kv_heads, int head_dim) {
  return fmt::format("{} {}/{} {}", scheme, q_heads, kv_heads, head_dim);
}

const TimeCurve* KernelTimes::gemm(std::string_view scheme, int64_t n, int64_t k) const {
  const auto found = gemms.find(gemm_key(scheme, n, k));
  return found == gemms.end() ? nullptr : &found->second;
}
const TimeCurve* KernelTimes::attention(std::string_view scheme, int q_heads, int kv_heads, int head_dim,
                                        double context) const {
  const auto found = attentions.find(attention_key(scheme, q_heads, kv_heads, head_dim));
  if (found == attentions.end() || found->second.empty()) return nullptr;
  const auto distance = [&](const auto& entry) {
    return std::abs(std::log(static_cast<double>(entry.first) / context));
  };
  return &std::ranges::min_element(found->second, {}, distance)->second;
}

}  // namespace qoq::roofline
