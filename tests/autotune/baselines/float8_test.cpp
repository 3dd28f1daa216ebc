#include "autotune/baselines/float8.h"

#include <gtest/gtest.h>

#include <cmath>

namespace qoq::baselines {
namespace {

TEST(Float8, HasTheFormatsLandmarks) {
  EXPECT_EQ(e4m3_to_float(0x38), 1.0f);
  EXPECT_EQ(e4m3_to_float(0x7e), 448.0f);
  EXPECT_EQ(e4m3_to_float(0x01), 0x1p-9f);
  EXPECT_EQ(e4m3_to_float(0x08), 0x1p-6f);
  EXPECT_EQ(e4m3_to_float(0xc4), -3.0f);
  EXPECT_TRUE(std::isnan(e4m3_to_float(0x7f)) && std::isnan(e4m3_to_float(0xff)));
}

TEST(Float8, EveryValueComesBackAndNeighboursShareTheirMiddle) {
  for (int bits = 0; bits < 256; ++bits) {
    const auto code = static_cast<uint8_t>(bits);
    if ((code & 0x7f) == 0x7f) continue;
    EXPECT_EQ(float_to_e4m3(e4m3_to_float(code)), code);
    if ((code & 0x7f) == 0x7e) continue;
    const float here = e4m3_to_float(code), next = e4m3_to_float(static_cast<uint8_t>(code + 1));
    const float middle = (here + next) / 2;
    EXPECT_EQ(float_to_e4m3(middle), (code & 1) != 0 ? code + 1 : code) << "ties go to the even code";
    EXPECT_EQ(float_to_e4m3(std::nextafter(middle, here)), code);
    EXPECT_EQ(float_to_e4m3(std::nextafter(middle, next)), code + 1);
  }
}

TEST(Float8, SaturatesAndKeepsNan) {
  EXPECT_EQ(float_to_e4m3(1e30f), 0x7e);
  EXPECT_EQ(float_to_e4m3(-449.0f), 0xfe);
  EXPECT_EQ(float_to_e4m3(std::nanf("")) & 0x7f, 0x7f);
}

}  // namespace
}  // namespace qoq::baselines
