// What dequantisation costs on the CUDA cores: the kernel less its no-dequant ablation, read from the machine code.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/families.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

struct Form {
  const char* scheme;
  const char* dequant;
  double most;  ///< ALU + FMA instructions of a thread per 32 weights
};

int value_of(const Family& family, const std::string& parameter, const std::string& label) {
  for (const Parameter& p : family.parameters())
    for (size_t i = 0; p.name == parameter && i < p.labels.size(); ++i)
      if (p.labels[i] == label) return p.values[i];
  ADD_FAILURE() << "no " << parameter << " " << label;
  return 0;
}

class Dequantisation : public testing::TestWithParam<const char*> {};

TEST_P(Dequantisation, CostsNoMoreThanItsForm) {
  const Family& family = family_named("gemm/mma");
  for (const Form& form : {Form{"w4a8-g128", "imad", 32}, {"w4a8-g128", "u8s8", 24}, {"w4a8-channel", "none", 14}}) {
    const Problem problem = parse_problem(fmt::format("gemm {} m=64 n=4096 k=4096", form.scheme));
    Point point = family.published(problem).value();
    point["dequant"] = value_of(family, "dequant", form.dequant);
    // One M-warp, so that no weight is dequantised twice.
    point["block_m"] = point["warp_m"] = 64, point["block_n"] = 128, point["warp_n"] = 32, point["block_k"] = 128;
    point["stages"] = 3, point["slices"] = 1;
    double cost[2];
    for (const int ablated : {0, 1}) {
      point["ablated"] = ablated;
      const auto cubin = compile_probe(family.source(point, problem).text, GetParam());
      if (!cubin) GTEST_SKIP() << "NVRTC is not here: the cost of dequantisation is not read from machine code";
      const EntryCode code = read_cubin(std::as_bytes(std::span(*cubin)))[0];
      ASSERT_NE(code.main(), nullptr);
      // m16n8k32: 256 weights an MMA, and each fragment feeds warp_m / 16 of them.
      const auto weights = per_weight(*code.main(), 256.0 / (point["warp_m"] / 16));
      cost[ablated] = 32 * (weights->alu + weights->fma);
      RecordProperty(fmt::format("{}_{}_{}", form.scheme, form.dequant, ablated), fmt::format("{:.2f}", cost[ablated]));
    }
    EXPECT_LE(cost[0] - cost[1], form.most)
        << form.scheme << " " << form.dequant << ": " << cost[0] << " less " << cost[1];
    EXPECT_GT(cost[0] - cost[1], 0.2 * form.most) << "an ablation that removes nothing proves nothing";
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Dequantisation, testing::Values("sm_80", "sm_90a"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace qoq::roofline
