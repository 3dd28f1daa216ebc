#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/qoq/layout.h"

namespace qoq {

/// Weights in 4 bits from weights in fp32 (QServe paper, section 4.1). Results are the same bit for bit on every
/// machine and on any number of threads: single fp32 operations in a fixed order, and integers.
/// All functions take `w` as [N][K], and throw Fault::Input for a weight that is not finite (with its place), for sizes
/// that disagree, and for a row whose scale exceeds fp16.

/// Codes of a row's first, symmetric level. With s2 at most 16 a value rounds to a multiple of s2 at most 8 away: 119
/// is the most that keeps it in int8.
inline constexpr int protective_range = 119;

/// A group's second level: value = (q4 − zero)·scale.
struct GroupScale {
  int scale = 1;  ///< s2, 1 … 16
  int zero = 0;   ///< z, 0 … 15
  bool operator==(const GroupScale&) const = default;
};

/// How s2 and z follow from the least and the largest value, low ≤ 0 ≤ high, of a group. Zero is always in the range,
/// or z would leave 4 bits.
enum class GroupRule {
  Nearest,     ///< the paper's: s2 = round((high − low)/15), z = round(−low/s2): ends are lost where s2 rounds down
  Covering,    ///< s2 rounded up: no weight is further off than s1·s2/2
  LeastError,  ///< of both and of all narrower ranges down to half, the one of least squared error (clipping)
};

GroupScale nearest_scale(int low, int high);
GroupScale covering_scale(int low, int high);
/// q4 = clamp(round(x/s2) + z, 0, 15), ties to even; |x| ≤ 127.
int group_code(float x, GroupScale);

/// W ≈ (q4 − z)·s2·s1: what pack_qserve_weights and the metadata packers take.
struct GroupWeights {
  int group = 128;           ///< 128 (the kernels'), 64 or 32
  std::vector<uint8_t> q4;   ///< [N][K], 0 … 15
  GroupMetadata metadata;    ///< [K/group][N]; every (q4 − z)·s2 lies in int8
  std::vector<uint16_t> s1;  ///< [N] fp16
  bool operator==(const GroupWeights&) const = default;
};

/// s1 = the least fp16 with 119·s1 ≥ max|w| of the row; x = w/s1; then q4 of x, group by group. A row of zeros has
/// s1 = 2^-24, and a group of zeros s2 = 1, z = 0, codes 0. `threads` 0: one a core.
GroupWeights quantize_groups(std::span<const float> w, int n, int k, int group = 128,
                             GroupRule rule = GroupRule::Nearest, int threads = 0);
/// float(Q8)·s1, one rounding.
std::vector<float> dequantize(const GroupWeights& weights, int n, int k);

/// W ≈ (q4 − z)·s1, a scale and a zero a row.
struct ChannelWeights {
  std::vector<uint8_t> q4;      ///< [N][K], 0 … 15
  std::vector<uint8_t> zero;    ///< [N] z, 0 … 15
  std::vector<uint16_t> s1;     ///< [N] fp16
  std::vector<uint16_t> szero;  ///< [N] fp16(z·s1), what the kernels' epilogue subtracts
  bool operator==(const ChannelWeights&) const = default;
};

/// s1 = the least fp16 with 15·s1 ≥ high − low (0 in the range), z = round(−low/s1), q4 = clamp(round(w/s1) + z, 0,
/// 15). With `clip` the range shrinks by whole twentieths down to half, to the least squared error; of equals the
/// widest.
ChannelWeights quantize_channels(std::span<const float> w, int n, int k, bool clip = false, int threads = 0);
/// float(q4)·s1 − szero, two roundings: the weight that a kernel's output stands for.
std::vector<float> dequantize(const ChannelWeights& weights, int n, int k);

}  // namespace qoq
