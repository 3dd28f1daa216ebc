// The dequantisation arithmetic: exact on every triple a format can hold, and its price from the machine code.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/base/file.h"
#include "kernels/base/float16.h"
#include "kernels/gemm/mma/w4a16.cuh"
#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/kernels/gemm/bench.h"
#include "tests/kernels/gemm/forms.h"

namespace qoq::test {
namespace {

template <gemm::Dequant D>
constexpr gemm::MmaConfig config{.scheme = gemm::Scheme::W4A8Group,
                                 .dequant = D,
                                 .layout = gemm::Layout::QServe,
                                 .output = gemm::Output::F16,
                                 .bias = false,
                                 .ablated = false,
                                 .ragged_n = false,
                                 .ragged_k = false,
                                 .split = false,
                                 .block_m = 16,
                                 .block_n = 32,
                                 .block_k = 64,
                                 .warp_m = 16,
                                 .warp_n = 32,
                                 .stages = 2,
                                 .slices = 1};

/// Four weights with codes q, q', q, q' through the kernel's own function; offset = int8(−z·s).
template <gemm::Dequant D>
u32 dequantized(u32 q, u32 other, u32 scale, int offset) {
  gemm::Group<config<D>> group{};
  const u32 byte = static_cast<u8>(offset) ^ (D == gemm::Dequant::Vadd4 ? 0u : 0x80u);
  group.scale[0][0] = scale;
  group.zero[0][0] = byte * 0x01010101u;
  return gemm::dequantize<config<D>>(q * 0x00010001u | other * 0x01000100u, group, 0, 0);
}

TEST(Dequant, IsExactOnEveryTriple) {
  int imad = 0, vadd4 = 0;
  for (u32 scale = 0; scale <= 17; ++scale) {
    for (int offset = -128; offset <= 127; ++offset) {
      for (u32 q = 0; q <= 15; ++q) {
        const u32 other = 15 - q;  // a neighbour that would show a carry
        const auto byte = [&](u32 code) { return static_cast<u8>(static_cast<int>(code * scale) + offset); };
        const u32 expected = byte(q) * 0x00010001u | byte(other) * 0x01000100u;
        ASSERT_EQ(dequantized<gemm::Dequant::Vadd4>(q, other, scale, offset), expected)
            << scale << " " << offset << " " << q;
        ++vadd4;
        const int most = static_cast<int>(std::max(q, other) * scale) + offset,
                  least = static_cast<int>(std::min(q, other) * scale) + offset;
        if (most > 127 || least < -128) continue;
        ASSERT_EQ(dequantized<gemm::Dequant::Imad>(q, other, scale, offset), expected)
            << scale << " " << offset << " " << q;
        ASSERT_EQ(dequantized<gemm::Dequant::U8S8>(q, other, scale, offset), expected ^ 0x80808080u);
        ++imad;
      }
    }
  }
  EXPECT_EQ(vadd4, 18 * 256 * 16);
  EXPECT_GT(imad, 18 * 16 * 16);
}

/// W4A16's own function on every code, zero and position in a word, beside the sum it stands for.
TEST(Dequant, HalvesAreExactBeforeTheirScale) {
  constexpr gemm::MmaConfig c = [] {
    gemm::MmaConfig half = config<gemm::Dequant::None>;
    half.scheme = gemm::Scheme::W4A16Group;
    half.layout = gemm::Layout::Fragment;
    return half;
  }();
  static_assert(gemm::illegal(c) == gemm::Illegal::No);
  for (const float scale : {1.0f, 0.0123f, 60.0f, 6e-8f}) {
    const u32 bits = float_to_half(scale);
    for (u32 zero = 0; zero <= 15; ++zero) {
      gemm::Group<c> group{};
      for (u32 j = 0; j < 4; ++j) {
        group.scale[0][j] = bits * 0x00010001u;
        group.zero[0][j] = (j % 2 == 0 ? 0x6400u | zero : 0x5400u | zero << 4) * 0x00010001u;
      }
      for (u32 q = 0; q <= 15; ++q) {
        for (u32 place = 0; place < 8; ++place) {  // nibble 4e + j
          u32 pairs[4];
          gemm::half_weights<c>((q << (4 * place)) | (~(15u << (4 * place)) & 0xa5a5a5a5u), group, 0, pairs);
          const float w = static_cast<float>(static_cast<int>(q) - static_cast<int>(zero)) *
                          half_to_float(static_cast<uint16_t>(bits));
          ASSERT_EQ(static_cast<uint16_t>(pairs[place % 4] >> (place / 4 * 16)), float_to_half(w))
              << "q=" << q << " z=" << zero << " s=" << scale << " nibble " << place;
        }
      }
    }
  }
}

struct Cost {
  const char* name;
  const char* scheme;
  gemm::Dequant dequant;
  gemm::Layout layout;
  double limit;      ///< ALU + FMA + FP16 instructions per 32 weights, kernel minus ablation
  int mma_k = 32;    ///< of one of its MMAs
  bool sm80 = true;  ///< whether sm_80 is looked at, and sm_90a
  bool sm90 = true;
};

class DequantCost : public testing::TestWithParam<std::string> {};

TEST_P(DequantCost, StaysWithinItsBudget) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const auto folder = std::filesystem::path(testing::TempDir()) / ("qoqtune-dequant-" + GetParam());
  compile::NvrtcCompiler compiler(nvrtc, GetParam(), folder, 2);
  const Family& family = family_named("gemm/mma");
  for (const Cost& cost : {Cost{"imad", "w4a8-g128", gemm::Dequant::Imad, gemm::Layout::QServe, 32},
                           Cost{"imad", "w4a8-g128", gemm::Dequant::Imad, gemm::Layout::Fragment, 32},
                           Cost{"u8s8", "w4a8-g128", gemm::Dequant::U8S8, gemm::Layout::QServe, 24},
                           Cost{"u8s8", "w4a8-g128", gemm::Dequant::U8S8, gemm::Layout::Fragment, 24},
                           Cost{"channel", "w4a8-channel", gemm::Dequant::None, gemm::Layout::QServe, 14},
                           // 13 for 8 weights: a shift, four LOP3, four subtractions, four multiplications.
                           Cost{"w4a16", "w4a16-g128", gemm::Dequant::None, gemm::Layout::Fragment, 56, 16},
                           // Three for each output and group; 64 rows share 128 weights of a column.
                           Cost{"w4a4", "w4a4-g128", gemm::Dequant::None, gemm::Layout::Fragment, 58, 64, true, false},
                           Cost{"w4a4 int8", "w4a4-g128", gemm::Dequant::Int8, gemm::Layout::Fragment, 62}}) {
    if (GetParam() == "sm_80" ? !cost.sm80 : !cost.sm90) continue;
    for (const int block_k : {64, 128}) {
      Point point = mma_point(64, 128, block_k, 64, 32, 4);
      point["dequant"] = static_cast<int>(cost.dequant);
      point["layout"] = static_cast<int>(cost.layout);
      const Problem problem = parse_problem(fmt::format("gemm {} m=64 n=4096 k=4096", cost.scheme));
      Point ablated = point;
      ablated["ablated"] = 1;
      const Source sources[] = {family.source(point, problem), family.source(ablated, problem)};
      const auto builds = compiler.build(sources, {}, {});
      roofline::Mix mixes[2];
      for (size_t i = 0; i < 2; ++i) {
        ASSERT_TRUE(builds[i].ok) << builds[i].log;
        EXPECT_EQ(builds[i].entries.begin()->second.spill_store_bytes, 0);
        const std::string cubin = read_file(builds[i].object);
        const auto code = roofline::read_cubin(std::as_bytes(std::span(cubin)));
        ASSERT_EQ(code.size(), 1u);
        ASSERT_NE(code[0].main(), nullptr);
        mixes[i] = code[0].main()->mix;
      }
      // The same work but for dequantisation: that is what makes the difference mean something.
      for (const char* name : {"IMMA", "HMMA", "LDGSTS", "LDS", "LDSM"})
        EXPECT_EQ(mixes[0].named(name), mixes[1].named(name)) << name;
      for (const char* conversion : {"I2F", "I2FP"}) EXPECT_EQ(mixes[0].named(conversion), 0) << conversion;
      ASSERT_GT(mixes[0][roofline::Pipe::Tensor], 0);
      // A warp's MMAs: 4 row fragments share each weight fragment of 8 columns × mma_k.
      const double weights_per_lane = mixes[0][roofline::Pipe::Tensor] / 4.0 * 8.0 * cost.mma_k / 32;
      const auto pipes = [](const roofline::Mix& mix) {
        return mix[roofline::Pipe::Alu] + mix[roofline::Pipe::Fma] + mix[roofline::Pipe::FmaHeavy] +
               mix[roofline::Pipe::Fp16];
      };
      const double per_32 = (pipes(mixes[0]) - pipes(mixes[1])) * 32.0 / weights_per_lane;
      fmt::print("{} {} layout {} bk{}: {:.2f} instructions per 32 weights (at most {})\n", GetParam(), cost.name,
                 static_cast<int>(cost.layout), block_k, per_32, cost.limit);
      EXPECT_GT(per_32, 0);
      EXPECT_LE(per_32, cost.limit);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, DequantCost, testing::Values("sm_80", "sm_90a"),
                         [](const auto& arch) { return arch.param; });

class ComparedSchemes : public testing::TestWithParam<std::string> {};

TEST_P(ComparedSchemes, CompileWithoutSpills) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const std::string& arch = GetParam();
  compile::NvrtcCompiler compiler(nvrtc, arch, std::filesystem::path(testing::TempDir()) / ("qoqtune-compared-" + arch),
                                  2);
  Device device = test_device();
  device.compute_capability = std::stoi(arch.substr(3));
  std::vector<Source> sources;
  std::vector<std::string> names;
  for (const Form& form : float_forms) {
    if (form.ablated) continue;
    const Problem problem = parse_problem(fmt::format("gemm {} m=64 n=4096 k=4096", form.scheme));
    for (Point point : {mma_point(16, 64, 128, 16, 32, 4), mma_point(64, 128, 128, 64, 32, 3)}) {
      point["dequant"] = static_cast<int>(form.dequant);
      point["layout"] = static_cast<int>(form.layout);
      if (family_named("gemm/mma").unsupported(point, problem, device)) continue;
      sources.push_back(family_named("gemm/mma").source(point, problem));
      names.push_back(family_named("gemm/mma").variant(point, problem));
    }
  }
  EXPECT_EQ(sources.size(), device.compute_capability < 90 ? 6u : 4u) << "int4 tensor cores are in sm_80 to sm_89";
  const auto builds = compiler.build(sources, {}, {});
  for (size_t i = 0; i < sources.size(); ++i) {
    ASSERT_TRUE(builds[i].ok) << names[i] << "\n" << builds[i].log;
    EXPECT_EQ(builds[i].entries.begin()->second.spill_store_bytes, 0) << names[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, ComparedSchemes,
                         testing::Values("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"),
                         [](const auto& arch) { return arch.param; });

}  // namespace
}  // namespace qoq::test
