#include "autotune/model_check/anchors.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/base/error.h"

namespace qoq::model_check {
namespace {

constexpr const char* kHead = R"(source: "a paper"
conditions: "somewhere"
gpu: a100-80
checked: false
)";
constexpr const char* kTime =
    "  - {problem: gemm w8a8 m=64 n=4096 k=4096, variant: "
    "mma.w8a8.bm64.bn64.bk64.wm32.wn32.st6.ks1.sk1.ra1.none.rowmajor, us: 20}\n";

std::string complaint(const std::string& text) {
  try {
    parse_anchors("a.yaml", text);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "nothing";
}

TEST(Anchors, AreRead) {
  const Anchors anchors = parse_anchors("a.yaml", std::string(kHead) + "times:\n" + kTime);
  EXPECT_EQ(anchors.source, "a paper");
  EXPECT_FALSE(anchors.checked);
  EXPECT_FALSE(anchors.fitted);
  ASSERT_EQ(anchors.times.size(), 1u);
  EXPECT_EQ(anchors.times[0].us, 20);
  EXPECT_EQ(anchors.times[0].at.problem.text(), "gemm w8a8 m=64 n=4096 k=4096");
}

TEST(Anchors, MistakesAreToldWithTheirPlace) {
  const std::string head = kHead;
  EXPECT_NE(complaint(head).find("a.yaml:1:1"), std::string::npos) << complaint(head);
  EXPECT_NE(complaint(head + "time:\n" + kTime).find("a.yaml:5:1: unknown key \"time\""), std::string::npos)
      << complaint(head + "time:\n" + kTime);
  EXPECT_NE(complaint("gpu: x\n").find("source"), std::string::npos);
  std::string bad = head + "times:\n" + kTime;
  bad.replace(bad.find("us: 20"), 6, "us: -1");
  EXPECT_NE(complaint(bad).find("a.yaml:6:"), std::string::npos) << complaint(bad);
  bad = head + "times:\n" + kTime;
  bad.replace(bad.find("w8a8 m"), 4, "w9a9");
  EXPECT_NE(complaint(bad).find("a.yaml:6:"), std::string::npos) << complaint(bad);
  bad = head + "times:\n" + kTime;
  bad.replace(bad.find("mma.w8a8"), 3, "nma");
  EXPECT_NE(complaint(bad).find("a.yaml:6:"), std::string::npos) << complaint(bad);
  bad = head + "times:\n" + kTime;
  bad.replace(bad.find("w8a8.bm64"), 4, "w4a8-channel");
  EXPECT_NE(complaint(bad).find("a.yaml:6:"), std::string::npos) << complaint(bad);
}

TEST(Anchors, TheCommittedOnesAreInOrder) {
  const auto all = embedded_anchors();
  EXPECT_GE(all.size(), 3u);
  EXPECT_TRUE(
      std::ranges::none_of(all, [](const Anchors& a) { return a.file.find("-attention.yaml") != std::string::npos; }));
}

compile::Compiler& no_compiler(const std::string&) { fail("nothing was to be compiled"); }

TEST(Published, AMissingSheetIsSaidAndScoresNothing) {
  Anchors anchors = parse_anchors("a.yaml", std::string(kHead) + "times:\n" + kTime);
  anchors.gpu = "h800";
  const PublishedResult result = predict_published(anchors, no_compiler);
  EXPECT_EQ(result.unscored, "there is no sheet of h800");
  const auto json = to_json({result});
  EXPECT_EQ(json["times"], 0);
  EXPECT_TRUE(json["error"].is_null());
  EXPECT_NE(to_text({result}).find("not scored: there is no sheet of h800"), std::string::npos);
}

TEST(Published, WhatWasFittedIsNotScored) {
  Anchors anchors = parse_anchors("a.yaml", std::string(kHead) + "times:\n" + kTime + kTime);
  PublishedResult result{
      &anchors, "", {{&anchors.times[0], 30.0, ""}, {&anchors.times[1], std::nullopt, "it fell"}}, {}};
  EXPECT_EQ(to_json({result})["times"], 1);
  EXPECT_NEAR(to_json({result})["error"].get<double>(), 0.5, 1e-12);
  const std::string text = to_text({result});
  EXPECT_NE(text.find("miss: its cause is not known"), std::string::npos) << text;
  EXPECT_NE(text.find("not predicted: it fell"), std::string::npos);
  EXPECT_NE(text.find("(unchecked)"), std::string::npos);
  result.unscored = "a rate was fitted to it";
  EXPECT_EQ(to_json({result})["times"], 0);
}

TEST(Published, AnOrderIsRightWhenTheFasterIsFaster) {
  AnchorOrder anchor{{}, {}, 1.5, ""};
  Anchors anchors;
  PublishedResult result{&anchors, "", {}, {{&anchor, 1.01, ""}, {&anchor, 0.99, ""}, {&anchor, std::nullopt, "no"}}};
  EXPECT_EQ(to_json({result})["orders"], 2);
  EXPECT_EQ(to_json({result})["right"], 1);
}

}  // namespace
}  // namespace qoq::model_check
