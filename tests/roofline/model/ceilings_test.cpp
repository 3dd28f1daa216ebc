#include "roofline/model/ceilings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/base/error.h"

namespace qoq::roofline {
namespace {

const Gpu& gpu(const char* id) {
  static const auto all = embedded_gpus();
  return all.at(id);
}

Work gemm(double m, double n, double k) { return {2 * m * n * k, "int8", n * k / 2 + n * k / 64 + m * k, 2 * m * n}; }

const Ceiling& named(const std::vector<Ceiling>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Ceiling& c) { return c.name == name; });
  if (found == all.end()) throw std::runtime_error("no ceiling " + std::string(name));
  return *found;
}

// Figures worked out for an H200 that copies at 4.3 TB/s and has 1979 TOPS; the sheet has what it reads.
TEST(SpeedOfLight, OfAnH200) {
  EXPECT_NEAR(speed_of_light_us(gpu("h200"), gemm(1, 28672, 4096)), 14.1 * 4.3 / 4.626, 0.15);
  EXPECT_NEAR(speed_of_light_us(gpu("h200"), gemm(64, 4096, 4096)), 2.2 * 4.3 / 4.626, 0.15);
  EXPECT_NEAR(speed_of_light_us(gpu("h200"), gemm(4096, 4096, 4096)), 69.5, 0.2);
  EXPECT_NEAR(speed_of_light_us(gpu("h200"), gemm(4096, 28672, 4096)), 486, 1);
}

TEST(SpeedOfLight, ListedAndMeasuredBandwidthAreBothToBeHad) {
  const Work decode = gemm(1, 28672, 4096);
  EXPECT_NEAR(speed_of_light_us(gpu("h200"), decode, false) / speed_of_light_us(gpu("h200"), decode, true),
              4626. / 4800, 1e-9);
  EXPECT_EQ(speed_of_light_us(gpu("a100-80"), decode, false), speed_of_light_us(gpu("a100-80"), decode, true));
}

TEST(SpeedOfLight, WithoutARateIsAFault) {
  Work work = gemm(1, 4096, 4096);
  work.arithmetic = "int4";
  EXPECT_THROW(speed_of_light_us(gpu("h200"), work), Error);
  EXPECT_GT(speed_of_light_us(gpu("a100-80"), work), 0);
}

TEST(SpeedOfLight, AnotherArithmeticWhereTheGpuLacksTheFirst) {
  Work work = gemm(4096, 28672, 4096);
  work.arithmetic = "int4";
  work.fallback = "int8";
  EXPECT_EQ(tensor_arithmetic(gpu("h200"), work), "int8");
  EXPECT_NEAR(speed_of_light_us(gpu("h200"), work), 486, 1);
  EXPECT_EQ(tensor_arithmetic(gpu("a100-80"), work), "int4");
  EXPECT_NEAR(speed_of_light_us(gpu("a100-80"), work), work.ops / 1248e6, 1);
}

TEST(Ceilings, NameTheirKindsAndSources) {
  const auto all = ceilings(gpu("h200"));
  EXPECT_EQ(named(all, "DRAM (listed)").value, 4800);
  EXPECT_EQ(named(all, "DRAM (measured)").value, 4626);
  EXPECT_NEAR(named(all, "L2").value, 8855, 1);
  EXPECT_NEAR(named(all, "int8").value, 1979, 0.1);
  EXPECT_NEAR(named(all, "int8, mma.sync").value, 1979 * 0.629, 0.1);
  EXPECT_NEAR(named(all, "CUDA cores, fp32").value, 67, 0.5);
  for (const Ceiling& ceiling : all) EXPECT_NE(ceiling.source.find(": "), std::string::npos) << ceiling.name;
  EXPECT_THROW(named(ceilings(gpu("a100-80")), "DRAM (measured)"), std::runtime_error);
  EXPECT_THROW(named(ceilings(gpu("a100-80")), "int8, mma.sync"), std::runtime_error) << "there it is the peak itself";
}

// QServe's turning points on an A100: W8A8 at m = 156, W4A8 at m = 78 (312 and 624 TOPS at 2 TB/s).
TEST(Ceilings, MeetAtTheTurningPoints) {
  const auto all = ceilings(gpu("a100-80"));
  const double ridge = ridge_ops_per_byte(named(all, "DRAM (listed)"), named(all, "int8"));
  const double w8a8_m = ridge / 2, w4a8_m = ridge / 4;  // 2·m operations a weight of 1 or ½ byte
  EXPECT_NEAR(w8a8_m, 156, 4);
  EXPECT_NEAR(w4a8_m, 78, 2);
  EXPECT_DOUBLE_EQ(attainable_tops(all[0], named(all, "int8"), ridge / 2), named(all, "int8").value / 2);
  EXPECT_DOUBLE_EQ(attainable_tops(all[0], named(all, "int8"), ridge * 2), named(all, "int8").value);
}

TEST(Ceilings, IntensityOfAProblem) { EXPECT_DOUBLE_EQ(ops_per_byte({600, "int8", 200, 100}), 2); }

}  // namespace
}  // namespace qoq::roofline
