#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/families.h"
#include "kernels/gemm/float_reference.h"
#include "kernels/gemm/mma/operands.h"
#include "kernels/gemm/packing.h"
#include "kernels/gemm/reference.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

const Family& mma() { return family_named("gemm/mma"); }

std::string fault_of(const std::string& problem) {
  try {
    return "accepted as " + parse_problem(problem).text();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
}

TEST(GemmProblem, TextIsCanonical) {
  EXPECT_EQ(parse_problem("gemm w4a8-g128 k=4096  n=28672 m=17").text(), "gemm w4a8-g128 m=17 n=28672 k=4096");
  EXPECT_EQ(parse_problem("gemm w8a8 m=1 n=8 k=16 out=fp16 bias=0").text(), "gemm w8a8 m=1 n=8 k=16");
  EXPECT_EQ(parse_problem("gemm w4a8-channel m=1 n=32 k=32 bias=1 out=bf16").text(),
            "gemm w4a8-channel m=1 n=32 k=32 out=bf16 bias=1");
  EXPECT_EQ(parse_problem("gemm w4a16-g128 k=128 n=32 m=3 out=bf16").text(), "gemm w4a16-g128 m=3 n=32 k=128 out=bf16");
  EXPECT_EQ(parse_problem("gemm w4a4-g128 k=128 n=32 m=3 bias=1").text(), "gemm w4a4-g128 m=3 n=32 k=128 bias=1");
}

TEST(GemmProblem, RefusesWithASentence) {
  const std::pair<const char*, const char*> cases[] = {
      {"gemm", "not a problem"},
      {"gemm w4a8-g128 m=1 n=32", "lacks k="},
      {"gemm w4a8-g128 m=1 n=32 k=192", "k=192 is not a multiple of 128"},
      {"gemm w4a8-g128 m=1 n=40 k=128", "n=40 is not a multiple of 32"},
      {"gemm w8a8 m=1 n=12 k=128", "n=12 is not a multiple of 8"},
      {"gemm w8a8 m=1 n=16 k=24", "k=24 is not a multiple of 16"},
      {"gemm w4a8-channel m=1 n=32 k=48", "k=48 is not a multiple of 32"},
      {"gemm w4a8-g128 m=0 n=32 k=128", "m=0 is out of range"},
      {"gemm w4a8-g128 m=-3 n=32 k=128", "out of range"},
      {"gemm w4a8-g128 m=1 n=32 k=131072", "out of range, 1 to 65536"},
      {"gemm w4a8-g128 m=x n=32 k=128", "m=x is not a whole number"},
      {"gemm w4a8-g128 m=1 m=2 n=32 k=128", "gives m= twice"},
      {"gemm w4a8-g128 m=1 n=32 k=128 q=1", "no field \"q\""},
      {"gemm w4a8-g128 m=1 n=32 k=128 out=fp8", "out=fp8 is unknown"},
      {"gemm w4a8-g128 m=1 n=32 k=128 bias=yes", "neither 0 nor 1"},
      {"gemm w4a8-g128 m=1 n=32 k=128 out=i32 bias=1", "without bias"},
      {"gemm w4a16-g128 m=1 n=32 k=192", "k=192 is not a multiple of 128"},
      {"gemm w4a4-g128 m=1 n=40 k=128", "n=40 is not a multiple of 32"},
      {"gemm w4a16-g128 m=1 n=32 k=128 out=i32", "w4a16-g128 adds floats"},
      {"gemm w4a4-g128 m=1 n=32 k=128 out=i32", "w4a4-g128 adds floats"},
      {"gemm w2a8 m=1 n=32 k=128", "no kernel family solves gemm w2a8; there are: gemm w4a8-g128"},
      {"conv w8a8 m=1", "no kernel family solves conv"},
      {"gemm w8a8 m", "not of the form name=value"},
  };
  for (const auto& [problem, sentence] : cases)
    EXPECT_NE(fault_of(problem).find(sentence), std::string::npos) << problem << ": " << fault_of(problem);
}

TEST(MmaFamily, VariantIdsGoBothWays) {
  const Problem problem = parse_problem("gemm w4a8-g128 m=64 n=4096 k=4096 out=bf16 bias=1");
  Point point = mma_point(128, 64, 64, 64, 32, 4);
  point["dequant"] = 2;
  point["ablated"] = 1;
  const std::string id = mma().variant(point, problem);
  EXPECT_EQ(id, "mma.w4a8-g128.bm128.bn64.bk64.wm64.wn32.st4.ks1.sk1.ra1.imad.qserve.bf16.bias.ablated");
  const NamedVariant back = find_variant(id, problem);
  EXPECT_EQ(back.point, point);
  EXPECT_EQ(back.problem, problem);
  for (const char* wrong :
       {"", "mma", "mma.w4a8-g128.bm128", "mma.w4a8-g128.bmx.bn64.bk64.wm64.wn32.st4.ks1.sk1.ra1.imad.qserve",
        "mma.w4a8-g128.bm128.bn64.bk64.wm64.wn32.st4.ks1.sk1.ra1.imad.qserve.turbo",
        "mma.w9.bm128.bn64.bk64.wm64.wn32.st4.ks1.sk1.ra1.imad.qserve"}) {
    EXPECT_EQ(mma().parse_variant(wrong, problem), std::nullopt) << wrong;
  }
}

TEST(MmaFamily, EveryParameterValueIsUsedByALegalPoint) {
  for (const Parameter& parameter : mma().parameters()) {
    for (const int value : parameter.values) {
      bool legal = false;
      for (const std::string scheme : {"w4a8-g128", "w4a8-channel", "w8a8", "w4a16-g128", "w4a4-g128"}) {
        const Problem problem = parse_problem("gemm " + scheme + " m=512 n=4096 k=8192");
        for (const int block : {16, 32, 64, 128, 256}) {
          for (const int depth : {64, 256}) {
            Point point = mma_point(block, std::max(32, block), depth, std::min(block, 32), 32, 2);
            point["dequant"] = scheme == "w4a8-g128" ? 2 : 0;
            point["layout"] = scheme == "w8a8" ? 2 : scheme.starts_with("w4a8") ? 0 : 1;
            point[parameter.name] = value;
            legal = legal || !mma().unsupported(point, problem, test_device());
          }
        }
      }
      EXPECT_TRUE(legal) << parameter.name << "=" << value;
    }
  }
}

TEST(MmaFamily, SaysWhyAPointIsUnsupported) {
  const Problem problem = parse_problem("gemm w4a8-g128 m=64 n=256 k=512");
  const auto why = [&](std::string_view parameter, int value, Device device = test_device()) {
    Point point = mma_point(64, 64, 64, 32, 32, 3);
    point["dequant"] = 2;
    point[std::string(parameter)] = value;
    return mma().unsupported(point, problem, device).value_or("supported");
  };
  EXPECT_EQ(why("stages", 3), "supported");
  EXPECT_NE(why("warp_m", 128).find("whole number of warp tiles"), std::string::npos);
  EXPECT_NE(why("slices", 4).find("K-slices"), std::string::npos);
  EXPECT_NE(why("dequant", 0).find("no such dequantisation"), std::string::npos);
  EXPECT_NE(why("layout", 2).find("cannot read this weight layout"), std::string::npos);
  EXPECT_NE(why("split_k", 8).find("exceeds"), std::string::npos);
  EXPECT_NE(why("raster", 4).find("no effect"), std::string::npos);
  const Problem large = parse_problem("gemm w4a8-g128 m=4096 n=28672 k=4096");
  Point split = mma_point(64, 64, 64, 32, 32, 3);
  split["dequant"] = 2;
  split["split_k"] = 16;
  EXPECT_NE(mma().unsupported(split, large, test_device()).value_or("").find("split_k=16 needs 7516 MB"),
            std::string::npos);
  Device small = test_device();
  small.shared_per_block_bytes = 8 * 1024;
  EXPECT_NE(why("stages", 3, small).find("shared memory"), std::string::npos);
  Device old = test_device();
  old.compute_capability = 75;
  EXPECT_NE(why("stages", 3, old).find("sm_80"), std::string::npos);
  Point tiny = mma_point(16, 32, 64, 16, 32, 2);
  tiny["layout"] = 2;
  const auto huge = mma().unsupported(tiny, parse_problem("gemm w8a8 m=1048576 n=1048576 k=16"), test_device());
  EXPECT_NE(huge.value_or("supported").find("needs 2147483648 CTAs"), std::string::npos);
}

TEST(MmaFamily, SaysWhereTheComparedSchemesRun) {
  Point point = mma_point(64, 64, 128, 32, 32, 3);
  point["layout"] = 1;
  const auto why = [&](const char* scheme, int compute_capability) {
    Device device = test_device();
    device.compute_capability = compute_capability;
    const Problem problem = parse_problem(fmt::format("gemm {} m=64 n=256 k=512", scheme));
    return mma().unsupported(point, problem, device).value_or("supported");
  };
  for (const int compute_capability : {80, 86, 89}) EXPECT_EQ(why("w4a4-g128", compute_capability), "supported");
  for (const int compute_capability : {90, 100, 120}) {
    const std::string sentence = why("w4a4-g128", compute_capability);
    EXPECT_NE(sentence.find("int4 tensor cores are in sm_80 to sm_89"), std::string::npos) << sentence;
  }
  EXPECT_EQ(why("w4a16-g128", 80), "supported");
  EXPECT_EQ(why("w4a16-g128", 90), "supported");
  point["dequant"] = static_cast<int>(gemm::Dequant::Int8);
  for (const int compute_capability : {80, 90, 120}) EXPECT_EQ(why("w4a4-g128", compute_capability), "supported");
  EXPECT_NE(why("w4a16-g128", 90).find("no such dequantisation"), std::string::npos);
  EXPECT_NE(why("w4a8-g128", 90).find("no such dequantisation"), std::string::npos);
  point["warp_m"] = 64;
  point["warp_n"] = 64;  // 128 sums of either kind
  EXPECT_NE(why("w4a4-g128", 90).find("accumulators"), std::string::npos);
  point["warp_m"] = 32;
  point["block_k"] = 64;
  point["slices"] = 2;  // one step of 64
  EXPECT_NE(why("w4a4-g128", 90).find("K-slices"), std::string::npos);
  point["layout"] = 0;
  point["slices"] = 1;
  EXPECT_NE(why("w4a4-g128", 90).find("cannot read this weight layout"), std::string::npos);
}

TEST(MmaFamily, ComparedSchemesSayWhatTheyMove) {
  Point point = mma_point(64, 64, 128, 32, 32, 3);
  point["layout"] = 1;
  const Problem half = parse_problem("gemm w4a16-g128 m=64 n=256 k=512"),
                int4 = parse_problem("gemm w4a4-g128 m=64 n=256 k=512");
  const double weights = 256 * 512 / 2.0;
  EXPECT_EQ(mma().work(half).arithmetic, "fp16");
  EXPECT_EQ(mma().work(half).fallback, "");
  EXPECT_EQ(mma().work(half).read_bytes, weights + 256 * 4 * 4 + 64 * 512 * 2);
  EXPECT_EQ(mma().work(int4).arithmetic, "int4");
  EXPECT_EQ(mma().work(int4).fallback, "int8");
  EXPECT_EQ(mma().work(int4).read_bytes, weights + 256 * 4 * 2 + 64 * (256 + 4 * 2));
  const auto instructions = [&](const Problem& problem) {
    return mma().traffic(point, problem, test_device()).mma_instructions;
  };
  EXPECT_EQ(instructions(half), 4 * 32 * 512 / 16);
  EXPECT_EQ(instructions(int4), 4 * 32 * 512 / 64);
  point["dequant"] = static_cast<int>(gemm::Dequant::Int8);
  EXPECT_EQ(instructions(int4), 4 * 32 * 512 / 32);
  EXPECT_EQ(mma().published(half), std::nullopt);
  EXPECT_EQ(mma().published(int4), std::nullopt);
  for (const char* id : {"mma.w4a16-g128.bm64.bn64.bk128.wm32.wn32.st3.ks1.sk1.ra1.none.fragment.bf16.ablated",
                         "mma.w4a4-g128.bm64.bn64.bk128.wm32.wn32.st3.ks1.sk1.ra1.int8.fragment.bias"}) {
    const NamedVariant found = find_variant(id, half);
    EXPECT_EQ(mma().variant(found.point, found.problem), id);
  }
}

TEST(GemmPacking, LiesAsItSays) {
  using namespace gemm;
  const auto nibble = [](std::span<const uint8_t> bytes, size_t byte, size_t at) {
    return bytes[byte + at / 2] >> (at % 2 * 4) & 15;
  };
  std::vector<uint8_t> codes(64 * 128);
  codes[37 * 128 + 45] = 11;  // column 8·0 + 5 of the second 32, row 16·0 + 8·1 + 2·2 + 1 of the second 32
  EXPECT_EQ(nibble(pack_half_weights(codes, 64, 128), (1 * 4 + 1) * 512 + (5 * 4 + 2) * 16 + (2 * 0 + 1) * 4, 4), 11);
  std::vector<int8_t> weights(64 * 128);
  weights[61 * 128 + 127] = -3;  // column 16·1 + 8·1 + 5, row 32·1 + 8·3 + 7 of the second 64
  EXPECT_EQ(
      nibble(pack_int4_weights(weights, 64, 128), (1 * 2 + 1) * 1024 + 512 + (5 * 4 + 3) * 16 + (2 * 1 + 1) * 4, 7),
      13);
  std::vector<uint16_t> scales(2 * 32);
  scales[32 + 8 * 2 + 2 * 3 + 1] = 0x3c00;
  EXPECT_EQ(pack_column_scales(scales, 32)[32 + 8 * 3 + 2 * 2 + 1], 0x3c00);
  const std::vector<uint16_t> tokens = pack_token_scales(std::vector<uint16_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10);
  EXPECT_EQ(tokens, (std::vector<uint16_t>{1, 9, 2, 10, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0}));
  std::vector<uint8_t> zeros(32);
  zeros[0] = 7, zeros[8] = 7;
  const std::vector<uint8_t> metadata = pack_half_metadata(std::vector<uint16_t>(32, 0x1234), zeros, 32);
  const auto half_at = [&](size_t i) {
    return half_to_float(static_cast<uint16_t>(metadata[i] | metadata[i + 1] << 8));
  };
  EXPECT_EQ(half_at(8), 1031.0f);
  EXPECT_EQ(half_at(10), 71.0f);
}

TEST(FloatReference, KnowsARightOutputFromAWrongOne) {
  using namespace gemm;
  const GemmCase c = make_gemm_case(GemmProblem::parse(parse_problem("gemm w4a16-g128 m=3 n=32 k=256")), 5);
  std::vector<uint16_t> out;
  for (size_t i = 0; i < 3 * 32; ++i) {
    double sum = 0;
    for (size_t k = 0; k < 256; ++k) {
      const size_t column = i % 32, at = k / 128 * 32 + column;
      const float w = static_cast<float>(c.q4[column * 256 + k] - c.group_zero[at]) * half_to_float(c.group_scale[at]);
      sum += static_cast<double>(half_to_float(c.a16[i / 32 * 256 + k])) * static_cast<double>(w);
    }
    out.push_back(float_to_half(static_cast<float>(sum)));
  }
  EXPECT_TRUE(check_half(c, std::as_bytes(std::span(out)), false).pass);
  EXPECT_FALSE(check_half(c, std::as_bytes(std::span(out)), true).pass);
  out[40] = float_to_half(half_to_float(out[40]) + 0.02f);
  const Check wrong = check_half(c, std::as_bytes(std::span(out)), false);
  EXPECT_FALSE(wrong.pass);
  EXPECT_NE(wrong.message.find("m=1 n=8"), std::string::npos) << wrong.message;
  out[40] = 0x7e00;  // NaN
  EXPECT_FALSE(check_half(c, std::as_bytes(std::span(out)), false).pass);
}

TEST(FloatReference, AddsInTheKernelsOrder) {
  using namespace gemm;
  const GemmCase c = make_gemm_case(GemmProblem::parse(parse_problem("gemm w4a4-g128 m=64 n=256 k=2048 out=bf16")), 6);
  const auto once = finish_int4(c, {128, 1, 1}, false);
  EXPECT_EQ(once, finish_int4(c, {256, 1, 1}, false)) << "the tile's depth alone changes no order";
  EXPECT_EQ(once, finish_int4(c, {64, 1, 1}, false));
  const Check close = compare(c, finish_int4(c, {128, 2, 4}, false), once);
  EXPECT_LT(close.max_error, 8e-3);
  EXPECT_FALSE(compare(c, finish_int4(c, {128, 1, 1}, true), once).pass);
}

TEST(MmaFamily, QServesTileTableLiesInTheSpace) {
  for (const char* scheme : {"w4a8-g128", "w4a8-channel", "w8a8"}) {
    for (const char* sizes : {"m=1 n=4096 k=4096", "m=127 n=4096 k=4096", "m=128 n=4096 k=4096", "m=128 n=4096 k=14336",
                              "m=129 n=4096 k=4096", "m=256 n=4096 k=4096", "m=257 n=4096 k=4096"}) {
      const Problem problem = parse_problem(std::string("gemm ") + scheme + " " + sizes);
      const auto point = mma().published(problem);
      ASSERT_TRUE(point);
      EXPECT_EQ(mma().unsupported(*point, problem, test_device()), std::nullopt) << problem.text();
      for (const Parameter& parameter : mma().parameters()) {
        EXPECT_NE(std::find(parameter.values.begin(), parameter.values.end(), point->at(parameter.name)),
                  parameter.values.end())
            << parameter.name;
      }
      const Problem reduced = mma().reduced(*point, problem);
      EXPECT_EQ(mma().source(*point, reduced).text, mma().source(*point, problem).text)
          << "the reduced problem proves another kernel";
    }
  }
}

TEST(GemmOperands, AFileOutsideTheImadRangeIsPackedForVadd4) {
  using namespace gemm;
  const GemmProblem p = GemmProblem::parse(parse_problem("gemm w4a8-g128 m=1 n=64 k=256"));
  const GemmCase inside = make_gemm_case(p, 3), outside = make_gemm_case(p, 3, true);
  const auto kept = pack_group_weights(inside.q4, inside.metadata, p.n, p.k, Dequant::Imad, Layout::Fragment);
  EXPECT_EQ(kept.dequant, Dequant::Imad);
  EXPECT_EQ(kept.layout, Layout::Fragment);
  EXPECT_EQ(kept.note, "");
  const auto changed = pack_group_weights(outside.q4, outside.metadata, p.n, p.k, Dequant::Imad, Layout::Fragment);
  EXPECT_EQ(changed.dequant, Dequant::Vadd4);
  EXPECT_EQ(changed.layout, Layout::QServe);
  EXPECT_NE(changed.note.find("packed for vadd4 instead: weight n="), std::string::npos) << changed.note;
  GroupMetadata huge = outside.metadata;
  huge.scale[5] = 30;
  EXPECT_THROW(pack_group_weights(outside.q4, huge, p.n, p.k, Dequant::Vadd4, Layout::QServe), Error);
}

TEST(GemmReference, CompareNamesTheFirstDifference) {
  using namespace gemm;
  const GemmCase c = make_gemm_case(GemmProblem::parse(parse_problem("gemm w8a8 m=3 n=16 k=32")), 9);
  const auto expected = finish(c, accumulate(c, c.w));
  EXPECT_TRUE(compare(c, expected, expected).pass);
  auto changed = expected;
  changed[(1 * 16 + 5) * 2] ^= std::byte{1};
  const Check check = compare(c, changed, expected);
  EXPECT_FALSE(check.pass);
  EXPECT_GT(check.max_error, 0);
  EXPECT_NE(check.message.find("1 of 48 outputs differ, first m=1 n=5"), std::string::npos) << check.message;
}

// Rows beyond m read row m − 1 again: 512 bytes a warp-load, in each of the tiles along n, whatever the splits.
TEST(MmaTraffic, PaddingRowsAskForOneLine) {
  const auto traffic = [](int m, int splits) {
    const Problem problem = parse_problem("gemm w4a8-g128 m=" + std::to_string(m) + " n=4096 k=4096");
    Point point = *mma().published(problem);
    point["block_m"] = 64;
    point["split_k"] = splits;
    return mma().traffic(point, problem, test_device());
  };
  EXPECT_EQ(traffic(16, 1).same_line_requests, 48 * 4096 / 512 * 64);
  EXPECT_EQ(traffic(16, 4).same_line_requests, traffic(16, 1).same_line_requests);
  EXPECT_EQ(traffic(64, 1).same_line_requests, 0);
  EXPECT_EQ(traffic(65, 1).same_line_requests, 63 * 4096 / 512 * 64);
}

TEST(MmaTraffic, ASplitTileIsPutTogetherStepByStep) {
  const Problem problem = parse_problem("gemm w4a8-g128 m=16 n=4096 k=4096");
  Point point = *mma().published(problem);
  EXPECT_EQ(mma().traffic(point, problem, test_device()).merge_steps, 0);
  point["split_k"] = 4;
  const Traffic traffic = mma().traffic(point, problem, test_device());
  EXPECT_EQ(traffic.merge_steps, 2 + 3) << "write, arrive, three other splits";
  EXPECT_EQ(traffic.merge_bytes, 4.0 * 4 * point["block_m"] * point["block_n"]);
}

}  // namespace
}  // namespace qoq::test
