#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/select/rows.h"

namespace qoq::select {
namespace {

using store::Candidate;
using store::Source;
using testing::fault_of;
using testing::gemm;
using testing::row_of;
using testing::Shelf;

bool says(const Choice& choice, const std::string& what) { return choice.note.find(what) != std::string::npos; }

/// Two weights tuned at m = 16, 64, 256; "qserve" wins both. Variant s serves 16, l the larger.
class Answer : public ::testing::Test {
 protected:
  Answer() {
    for (const int n : {4096, 8192}) {
      for (const auto& [m, variant, time_us] : {std::tuple(16, "s", 10.0), {64, "m", 20.0}, {256, "l", 60.0}}) {
        shelf_.want(gemm(m, n, 4096));
        shelf_.put(gemm(m, n, 4096), variant, "qserve", time_us);
        shelf_.put(gemm(m, n, 4096), "second", "qserve", 1.5 * time_us);
      }
    }
    // Faster for one size, but in a layout that is not deployed.
    shelf_.put(gemm(64, 4096, 4096), "other", "fragment", 1);
  }
  Shelf shelf_;
};

TEST_F(Answer, IsExactForATunedProblem) {
  const Choice choice = shelf_.answer(gemm(64, 4096, 4096));
  EXPECT_EQ(choice.how, How::Exact);
  EXPECT_EQ(choice.variant, "m") << "only the deployed layout counts";
  EXPECT_EQ(choice.family, "gemm/mma");
  EXPECT_EQ(choice.layout, "qserve");
  EXPECT_EQ(choice.expected_us, 20);
  EXPECT_EQ(choice.source, Source::Predicted);
  EXPECT_TRUE(says(choice, "only predicted"));
  ASSERT_EQ(choice.evidence.size(), 1u);
  EXPECT_EQ(choice.evidence[0].problem, gemm(64, 4096, 4096));
  EXPECT_EQ(choice.evidence[0].verified_on, "emulator");
  EXPECT_NE(choice.evidence[0].environment.find("sim:h200"), std::string::npos);
}

TEST_F(Answer, SaysWhichAssumptionTheChoiceRestsOn) {
  EXPECT_EQ(fragility(shelf_.answer(gemm(64, 4096, 4096))), "") << "nobody asked";
  Candidate row = row_of(gemm(64, 4096, 4096), "m", "qserve", 20);
  row.details = R"({"fragile":[]})";
  shelf_.put(row);
  EXPECT_EQ(fragility(shelf_.answer(gemm(64, 4096, 4096))), "") << "no assumption changes it";
  row.details = R"({"fragile":[{"rate":"latency.dram","factor":0.7,"winner":"second","loss":0.031},
                               {"rate":"block","factor":1.3,"winner":"third","loss":0.01}]})";
  shelf_.put(row);
  const Choice choice = shelf_.answer(gemm(64, 4096, 4096));
  EXPECT_EQ(fragility(choice), "fragile: with latency.dram × 0.7 second would win, by 3.1 %");
  EXPECT_NE(to_text(choice).find("\n  fragile: with latency.dram"), std::string::npos) << to_text(choice);
  EXPECT_EQ(to_json(choice)["fragile"], fragility(choice));
  EXPECT_NE(to_text(shelf_.choose()).find("  fragile: "), std::string::npos);
}

TEST_F(Answer, ReadsFieldsInAnyOrder) { EXPECT_EQ(shelf_.answer("gemm w4a8-g128 k=4096 n=4096 m=64").how, How::Exact); }

TEST_F(Answer, BetweenTakesTheSmallestTunedSizeAboveAndShowsBothNeighbours) {
  for (const auto& [m, variant] : {std::pair(17, "m"), {63, "m"}, {65, "l"}, {255, "l"}}) {
    const Choice choice = shelf_.answer(gemm(m, 8192, 4096));
    EXPECT_EQ(choice.how, How::Between);
    EXPECT_EQ(choice.variant, variant);
    EXPECT_EQ(choice.layout, "qserve");
    EXPECT_FALSE(choice.expected_us) << "nothing is interpolated";
    ASSERT_EQ(choice.evidence.size(), 2u);
    EXPECT_EQ(choice.evidence[0].problem, gemm(m < 64 ? 16 : 64, 8192, 4096));
    EXPECT_EQ(choice.evidence[1].problem, gemm(m < 64 ? 64 : 256, 8192, 4096));
    EXPECT_EQ(choice.evidence[1].time_us, m < 64 ? 20 : 60);
    EXPECT_TRUE(says(choice, "only predicted"));
  }
}

TEST_F(Answer, OutsideTheTunedSizesTheNearestOneAnswers) {
  const Choice below = shelf_.answer(gemm(1, 8192, 4096)), above = shelf_.answer(gemm(5000, 8192, 4096));
  EXPECT_EQ(below.how, How::Between);
  EXPECT_EQ(below.variant, "s");
  EXPECT_EQ(below.evidence.size(), 1u);
  EXPECT_EQ(above.variant, "l");
  EXPECT_EQ(above.evidence.size(), 1u);
  EXPECT_TRUE(says(above, "the largest tuned m, none above 5000")) << above.note;
}

TEST_F(Answer, KeepsTheDeployedLayoutAtOtherSizes) {
  shelf_.put(gemm(256, 4096, 4096), "other", "fragment", 59);
  const Choice choice = shelf_.answer(gemm(100, 4096, 4096));
  EXPECT_EQ(choice.layout, shelf_.choose().group("gemm", "w4a8-g128", "n=4096 k=4096")->layout);
  EXPECT_EQ(choice.variant, "l");
}

TEST_F(Answer, ASizeTunedByAnotherJobCountsToo) {
  shelf_.want(gemm(32, 4096, 4096), -1);
  shelf_.put(gemm(32, 4096, 4096), "elsewhere", "qserve", 12);
  EXPECT_EQ(shelf_.answer(gemm(32, 4096, 4096)).variant, "elsewhere");
  EXPECT_EQ(shelf_.answer(gemm(32, 4096, 4096)).how, How::Exact);
  EXPECT_EQ(shelf_.answer(gemm(20, 4096, 4096)).variant, "elsewhere");
  // Weights that only the other job knows: no layout is deployed for them.
  shelf_.want(gemm(32, 1024, 1024), -1);
  shelf_.put(gemm(32, 1024, 1024), "free", "fragment", 1);
  const Choice choice = shelf_.answer(gemm(32, 1024, 1024));
  EXPECT_EQ(choice.variant, "free");
  EXPECT_TRUE(says(choice, "job job deploys no layout for these weights"));
}

TEST_F(Answer, DefaultIsWhatIsChosenMostOftenAtTheNearestSize) {
  shelf_.want(gemm(64, 2048, 4096));
  shelf_.put(gemm(64, 2048, 4096), "odd", "qserve", 7);
  const Choice choice = shelf_.answer(gemm(17, 512, 512));
  EXPECT_EQ(choice.how, How::Default);
  EXPECT_EQ(choice.variant, "m");
  EXPECT_FALSE(choice.expected_us);
  EXPECT_EQ(choice.evidence.size(), 2u);
  EXPECT_TRUE(says(choice, "2 of 3 times")) << choice.note;
  EXPECT_TRUE(says(choice, "at m=64"));
  EXPECT_EQ(shelf_.answer(gemm(9999, 512, 512)).variant, "l");
}

TEST_F(Answer, DefaultLooksOnlyAtTheSameSchemeAndOutput) {
  const Choice scheme = shelf_.answer("gemm w8a8 m=16 n=4096 k=4096");
  EXPECT_EQ(scheme.how, How::None);
  EXPECT_TRUE(says(scheme, "no usable row of gemm w8a8")) << scheme.note;
  EXPECT_EQ(shelf_.answer(gemm(16, 4096, 4096, "out=bf16")).how, How::None);
  shelf_.want(gemm(16, 8192, 4096, "out=bf16"));
  shelf_.put(gemm(16, 8192, 4096, "out=bf16"), "s.bf16", "qserve", 10);
  EXPECT_EQ(shelf_.answer(gemm(16, 4096, 4096, "out=bf16")).variant, "s.bf16");
}

TEST_F(Answer, DefaultKeepsALayoutThatIsDeployedForTheWeights) {
  // These weights lie in "fragment" for their fp16 problems; the bf16 problem was tuned for other weights, in qserve.
  shelf_.want(gemm(16, 2048, 4096));
  shelf_.put(gemm(16, 2048, 4096), "f", "fragment", 1);
  shelf_.want(gemm(16, 8192, 4096, "out=bf16"));
  shelf_.put(gemm(16, 8192, 4096, "out=bf16"), "s.bf16", "qserve", 10);
  EXPECT_EQ(shelf_.answer(gemm(16, 2048, 4096, "out=bf16")).how, How::None);
  EXPECT_EQ(shelf_.answer(gemm(16, 4096, 4096, "out=bf16")).how, How::Default);
}

TEST_F(Answer, FallsBackToThePublishedPoint) {
  FamilyRules rules = testing::toy_rules();
  rules.published = [](const Problem& problem) -> std::optional<FamilyRules::Published> {
    if (problem.scheme != "w8a8") return std::nullopt;
    return FamilyRules::Published{"published", "gemm/mma", "rowmajor"};
  };
  const Choice choice = shelf_.answer("gemm w8a8 m=16 n=4096 k=4096", rules);
  EXPECT_EQ(choice.how, How::Default);
  EXPECT_EQ(choice.variant, "published");
  EXPECT_TRUE(choice.evidence.empty());
  EXPECT_EQ(choice.source, Source::None);
  EXPECT_TRUE(says(choice, "the published point"));
  EXPECT_EQ(shelf_.answer("gemm w4a4-g128 m=16 n=4096 k=4096", rules).how, How::None);
}

TEST_F(Answer, PassesOverVariantsThatTheProblemDoesNotSupport) {
  FamilyRules rules = testing::toy_rules();
  rules.unsupported = [](const Candidate& row, const Problem&) -> std::optional<std::string> {
    if (row.variant == "m") return "needs m ≥ 64";
    return std::nullopt;
  };
  const Choice between = shelf_.answer(gemm(17, 8192, 4096), rules);
  EXPECT_EQ(between.how, How::Between);
  EXPECT_EQ(between.variant, "second");
  EXPECT_TRUE(says(between, "m was passed over: needs m ≥ 64")) << between.note;
  EXPECT_EQ(between.evidence.back().variant, "second") << "the row it rests on is shown";
  EXPECT_EQ(shelf_.answer(gemm(17, 512, 512), rules).variant, "l") << "the next larger size";
}

TEST_F(Answer, RefusesEmulatedRows) {
  shelf_.want("gemm w8a8 m=16 n=4096 k=4096");
  Candidate emulated = row_of("gemm w8a8 m=16 n=4096 k=4096", "e", "rowmajor", 1);
  emulated.source = Source::Emulated;
  emulated.median_us.reset();
  shelf_.put(emulated);
  for (const int m : {16, 17}) {
    const Choice choice = shelf_.answer("gemm w8a8 m=" + std::to_string(m) + " n=4096 k=4096");
    EXPECT_EQ(choice.how, How::None);
    EXPECT_TRUE(choice.variant.empty());
    if (m == 16) {
      EXPECT_TRUE(says(choice, "1 emulated (those have no times)")) << choice.note;
    }
  }
}

TEST_F(Answer, NamesAMissingSize) {
  EXPECT_EQ(fault_of([&] { shelf_.answer("gemm w4a8-g128 n=4096 k=4096"); }),
            "Input: \"gemm w4a8-g128 n=4096 k=4096\" lacks m=");
}

/// A second operator whose size is spread over two fields: nothing here knows their names.
class AttentionAnswer : public ::testing::Test {
 protected:
  AttentionAnswer() {
    for (const auto& [sizes, variant] :
         {std::pair("batch=1 ctx=8192", "long"), {"batch=16 ctx=1024", "wide"}, {"batch=64 ctx=1024", "large"}}) {
      shelf_.want(attention(sizes));
      shelf_.put(attention(sizes), variant, "fragment", 10);
    }
    shelf_.want(attention("batch=16 ctx=1024", "q=4"));
    shelf_.put(attention("batch=16 ctx=1024", "q=4"), "append", "fragment", 10);
  }
  static std::string attention(const std::string& sizes, const std::string& rest = "", int dh = 128) {
    return fmt::format("attention kv4 heads=32/8 dh={} {}{}{}", dh, sizes, rest.empty() ? "" : " ", rest);
  }
  Shelf shelf_;
};

TEST_F(AttentionAnswer, LiesBetweenProblemsByTheSizeThatTheFamilyNames) {
  const Choice choice = shelf_.answer(attention("batch=10 ctx=1000"));
  EXPECT_EQ(choice.how, How::Between);
  EXPECT_EQ(choice.variant, "wide");
  EXPECT_TRUE(says(choice, "taken from batch=16 ctx=1024, size 16384, the smallest tuned size ≥ 10000")) << choice.note;
  ASSERT_EQ(choice.evidence.size(), 2u);
  EXPECT_EQ(choice.evidence[0].problem, attention("batch=1 ctx=8192"));
  const Choice beyond = shelf_.answer(attention("batch=512 ctx=1024"));
  EXPECT_EQ(beyond.variant, "large");
  EXPECT_TRUE(says(beyond, "the largest tuned size, none above 524288 will do")) << beyond.note;
}

TEST_F(AttentionAnswer, OfEqualSizesTheLikestAnswers) {
  shelf_.want(attention("batch=64 ctx=256"));
  shelf_.put(attention("batch=64 ctx=256"), "short", "fragment", 10);
  EXPECT_EQ(shelf_.answer(attention("batch=64 ctx=200")).variant, "short");
  EXPECT_EQ(shelf_.answer(attention("batch=15 ctx=1024")).variant, "wide");
  EXPECT_EQ(shelf_.answer(attention("batch=8 ctx=2048")).how, How::Between) << "the same sum is no exact answer";
}

TEST_F(AttentionAnswer, AFieldThatIsNoSizeMustAgree) {
  EXPECT_EQ(shelf_.answer(attention("batch=10 ctx=1000", "q=4")).variant, "append");
  EXPECT_EQ(shelf_.answer(attention("batch=10 ctx=1000", "q=2")).how, How::None);
}

TEST_F(AttentionAnswer, AListOfContextsIsASizeToo) {
  const Choice choice = shelf_.answer(attention("batch=3 ctx=1,4000,5000"));
  EXPECT_EQ(choice.variant, "wide") << choice.note;
  EXPECT_TRUE(says(choice, "the smallest tuned size ≥ 9001")) << choice.note;
  EXPECT_EQ(shelf_.answer(attention("batch=2 ctx=8191,1")).variant, "long") << "the same sum";
}

TEST_F(AttentionAnswer, OtherCachesGetWhatIsChosenMostOften) {
  const Choice choice = shelf_.answer(attention("batch=10 ctx=1000", "", 64));
  EXPECT_EQ(choice.how, How::Default);
  EXPECT_EQ(choice.variant, "wide");
  EXPECT_TRUE(says(choice, "at size 16384")) << choice.note;
}

TEST_F(AttentionAnswer, WithoutTheFamilysRulesOnlyTunedProblemsAreAnswered) {
  EXPECT_EQ(shelf_.answer(attention("batch=16 ctx=1024"), {}).how, How::Exact);
  EXPECT_EQ(shelf_.answer(attention("batch=10 ctx=1000"), {}).how, How::None);
}

TEST_F(Answer, AsJsonAndText) {
  const Choice choice = shelf_.answer(gemm(17, 8192, 4096));
  const auto json = nlohmann::json::parse(to_json(choice).dump());
  EXPECT_EQ(json["how"], "between");
  EXPECT_TRUE(json["expected_us"].is_null());
  EXPECT_EQ(json["evidence"].size(), 2u);
  const std::string text = to_text(choice);
  EXPECT_NE(text.find("found     between: taken from m=64, the smallest tuned m ≥ 17; only predicted"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("gemm w4a8-g128 m=16 n=8192 k=4096: s takes 10.00 us, predicted on sim:h200"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace qoq::select
