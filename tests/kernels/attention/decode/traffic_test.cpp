// What a variant is said to move, where its splits exchange partial results.
#include <gtest/gtest.h>

#include "kernels/attention/decode/point.h"
#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

struct Moved {
  double l2_bytes, workspace_bytes;
  size_t launches;
  double merge_steps = 0, merge_bytes = 0;
  size_t groups = 1;  ///< CTAs without splits
};

Moved moved(const std::string& merge, const std::string& splits) {
  const Family& family = family_named("attention/decode");
  const Problem problem = family.canonical(Problem::parse("attention kv4 batch=1 heads=8/2 dh=128 ctx=4096"));
  const Point point = decode_point("p64.tl32.st2.w2.rt1.rw8.sp" + splits + ".tokens." + merge + ".fragment", problem);
  const Plan plan = family.plan(point, problem, test_device());
  Moved result{family.traffic(point, problem, test_device()).l2_read_bytes, 0, plan.launches.size()};
  const Traffic traffic = family.traffic(point, problem, test_device());
  result.merge_steps = traffic.merge_steps;
  result.merge_bytes = traffic.merge_bytes;
  result.groups = plan.launches.front().grid.count() / std::stoul(splits);
  for (const Workspace& workspace : plan.workspaces) {
    if (workspace.name.starts_with("partial")) result.workspace_bytes += static_cast<double>(workspace.bytes);
  }
  return result;
}

TEST(DecodeTraffic, PartialResultsAreWrittenOnceAndReadOnce) {
  const Moved whole = moved("kernel", "1"), last = moved("kernel", "4"), second = moved("second", "4");
  ASSERT_GT(last.workspace_bytes, 0);
  EXPECT_EQ(whole.workspace_bytes, 0);
  EXPECT_EQ(last.launches, 1u);
  EXPECT_EQ(second.launches, 2u);
  EXPECT_EQ(last.l2_bytes, whole.l2_bytes + 2 * last.workspace_bytes);
  // The second launch is charged for reading the workspaces: counted here too, they would count twice.
  EXPECT_EQ(second.l2_bytes, whole.l2_bytes + second.workspace_bytes);
}

// The last CTA of a group writes its part, arrives, and reads the others one after the other.
TEST(DecodeTraffic, AMergeInTheKernelIsAChainOfItsOwn) {
  const Moved whole = moved("kernel", "1"), last = moved("kernel", "4"), second = moved("second", "4");
  EXPECT_EQ(whole.merge_steps, 0);
  EXPECT_EQ(last.merge_steps, 2 + 3);
  EXPECT_EQ(last.merge_bytes * static_cast<double>(last.groups), last.workspace_bytes);
  EXPECT_EQ(second.merge_steps, 0) << "a launch of its own does it";
}

TEST(DecodeTraffic, AWindowReadsNoMoreThanItSees) {
  const Family& family = family_named("attention/decode");
  const Problem whole = parse_problem("attention kv4 batch=1 heads=32/8 dh=128 ctx=131072");
  const Problem window = parse_problem("attention kv4 batch=1 heads=32/8 dh=128 ctx=131072 window=4096");
  const Problem as_long = parse_problem("attention kv4 batch=1 heads=32/8 dh=128 ctx=4096");
  const Point point = attention::default_decode_point();
  EXPECT_EQ(family.work(window).read_bytes, family.work(as_long).read_bytes);
  EXPECT_EQ(family.work(window).ops, family.work(as_long).ops);
  EXPECT_EQ(family.traffic(point, window, test_device()).mma_instructions,
            family.traffic(point, as_long, test_device()).mma_instructions);
  const auto ctas = [&](const Problem& p) {
    return family.plan(point, p, test_device()).launches.front().grid.count();
  };
  EXPECT_GE(ctas(window), ctas(as_long)) << "the window's tiles are split, not the context's";
  EXPECT_LT(family.work(window).ops, family.work(whole).ops / 16);
}

}  // namespace
}  // namespace qoq::test
