#include "autotune/ceilings/list.h"

#include <gtest/gtest.h>

#include <set>

#include "kernels/families.h"
#include "roofline/gpu/measured.h"

namespace qoq::ceilings {
namespace {

// For every sheet: names are known or our own, every kernel is one of ours and runs there, and grids are whole waves.
TEST(CeilingList, FitsEveryGpu) {
  const std::set<std::string> own{"dram_copy_bandwidth", "issue.iadd3", "issue.prmt", "issue.shf"};
  for (const auto& [id, gpu] : roofline::embedded_gpus()) {
    std::set<std::string> names;
    for (const Ceiling& ceiling : ceilings_of(gpu.device)) {
      EXPECT_TRUE(names.insert(ceiling.name).second) << id << " " << ceiling.name;
      EXPECT_NE(roofline::sheet_value(gpu, ceiling.name).has_value(), own.contains(ceiling.name))
          << id << " " << ceiling.name;
      EXPECT_TRUE(roofline::sheet_value(gpu, ceiling.sheet)) << id << " " << ceiling.sheet;
      ASSERT_GE(ceiling.tries.size(), 2u);
      for (const Try& tried : ceiling.tries) {
        SCOPED_TRACE(id + ": " + tried.variant + " on " + tried.problem);
        const NamedVariant named = find_variant(tried.variant, parse_problem(tried.problem));
        EXPECT_EQ(named.problem.text(), tried.problem);
        EXPECT_EQ(named.family->unsupported(named.point, named.problem, gpu.device), std::nullopt);
        const Launch launch = named.family->plan(named.point, named.problem, gpu.device).launches.front();
        if (named.problem.field("warps").empty()) continue;
        const uint64_t a_sm = launch.grid.count() / static_cast<uint64_t>(gpu.device.sm_count);
        EXPECT_EQ(launch.grid.count() % static_cast<uint64_t>(gpu.device.sm_count), 0u);
        EXPECT_LE(static_cast<int64_t>(a_sm * launch.block.x), gpu.device.threads_per_sm);
        EXPECT_LE(static_cast<int64_t>(a_sm * (launch.shared_bytes + 1024)), gpu.device.shared_per_sm_bytes);
      }
    }
    EXPECT_EQ(names.contains("tensor.int8"), gpu.device.compute_capability != 100) << id;
    EXPECT_EQ(names.contains("mma_sync.int8"),
              gpu.device.compute_capability / 10 == 9 || gpu.device.compute_capability == 100)
        << id;
  }
}

TEST(CeilingList, L2StaysInTheCache) {
  Device device = roofline::embedded_gpus().at("a10").device;
  for (const int64_t mib : {1, 2, 4, 6, 40, 50, 128}) {
    device.l2_bytes = mib << 20;
    for (const Ceiling& ceiling : ceilings_of(device)) {
      if (ceiling.name != "l2_bandwidth") continue;
      const int64_t mb = parse_problem(ceiling.tries.front().problem).size("mb");
      EXPECT_LE(mb, std::max<int64_t>(1, mib / 3));
      EXPECT_GE(mb * 8, std::min<int64_t>(mib, 16));
      EXPECT_EQ(ceiling.modes.cache, measure::Cache::Hot);
    }
  }
}

}  // namespace
}  // namespace qoq::ceilings
