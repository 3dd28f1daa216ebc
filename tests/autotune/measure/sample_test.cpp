#include "autotune/measure/sample.h"

#include <gtest/gtest.h>

namespace qoq::measure {
namespace {

TEST(Sample, MedianAndSpread) {
  Sample sample;
  sample.samples_us = {30, 10, 20, 40, 50};
  summarize(sample);
  EXPECT_DOUBLE_EQ(sample.median_us, 30);
  EXPECT_DOUBLE_EQ(sample.relative_iqr, 20.0 / 30);  // quartiles 20 and 40
  EXPECT_EQ(sample.samples_us.front(), 30) << "samples stay in the order taken";
  sample.samples_us = {1, 2, 3, 4};
  summarize(sample);
  EXPECT_DOUBLE_EQ(sample.median_us, 2.5);
  EXPECT_DOUBLE_EQ(sample.relative_iqr, (3.25 - 1.75) / 2.5);
}

TEST(Sample, OneOrNoSample) {
  Sample sample;
  summarize(sample);
  EXPECT_EQ(sample.median_us, 0);
  sample.samples_us = {7};
  summarize(sample);
  EXPECT_EQ(sample.median_us, 7);
  EXPECT_EQ(sample.relative_iqr, 0);
}

TEST(Rotation, MoreThanThreeCachesAreReadBetweenTwoUsesOfACopy) {
  const size_t l2 = 50 << 20;
  for (const size_t bytes : {size_t{1}, size_t{8} << 20, l2, 3 * l2, 10 * l2}) {
    const size_t copies = rotation_copies(bytes, l2);
    EXPECT_GE((copies - 1) * bytes, 3 * l2) << bytes;
    EXPECT_LT((copies - 2) * bytes, 3 * l2) << bytes << ": more copies than are needed";
  }
  EXPECT_EQ(rotation_copies(0, l2), 1u);
}

}  // namespace
}  // namespace qoq::measure
