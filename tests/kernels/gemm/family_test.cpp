#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "kernels/families.h"
#include "kernels/gemm/mma/operands.h"
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
      for (const char* scheme : {"w4a8-g128", "w4a8-channel", "w8a8"}) {
        const Problem problem = parse_problem(std::string("gemm ") + scheme + " m=512 n=4096 k=8192");
        for (const int block : {16, 32, 64, 128, 256}) {
          for (const int depth : {64, 256}) {
            Point point = mma_point(block, std::max(32, block), depth, std::min(block, 32), 32, 2);
            point["dequant"] = scheme == std::string("w4a8-g128") ? 2 : 0;
            point["layout"] = scheme == std::string("w8a8") ? 2 : 0;
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
