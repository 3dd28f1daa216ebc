// What a variant is said to move, where its splits exchange partial results.
#include <gtest/gtest.h>

#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

struct Moved {
  double l2_bytes, workspace_bytes;
  size_t launches;
};

Moved moved(const std::string& merge, const std::string& splits) {
  const Family& family = family_named("attention/decode");
  const Problem problem = family.canonical(Problem::parse("attention kv4 batch=1 heads=8/2 dh=128 ctx=4096"));
  const Point point = decode_point("p64.tl32.st2.w2.rt1.rw8.sp" + splits + ".tokens." + merge + ".fragment", problem);
  const Plan plan = family.plan(point, problem, test_device());
  Moved result{family.traffic(point, problem, test_device()).l2_read_bytes, 0, plan.launches.size()};
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

}  // namespace
}  // namespace qoq::test
