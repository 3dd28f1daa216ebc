#include "autotune/compile/kernel_headers.h"

#include <gtest/gtest.h>

namespace qoq::compile {
namespace {

const Headers chain = {
    {"a.cuh", "#pragma once\n#include \"b.cuh\"\nint a;"},
    {"b.cuh", "#  include \t\"c.cuh\"\nint b;"},
    {"c.cuh", "#include \"a.cuh\"\n#include <standard>\nint c;"},  // a circle, as #pragma once allows
    {"other.cuh", "int other;"}};

std::string digest_with(const std::string& name, const std::string& text) {
  Headers headers = chain;
  headers[name] = text;
  return IncludeDigests(headers).of("#include \"a.cuh\"\n");
}

TEST(IncludeDigests, FollowIncludesTransitively) {
  const std::string before = IncludeDigests(chain).of("#include \"a.cuh\"\n");
  EXPECT_NE(before, digest_with("a.cuh", "#include \"b.cuh\"\nint changed;"));
  EXPECT_NE(before, digest_with("c.cuh", "int changed;"));
  EXPECT_EQ(before, digest_with("other.cuh", "int changed;"));
  EXPECT_NE(before, IncludeDigests(chain).of("#include \"a.cuh\"\n// a change\n"));
  EXPECT_NE(before, IncludeDigests(chain).of("#include \"other.cuh\"\n"));
}

TEST(IncludeDigests, TwoHeadersThatSwapTheirTextDiffer) {
  const Headers one = {{"a.cuh", "int x;"}, {"b.cuh", "int y;"}};
  const Headers two = {{"a.cuh", "int y;"}, {"b.cuh", "int x;"}};
  const std::string text = "#include \"a.cuh\"\n#include \"b.cuh\"\n";
  EXPECT_NE(IncludeDigests(one).of(text), IncludeDigests(two).of(text));
}

TEST(KernelHeaders, DeviceHasThePtxAndEmulationHasTheEmulator) {
  const Headers device = device_headers(), emulator = emulator_headers();
  EXPECT_TRUE(device.contains("kernels/prim/prim.cuh"));
  EXPECT_TRUE(device.contains("kernels/prim/cuda.cuh"));
  EXPECT_FALSE(device.contains("kernels/prim/emulated.h"));
  EXPECT_TRUE(emulator.contains("kernels/prim/prim.cuh"));
  EXPECT_TRUE(emulator.contains("kernels/prim/emulated.h"));
  EXPECT_TRUE(emulator.contains("kernels/emulator/api.h"));
  EXPECT_FALSE(emulator.contains("kernels/prim/cuda.cuh"));
}

}  // namespace
}  // namespace qoq::compile
