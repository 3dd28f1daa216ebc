#include "kernels/qoq/progressive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/base/random.h"

namespace qoq {
namespace {

constexpr GroupRule rules[] = {GroupRule::Nearest, GroupRule::Covering, GroupRule::LeastError};

std::vector<float> even_rows(int n, int k, uint64_t seed) {
  Random random(seed);
  std::vector<float> w(static_cast<size_t>(n) * static_cast<size_t>(k));
  for (float& value : w) value = random.uniform(-0.1f, 0.13f);
  return w;
}

/// Cubed uniforms, every 97th value ten times as large.
std::vector<float> heavy_rows(int n, int k, uint64_t seed) {
  std::vector<float> w = even_rows(n, k, seed);
  for (size_t i = 0; i < w.size(); ++i) w[i] = w[i] * w[i] * w[i] * 100.0f * (i % 97 == 0 ? 10.0f : 1.0f);
  return w;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
  return "";
}

// ---- the protective range

/// (low, high) of integers up to ±limit of which some value of the group leaves int8; values in quarters between them.
int violating_pairs(GroupScale (*rule)(int, int), int limit) {
  int pairs = 0;
  for (int low = -limit; low <= 0; ++low) {
    for (int high = 0; high <= limit; ++high) {
      const GroupScale s = rule(low, high);
      bool leaves = false;
      for (int quarters = 4 * low; quarters <= 4 * high; ++quarters) {
        const int value = (group_code(static_cast<float>(quarters) * 0.25f, s) - s.zero) * s.scale;
        leaves |= value < -128 || value > 127;
      }
      pairs += leaves;
    }
  }
  return pairs;
}

TEST(ProtectiveRange, NothingOf119LeavesInt8And120Does) {
  EXPECT_EQ(violating_pairs(nearest_scale, protective_range), 0);
  EXPECT_EQ(violating_pairs(covering_scale, protective_range), 0);
  EXPECT_EQ(violating_pairs(nearest_scale, 120), 7);
  EXPECT_EQ(violating_pairs(nearest_scale, 127), 278);
}

/// Any s2 with any z that a value of the group can have been rounded to: what the search may choose.
TEST(ProtectiveRange, HoldsForEveryScaleZeroAndCode) {
  for (int scale = 1; scale <= 16; ++scale) {
    for (int zero = 0; zero <= 15; ++zero) {
      if (zero * scale > protective_range + scale / 2) continue;  // no low end rounds there
      for (int q = 0; q <= 15; ++q) {
        float least = INFINITY, most = -INFINITY;  // of the values with this code
        for (int eighths = -8 * protective_range; eighths <= 8 * protective_range; ++eighths) {
          const float x = static_cast<float>(eighths) * 0.125f;
          if (group_code(x, {scale, zero}) != q) continue;
          least = std::min(least, x);
          most = std::max(most, x);
        }
        if (least > most) continue;  // no value has this code
        const int value = (q - zero) * scale;
        ASSERT_TRUE(value >= -128 && value <= 127) << "s2 " << scale << " z " << zero << " q " << q;
      }
    }
  }
}

TEST(GroupScales, ByHand) {
  EXPECT_EQ(nearest_scale(-119, 119), (GroupScale{16, 7}));  // 238/15 = 15.9; 119/16 = 7.4
  EXPECT_EQ(nearest_scale(-119, 103), (GroupScale{15, 8}));  // 222/15 = 14.8; 119/15 = 7.9
  EXPECT_EQ(nearest_scale(0, 22), (GroupScale{1, 0}));       // 1.47 rounds down
  EXPECT_EQ(covering_scale(0, 22), (GroupScale{2, 0}));      // and up
  EXPECT_EQ(nearest_scale(-3, 27), (GroupScale{2, 2}));      // 3/2 is a tie: to even
  EXPECT_EQ(nearest_scale(-1, 29), (GroupScale{2, 0}));      // 1/2 is a tie: to even
  EXPECT_EQ(nearest_scale(-22, 0), (GroupScale{1, 15}));     // z stays a nibble
  EXPECT_EQ(nearest_scale(0, 0), (GroupScale{1, 0}));
}

TEST(GroupCodes, TiesGoToEvenBeforeTheZeroIsAdded) {
  const GroupScale s{2, 3};
  const std::vector<std::pair<float, int>> pinned{{1.0f, 3},  {3.0f, 5},  {5.0f, 5},  {-1.0f, 3},  {-3.0f, 1},
                                                  {-5.0f, 1}, {1.1f, 4},  {-1.1f, 2}, {24.0f, 15}, {26.0f, 15},
                                                  {-6.0f, 0}, {-9.0f, 0}, {0.99f, 3}, {-0.0f, 3}};
  for (const auto& [x, code] : pinned) EXPECT_EQ(group_code(x, s), code) << x;
}

// ---- groups

TEST(QuantizeGroups, ARowByHand) {
  std::vector<float> w(32, 0.0f);
  w[0] = 59.5f, w[1] = -8.0f, w[2] = 2.0f, w[3] = 6.0f, w[4] = 0.99f;  // s1 = 0.5: 119, −16, 4, 12, 1.98
  const GroupWeights out = quantize_groups(w, 1, 32, 32);
  EXPECT_EQ(half_to_float(out.s1[0]), 0.5f);
  EXPECT_EQ(out.metadata.scale[0], 9);     // 135/15
  EXPECT_EQ(out.metadata.offset[0], -18);  // z = round(16/9) = 2
  EXPECT_EQ(out.q4[0], 15);                // 13.2 + 2
  EXPECT_EQ(out.q4[1], 0);                 // −1.8 + 2
  EXPECT_EQ(out.q4[2], 2);                 // 0.44
  EXPECT_EQ(out.q4[3], 3);                 // 1.33
  EXPECT_EQ(out.q4[4], 2);
  EXPECT_EQ(dequantize(out, 1, 32)[0], 58.5f);  // 13·9·0.5
}

TEST(QuantizeGroups, CoveringIsHalfAStepOff) {
  for (const auto& w : {even_rows(16, 512, 1), heavy_rows(16, 512, 2)}) {
    for (const int group : {128, 64, 32}) {
      const GroupWeights out = quantize_groups(w, 16, 512, group, GroupRule::Covering);
      const std::vector<float> back = dequantize(out, 16, 512);
      for (size_t i = 0; i < w.size(); ++i) {
        const size_t row = i / 512, at = i % 512 / static_cast<size_t>(group) * 16 + row;
        const float step = half_to_float(out.s1[row]) * static_cast<float>(out.metadata.scale[at]);
        ASSERT_NEAR(back[i], w[i], step * 0.50001f) << "group " << group << " row " << row << " k " << i % 512;
      }
    }
  }
}

TEST(QuantizeGroups, FitsTheKernelsForms) {
  const std::vector<float> w = heavy_rows(64, 512, 3);
  for (const GroupRule rule : rules) {
    const GroupWeights out = quantize_groups(w, 64, 512, 128, rule);
    EXPECT_EQ(outside_imad_range(out.q4, out.metadata, 64, 512), std::nullopt);
    EXPECT_EQ(outside_vadd4_range(out.metadata, 64), std::nullopt);
    EXPECT_EQ(unpack_qserve_weights(pack_qserve_weights(out.q4, 64, 512), 64, 512), out.q4);
    const std::vector<int8_t> q8 = reconstruct_int8(out.q4, out.metadata, 64, 512);
    const std::vector<float> back = dequantize(out, 64, 512);
    for (size_t i = 0; i < q8.size(); ++i) ASSERT_EQ(back[i], q8[i] * half_to_float(out.s1[i / 512]));
  }
}

TEST(QuantizeGroups, SearchIsNeverWorseAndWinsOnHeavyTails) {
  for (const int group : {128, 64, 32}) {
    const std::vector<float> w = heavy_rows(32, 512, 4);
    double errors[3];
    for (size_t i = 0; i < 3; ++i)
      errors[i] = squared_error(dequantize(quantize_groups(w, 32, 512, group, rules[i]), 32, 512), w);
    EXPECT_LT(errors[2], 0.97 * std::min(errors[0], errors[1])) << errors[0] << " " << errors[1] << " " << errors[2];
  }
}

TEST(QuantizeGroups, ZerosAndEqualWeightsAreDefined) {
  for (const GroupRule rule : rules) {
    const GroupWeights zeros = quantize_groups(std::vector<float>(256, -0.0f), 1, 256, 128, rule);
    EXPECT_EQ(zeros.s1, std::vector<uint16_t>{1});
    EXPECT_EQ(zeros.metadata, (GroupMetadata{{1, 1}, {0, 0}}));
    EXPECT_EQ(zeros.q4, std::vector<uint8_t>(256, 0));
    for (const float value : {1.0f, -1.0f}) {
      const GroupWeights equal = quantize_groups(std::vector<float>(128, value), 1, 128, 128, rule);
      for (const float back : dequantize(equal, 1, 128)) EXPECT_NEAR(back, value, 0.01f);  // 15·8 = 120 for ±119
    }
  }
}

TEST(QuantizeGroups, TheScaleCoversTheRowEvenBelowFp16sNormals) {
  for (const float largest : {1e-9f, 3e-5f, 0.1234567f, 7.0f, 65504.0f * 119.0f}) {
    std::vector<float> w(128, largest * 0.5f);
    w[7] = -largest;
    const uint16_t s1 = quantize_groups(w, 1, 128).s1[0];
    EXPECT_GE(half_to_float(s1) * 119.0f, largest);
    EXPECT_LT(half_to_float(static_cast<uint16_t>(s1 - 1)) * 119.0f, largest);  // 1e-9: s1 is the least there is
  }
}

TEST(Quantize, ThreadsDoNotMatter) {
  const std::vector<float> w = heavy_rows(37, 256, 5);
  for (const GroupRule rule : rules) {
    EXPECT_EQ(quantize_groups(w, 37, 256, 64, rule, 1), quantize_groups(w, 37, 256, 64, rule, 7));
  }
  EXPECT_EQ(quantize_channels(w, 37, 256, true, 1), quantize_channels(w, 37, 256, true, 7));
}

TEST(Quantize, RefusesWithThePlace) {
  std::vector<float> w(4 * 256, 1.0f);
  w[2 * 256 + 17] = std::numeric_limits<float>::quiet_NaN();
  w[3 * 256 + 1] = INFINITY;
  EXPECT_EQ(refusal([&] { quantize_groups(w, 4, 256); }),
            "weight n=2 k=17 is nan: only finite weights can be quantised");
  w[2 * 256 + 17] = 0;
  EXPECT_EQ(refusal([&] { quantize_channels(w, 4, 256); }),
            "weight n=3 k=1 is inf: only finite weights can be quantised");
  w[3 * 256 + 1] = -7.9e6f;
  EXPECT_EQ(refusal([&] { quantize_groups(w, 4, 256); }), "row n=3 spans 7900000: its scale exceeds fp16's 65504");
  w[3 * 256 + 1] = -9e5f;
  EXPECT_EQ(refusal([&] { quantize_channels(w, 4, 256); }),
            "row n=3 reaches down to -900000: z·s1 exceeds fp16's 65504");
  EXPECT_EQ(refusal([&] { quantize_groups(std::vector<float>(192), 1, 192); }),
            "k=192 is not a multiple of the group of 128");
  EXPECT_EQ(refusal([&] { quantize_groups(w, 4, 256, 48); }), "groups are of 128, 64 or 32 weights, not of 48");
  EXPECT_EQ(refusal([&] { quantize_groups(w, 4, 255); }), "weights of n=4 k=255 do not fit 1024 values");
}

// ---- channels

TEST(QuantizeChannels, ARowByHand) {
  const std::vector<float> w{-1.0f, 2.75f, 0.0f, 0.125f, 0.375f, 0.6f};  // s1 = 3.75/15 = 0.25, z = 4
  const ChannelWeights out = quantize_channels(w, 1, 6);
  EXPECT_EQ(half_to_float(out.s1[0]), 0.25f);
  EXPECT_EQ(out.zero[0], 4);
  EXPECT_EQ(half_to_float(out.szero[0]), 1.0f);
  EXPECT_EQ(out.q4, (std::vector<uint8_t>{0, 15, 4, 4, 6, 6}));  // 0.5 and 1.5 are ties
  EXPECT_EQ(dequantize(out, 1, 6), (std::vector<float>{-1.0f, 2.75f, 0.0f, 0.0f, 0.5f, 0.5f}));
}

TEST(QuantizeChannels, HalfAStepOffAndClippingIsNeverWorse) {
  for (const auto& w : {even_rows(16, 256, 6), heavy_rows(16, 256, 7)}) {
    const ChannelWeights out = quantize_channels(w, 16, 256);
    const std::vector<float> back = dequantize(out, 16, 256);
    for (size_t i = 0; i < w.size(); ++i) {
      const float bound = half_to_float(out.s1[i / 256]) * (0.5f + 15 * 0x1p-11f);  // and z·s1's rounding
      ASSERT_NEAR(back[i], w[i], bound);
    }
    EXPECT_LE(squared_error(dequantize(quantize_channels(w, 16, 256, true), 16, 256), w), squared_error(back, w));
  }
  const std::vector<float> w = heavy_rows(16, 256, 8);
  EXPECT_LT(squared_error(dequantize(quantize_channels(w, 16, 256, true), 16, 256), w),
            squared_error(dequantize(quantize_channels(w, 16, 256), 16, 256), w));
}

TEST(QuantizeChannels, ZerosAreDefined) {
  const ChannelWeights out = quantize_channels(std::vector<float>(8), 1, 8, true);
  EXPECT_EQ(out, (ChannelWeights{std::vector<uint8_t>(8), {0}, {1}, {0}}));
}

}  // namespace
}  // namespace qoq
