// How much of our kernels' machine code the opcode table names, on every architecture the project serves.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "roofline/gpu/gpu.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/roofline/instruction_mix/sampled_kernels.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

class Coverage : public testing::TestWithParam<const char*> {};

TEST_P(Coverage, NamesAtLeast99PercentOfEveryKernel) {
  const Gpu gpu = embedded_gpus().at(GetParam());
  const std::string architecture = gpu.device.architecture();
  const auto kernels = sample_kernels(gpu.device, 500 + static_cast<unsigned>(gpu.device.compute_capability));
  std::map<std::string_view, int> of_family;
  std::string least_name;
  double least = 2;
  int instructions = 0, unknown = 0;
  for (const SampledKernel& kernel : kernels) {
    const auto& [family, point, problem] = kernel.variant;
    const auto cubin = compile_probe(family->source(point, problem).text, architecture);
    if (!cubin) GTEST_SKIP() << "NVRTC is not here: what share of instructions is named is not known";
    ++of_family[family->name()];
    for (const EntryCode& code : read_cubin(std::as_bytes(std::span(*cubin)))) {
      const double named = 1 - static_cast<double>(code.unknown()) / code.mix.total();
      EXPECT_GE(named, 0.99) << kernel.name << "\n" << describe(code);
      EXPECT_EQ(code.unresolved_branches, 0) << kernel.name;
      instructions += code.mix.total();
      unknown += code.unknown();
      if (named < least) least = named, least_name = kernel.name;
      for (const auto& [name, count] : code.mix.names)
        if (name.starts_with("?")) fmt::print("{} {}: {} × {}\n", architecture, kernel.name, count, name);
    }
  }
  fmt::print("{}: {} kernels, {} instructions, {} of them unknown; least named: {:.3f} % of {}\n", architecture,
             kernels.size(), instructions, unknown, 100 * least, least_name);
  for (const char* family : {"gemm/mma", "gemm/plain", "attention/decode", "attention/append", "attention/gather",
                             "ceiling/read", "ceiling/issue", "ceiling/tensor"})
    EXPECT_GT(of_family[family], 0) << "no kernel of " << family << " was looked at";
  EXPECT_EQ(of_family.contains("ceiling/wgmma"), architecture == "sm_90a");
}

INSTANTIATE_TEST_SUITE_P(Architectures, Coverage, testing::Values("a100-80", "a10", "l40s", "h200", "b200", "rtx5090"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace qoq::roofline
