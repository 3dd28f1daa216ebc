#include "kernels/runtime/device.h"

#include <gtest/gtest.h>

namespace qoq {
namespace {

TEST(Device, ArchitectureIsTheCompilersTarget) {
  const std::pair<int, const char*> all[] = {{80, "sm_80"},  {86, "sm_86"},    {89, "sm_89"},
                                             {90, "sm_90a"}, {100, "sm_100a"}, {120, "sm_120a"}};
  for (const auto& [capability, architecture] : all) {
    Device device;
    device.compute_capability = capability;
    EXPECT_EQ(device.architecture(), architecture);
  }
}

}  // namespace
}  // namespace qoq
