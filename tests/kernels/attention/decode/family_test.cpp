#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/attention/decode/point.h"
#include "kernels/base/error.h"
#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

using attention::AttentionProblem;
using attention::DecodeVariant;

const Family& decode() { return family_named("attention/decode"); }

Point with(Point point, const std::string& name, int value) {
  point[name] = value;
  return point;
}

TEST(DecodeFamily, VariantIdsGoBothWays) {
  const Problem problem = parse_problem("attention kv4 batch=4 heads=32/8 dh=128 ctx=4096 cap=30 out=bf16");
  Point point{{"page", 64},     {"tile", 32},  {"stages", 3},      {"warps", 4}, {"row_tiles", 1},
              {"resident", 12}, {"splits", 0}, {"orientation", 0}, {"merge", 0}, {"layout", 1}};
  EXPECT_EQ(decode().variant(point, problem),
            "decode.kv4.dh128.p64.tl32.st3.w4.rt1.rw12.sp0.tokens.kernel.fragment.bf16.cap");
  for (const char* mark : {"", "checked", "ablated"}) {
    Point base = point;
    if (*mark != 0) base[mark] = 1;
    for (const Parameter& parameter : decode().parameters()) {
      for (const int value : parameter.values) {
        const Point changed = with(base, parameter.name, value);
        const std::string id = decode().variant(changed, problem);
        const NamedVariant back = find_variant(id, problem);
        EXPECT_EQ(back.point, changed) << id;
        EXPECT_EQ(back.problem, problem) << id;
      }
    }
  }
}

TEST(DecodeFamily, AnIdNamesTheProblemsKindToo) {
  const Problem shape = parse_problem("attention kv4 batch=4 heads=32/8 dh=128 ctx=4096 page=16 cap=30 out=bf16 lse=1");
  const auto found = decode().parse_variant("decode.kv8.dh64.p64.tl32.st3.w4.rt1.rw8.sp1.heads.kernel.qserve", shape);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->second.text(), "attention kv8 batch=4 heads=32/8 dh=64 ctx=4096 page=64 lse=1");
  for (const char* wrong : {"", "decode", "decode.kv4.dh128.p64", "mma.kv4.dh128.p64.tl32.st3.w4.rt1.rw8.sp1.heads",
                            "decode.kv5.dh128.p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment",
                            "decode.kv4.dhx.p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment",
                            "decode.kv4.dh128.p64.st3.tl32.w4.rt1.rw8.sp1.tokens.kernel.fragment",
                            "decode.kv4.dh128.p64.tl32.st3.w4.rt1.rw8.sp1.kernel.tokens.fragment",
                            "decode.kv4.dh128.p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.rowmajor",
                            "decode.kv4.dh128.p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment.turbo"}) {
    EXPECT_EQ(decode().parse_variant(wrong, shape), std::nullopt) << wrong;
  }
}

/// Of a large problem the timer gets a few pages again and again: as many as the pool has, all of them full of tokens.
TEST(DecodeFamily, TimingOperandsRepeatFullPages) {
  for (const char* text :
       {"attention kv4 batch=9 heads=8/2 dh=64 ctx=2050", "attention kv16 batch=20 heads=4/1 dh=64 ctx=1000",
        "attention kv8 batch=2 heads=4/1 dh=64 ctx=50"}) {
    const Problem problem = parse_problem(text);
    const Point point = attention::default_decode_point();
    const std::vector<Buffer> whole = decode().prepare(*decode().make_case(problem, 3), point);
    const std::vector<Buffer> timed = decode().timing_operands(problem, point, 3);
    ASSERT_EQ(timed.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(timed[i].name, whole[i].name);
      EXPECT_EQ(timed[i].role, whole[i].role);
      EXPECT_GE(timed[i].size(), whole[i].size());
      EXPECT_LT(timed[i].bytes.size(), whole[i].bytes.size() + 1);
      if (timed[i].name == "table" || timed[i].name == "lengths") {
        EXPECT_EQ(timed[i].bytes, whole[i].bytes);
      }
      if (timed[i].repeats == 1) continue;
      EXPECT_EQ(timed[i].role, Buffer::Role::Weights);
      EXPECT_LT(timed[i].bytes.size(), whole[i].bytes.size() / 3);
      // An unused slot is 0xff throughout, its scale and zero too.
      const std::vector<std::byte> unused(16, std::byte{0xff});
      EXPECT_TRUE(std::ranges::search(timed[i].bytes, unused).empty()) << text << " " << timed[i].name;
      EXPECT_FALSE(std::ranges::search(whole[i].bytes, unused).empty());
    }
  }
}

TEST(DecodeFamily, EveryParameterValueIsUsedByALegalPoint) {
  for (const Parameter& parameter : decode().parameters()) {
    for (const int value : parameter.values) {
      bool legal = false;
      for (const char* scheme : {"kv4", "kv8", "kv16"}) {
        const Problem problem =
            parse_problem(std::string("attention ") + scheme + " batch=4 heads=32/2 dh=64 ctx=16384");
        for (const int tile : {16, 32, 64}) {
          for (const int splits : {0, 1}) {
            Point point = attention::default_decode_point();
            point["tile"] = tile;
            point["splits"] = splits;
            point[parameter.name] = value;
            legal = legal || !decode().unsupported(point, problem, test_device());
          }
        }
      }
      EXPECT_TRUE(legal) << parameter.name << "=" << value;
    }
  }
}

TEST(DecodeFamily, TheDefaultPointLiesInTheSpaceAndSuitsMost) {
  const Point point = attention::default_decode_point();
  for (const Parameter& parameter : decode().parameters()) {
    EXPECT_NE(std::ranges::find(parameter.values, point.at(parameter.name)), parameter.values.end()) << parameter.name;
  }
  EXPECT_EQ(point.size(), decode().parameters().size());
  for (const char* text :
       {"attention kv4 batch=64 heads=32/8 dh=128 ctx=1536", "attention kv4 batch=1 heads=64/8 dh=128 ctx=131072",
        "attention kv8 batch=1 heads=8/8 dh=64 ctx=1", "attention kv16 batch=2 heads=32/8 dh=128 ctx=9 q=8",
        "attention kv4 batch=2 heads=16/1 dh=256 ctx=99"})
    EXPECT_EQ(decode().unsupported(point, parse_problem(text), test_device()), std::nullopt) << text;
}

TEST(DecodeFamily, SaysWhyAPointIsUnsupported) {
  const Problem problem = parse_problem("attention kv4 batch=4 heads=32/8 dh=128 ctx=1536 page=64");
  const auto why = [](const Point& point, const Problem& of, const Device& device = test_device()) {
    return decode().unsupported(point, of, device).value_or("supported");
  };
  const Point point = decode_point("p64.tl32.st3.w4.rt1.rw8.sp2.tokens.kernel.fragment", problem);
  EXPECT_EQ(why(point, problem), "supported");
  EXPECT_EQ(why(with(point, "page", 48), problem), "pages have 16, 32, 64 or 128 tokens");
  EXPECT_EQ(why(with(point, "page", 16), problem), "a tile has 16, 32 or 64 tokens and lies within a page");
  EXPECT_EQ(why(with(point, "tile", 48), problem), "a tile has 16, 32 or 64 tokens and lies within a page");
  EXPECT_EQ(why(with(point, "stages", 1), problem), "a pipeline needs two stages");
  EXPECT_EQ(why(with(point, "warps", 17), problem), "a CTA has 1 to 16 warps");
  EXPECT_EQ(why(with(point, "warps", 0), problem), "a CTA has 1 to 16 warps");
  EXPECT_EQ(why(with(point, "row_tiles", 5), problem), "a CTA has 1 to 4 row tiles");
  EXPECT_EQ(why(with(point, "page", 32), problem), "the cache has pages of 64 tokens");
  EXPECT_EQ(why(with(point, "row_tiles", 2), problem), "2 row tiles for 4 rows: one would be empty");
  EXPECT_EQ(why(with(with(point, "splits", 1), "merge", 1), problem), "with one split there is nothing to merge");
  EXPECT_EQ(why(with(point, "splits", 16), problem), "16 splits of 4 warps are more than there are tiles");
  EXPECT_EQ(why(with(with(point, "layout", 0), "ablated", 1), problem),
            "only kv4 and kv8 in the fragment layout have a no-dequant ablation");
  const Problem wide = parse_problem("attention kv4 batch=4 heads=16/1 dh=256 ctx=1536 q=2");
  EXPECT_EQ(why(with(with(point, "row_tiles", 2), "orientation", 1), wide),
            "queries, scores and outputs would not fit into a thread's registers");
  Device small = test_device();
  small.shared_per_block_bytes = 48 * 1024;
  EXPECT_EQ(why(point, problem, small), "needs 52224 bytes of shared memory, sm_90a gives a CTA 49152");
  Device old = test_device();
  old.compute_capability = 75;
  EXPECT_NE(why(point, problem, old).find("need sm_80, test is sm_75"), std::string::npos) << why(point, problem, old);
  Point incomplete = point;
  incomplete.erase("warps");
  try {
    why(incomplete, problem);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    EXPECT_STREQ(error.what(), "an attention/decode point lacks warps");
  }
}

TEST(DecodeFamily, NamesLayoutsGroupsAndSizes) {
  const Problem problem = parse_problem("attention kv4 batch=3 heads=32/8 dh=128 ctx=100,200,7");
  const Point point = decode_point("p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment", problem);
  EXPECT_EQ(decode().layout(point, problem), "fragment.p64");
  EXPECT_EQ(decode().layout(with(with(point, "layout", 0), "page", 128), problem), "qserve.p128");
  EXPECT_EQ(decode().layout_group(problem), "heads=32/8 dh=128");
  EXPECT_EQ(decode().size(problem), 307);
  EXPECT_NE(decode().operand_key(with(point, "ablated", 1), problem), decode().operand_key(point, problem));
  EXPECT_EQ(decode().operand_key(with(point, "stages", 2), problem), decode().operand_key(point, problem));
}

TEST(DecodeFamily, PlansWhatSplitsNeed) {
  const Problem problem = parse_problem("attention kv4 batch=3 heads=16/1 dh=128 ctx=4096");
  const auto plan = [&](const char* id) { return decode().plan(decode_point(id, problem), problem, test_device()); };
  const auto bytes = [](const Plan& of, std::string_view name) {
    for (const Workspace& workspace : of.workspaces) {
      if (workspace.name == name) return workspace.bytes;
    }
    return size_t{0};
  };
  const Plan one = plan("p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment");
  ASSERT_EQ(one.launches.size(), 1u);
  EXPECT_TRUE(one.workspaces.empty());
  EXPECT_EQ(one.launches[0].grid.x, 1u);
  EXPECT_EQ(one.launches[0].grid.y, 2u) << "one KV head, two blocks of eight rows";
  EXPECT_EQ(one.launches[0].grid.z, 3u);
  EXPECT_EQ(one.launches[0].block.x, 128u);

  const Plan four = plan("p64.tl32.st3.w4.rt1.rw8.sp4.tokens.kernel.fragment");
  ASSERT_EQ(four.launches.size(), 1u);
  EXPECT_EQ(four.launches[0].grid.x, 4u);
  EXPECT_EQ(bytes(four, "partials"), size_t{3 * 2 * 4 * 8 * 128 * 4});
  EXPECT_EQ(bytes(four, "partial_sums"), size_t{3 * 2 * 4 * 8 * 8});
  EXPECT_EQ(bytes(four, "arrivals"), size_t{3 * 2 * 4});
  EXPECT_EQ(four.workspaces.back().init, Workspace::Init::ZeroOnce);

  const Plan second = plan("p64.tl32.st3.w4.rt1.rw8.sp4.heads.second.fragment");
  ASSERT_EQ(second.launches.size(), 2u);
  EXPECT_EQ(second.launches[1].grid.x, 1u);
  EXPECT_EQ(second.launches[1].grid.y, 1u) << "sixteen rows at once";
  EXPECT_EQ(bytes(second, "partials"), size_t{3 * 4 * 16 * 128 * 4});
  EXPECT_EQ(bytes(second, "arrivals"), 0u);

  const Plan checked = plan("p64.tl32.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment.checked");
  ASSERT_EQ(checked.workspaces.size(), 1u);
  EXPECT_EQ(checked.workspaces[0].name, "faults");
  EXPECT_EQ(checked.workspaces[0].init, Workspace::Init::ZeroEach);
}

attention::Splits splits(const std::string& problem, const Point& point = attention::default_decode_point()) {
  const AttentionProblem p = AttentionProblem::parse(parse_problem(problem));
  return attention::splits_of(DecodeVariant::from(point, p), p, test_device());
}

TEST(DecodeSplits, AFixedNumberIsTaken) {
  const Point eight = with(attention::default_decode_point(), "splits", 8);
  const attention::Splits fixed = splits("attention kv4 batch=64 heads=32/8 dh=128 ctx=1536", eight);
  EXPECT_EQ(fixed.count, 8);
  EXPECT_EQ(fixed.least_tiles, 1);
}

TEST(DecodeSplits, FollowTheBatchAndItsLengths) {
  EXPECT_EQ(splits("attention kv4 batch=64 heads=32/8 dh=128 ctx=1536").count, 1);
  EXPECT_EQ(splits("attention kv4 batch=256 heads=32/8 dh=128 ctx=1536").count, 1);
  EXPECT_EQ(splits("attention kv4 batch=1 heads=32/8 dh=128 ctx=64").count, 1) << "one tile";
  EXPECT_GE(splits("attention kv4 batch=1 heads=32/8 dh=128 ctx=131072").count, 32);
  EXPECT_GE(splits("attention kv4 batch=1 heads=8/1 dh=128 ctx=131072").count, 48);
  EXPECT_GT(splits("attention kv4 batch=4 heads=32/8 dh=128 ctx=4096").count, 4);
  EXPECT_GT(splits("attention kv4 batch=64 heads=32/8 dh=128 ctx=" +
                   [] {
                     std::string lengths = "65536";
                     for (int i = 1; i < 64; ++i) lengths += ",128";
                     return lengths;
                   }())
                .count,
            4)
      << "one long sequence would run alone at the end";
}

TEST(DecodeSplits, AFullGpuIsNotSplitFurther) {
  // Measured on an H200 with tiles of 64, 2 stages, 2 warps: one split was 14 to 22 % faster than three at ctx=4096.
  const Point point = with(attention::default_decode_point(), "stages", 2);
  for (const char* sizes : {"heads=32/8 dh=128 ctx=4096", "heads=64/8 dh=128 ctx=4096", "heads=32/8 dh=128 ctx=1024",
                            "heads=32/32 dh=128 ctx=1024", "heads=32/32 dh=128 ctx=256"}) {
    EXPECT_EQ(splits(fmt::format("attention kv4 batch=64 {}", sizes), point).count, 1) << sizes;
  }
}
TEST(DecodeSplits, CoverTheLongestSequenceAndNoneIsEmpty) {
  for (const char* scheme : {"kv4", "kv16"}) {
    for (const int batch : {1, 2, 3, 7, 16, 64, 200}) {
      for (const int length : {1, 63, 64, 65, 129, 1000, 1536, 4095, 20000, 131072}) {
        for (const int warps : {1, 2, 3, 8}) {
          Point point = with(with(attention::default_decode_point(), "warps", warps), "tile", 32);
          const std::string text = fmt::format("attention {} batch={} heads=32/8 dh=128 ctx={}", scheme, batch, length);
          const attention::Splits found = splits(text, point);
          const int tiles = (length + 31) / 32;
          SCOPED_TRACE(fmt::format("{}, {} warps: {} of {} tiles", text, warps, found.count, found.least_tiles));
          ASSERT_GE(found.count, 1);
          ASSERT_LE(found.count, attention::most_splits);
          ASSERT_GE(found.least_tiles, 1);
          EXPECT_GE(found.count * found.least_tiles, tiles);
          EXPECT_LT((found.count - 1) * found.least_tiles, tiles);
        }
      }
    }
  }
}

}  // namespace
}  // namespace qoq::test
