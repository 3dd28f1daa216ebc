#include <gtest/gtest.h>

#include <set>

#include "kernels/base/error.h"
#include "tests/kernels/ceiling/every_ceiling.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

std::string fault_of(const std::string& problem) {
  try {
    return "accepted as " + parse_problem(problem).text();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
}

TEST(CeilingProblem, TextIsCanonicalOrRefused) {
  EXPECT_EQ(fault_of("ceiling l2 reads=4 mb=16"), "accepted as ceiling l2 mb=16 reads=4");
  EXPECT_EQ(fault_of("ceiling issue.ffma trips=2  warps=8"), "accepted as ceiling issue.ffma warps=8 trips=2");
  EXPECT_NE(fault_of("ceiling read mb=1 reads=2").find("ceiling/read has no field \"reads\"; it has mb"),
            std::string::npos);
  EXPECT_NE(fault_of("ceiling copy mb=0").find("mb=0 is out of range, 1 to 8192"), std::string::npos);
  EXPECT_NE(fault_of("ceiling copy").find("mb"), std::string::npos);
  EXPECT_NE(fault_of("ceiling mma.int8 warps=4 trips=99999").find("out of range"), std::string::npos);
  EXPECT_NE(fault_of("ceiling issue.popc warps=4 trips=1").find("no kernel family solves"), std::string::npos);
}

TEST(CeilingFamily, VariantIdsGoBothWays) {
  std::set<std::string> ids;
  for (const Problem& problem : every_ceiling()) {
    const Family& family = family_of(problem);
    Point point = first_point(family);
    for (const Parameter& parameter : family.parameters()) {
      for (const int value : parameter.values) {
        point[parameter.name] = value;
        const std::string id = family.variant(point, problem);
        ids.insert(id);
        const NamedVariant back = find_variant(id, problem);
        EXPECT_EQ(back.family, &family) << id;
        EXPECT_EQ(back.point, point) << id;
        EXPECT_EQ(back.problem, problem) << id;
      }
    }
    EXPECT_EQ(family.parse_variant(problem.scheme + ".t7", problem), std::nullopt);
    EXPECT_EQ(parse_problem(problem.text()), problem);
  }
  EXPECT_TRUE(ids.contains("read.t128.u2.x1"));  // as rows of earlier versions have it
  EXPECT_TRUE(ids.contains("issue.ffma.t128.c4"));
  EXPECT_TRUE(ids.contains("mma.fp16.t512.r2.c2") || ids.contains("mma.fp16.t512.r4.c4")) << *ids.begin();
  EXPECT_TRUE(ids.contains("wgmma.int8.t384.n128"));
}

TEST(CeilingFamily, SaysWhyAPointIsUnsupported) {
  const auto why = [](const char* id, const char* text, const Device& device = test_device()) {
    const NamedVariant named = find_variant(id, Problem::parse(text));
    return named.family->unsupported(named.point, named.problem, device).value_or("supported");
  };
  EXPECT_EQ(why("issue.ffma.t512.c8", "ceiling issue.ffma warps=32 trips=1"), "supported");
  EXPECT_EQ(why("issue.ffma.t512.c8", "ceiling issue.ffma warps=24 trips=1"),
            "the warps are no multiple of a CTA's 16");
  EXPECT_EQ(why("read.t512.u16.x16", "ceiling read mb=3"), "the buffer is no multiple of what one CTA reads");
  EXPECT_EQ(why("l2.t128.u2.x1", "ceiling l2 mb=3 reads=1"), "mb must be a power of two");
  EXPECT_EQ(why("mma.fp16.t128.r2.c2", "ceiling mma.fp16 warps=4 trips=513"),
            "sums of more than 512 trips are not exact in fp32");
  EXPECT_EQ(why("mma.int8.t128.r2.c2", "ceiling mma.int8 warps=4 trips=513"), "supported");
  Device ada = test_device();
  ada.compute_capability = 89;
  EXPECT_EQ(why("wgmma.int8.t128.n256", "ceiling wgmma.int8 warps=4 trips=1"), "supported");
  EXPECT_EQ(why("wgmma.int8.t128.n256", "ceiling wgmma.int8 warps=4 trips=1", ada),
            "wgmma exists on compute capability 9.0 alone");
}

TEST(CeilingFamily, WorkIsWhatTheRateIsMadeOf) {
  const auto work = [](const char* text) { return family_of(Problem::parse(text)).work(Problem::parse(text)); };
  EXPECT_EQ(work("ceiling copy mb=4").write_bytes, 4 << 20);
  EXPECT_EQ(work("ceiling issue.lop3 warps=64 trips=10").ops, 64 * 10 * 32 * 256);
  EXPECT_EQ(work("ceiling mma.int8 warps=64 trips=10").ops, 2.0 * 64 * 10 * 128 * 16 * 8 * 32);
  EXPECT_EQ(work("ceiling mma.fp16 warps=64 trips=10").ops, 64 * 10 * 128 * 16 * 8 * 32);
  EXPECT_EQ(work("ceiling wgmma.int8 warps=64 trips=10").ops, 2.0 * 16 * 10 * 64 * 2048 * 32);
  const Problem l2 = Problem::parse("ceiling l2 mb=16 reads=10");
  const Family& family = family_of(l2);
  EXPECT_EQ(family.work(l2).read_bytes, 16 << 20);
  EXPECT_EQ(family.traffic(first_point(family), l2, test_device()).l2_read_bytes, 160 << 20);
}

}  // namespace
}  // namespace qoq::test
