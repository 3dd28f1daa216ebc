#include "kernels/attention/problem.h"

#include <gtest/gtest.h>

#include "kernels/base/error.h"

namespace qoq::attention {
namespace {

AttentionProblem parse(const std::string& text) { return AttentionProblem::parse(Problem::parse(text)); }

std::string canonical(const std::string& text) { return parse(text).problem().text(); }

std::string fault_of(const std::string& text) {
  try {
    return "accepted as " + canonical(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
}

TEST(AttentionProblem, FieldsAreRead) {
  const AttentionProblem p = parse(
      "attention kv8 batch=3 heads=32/8 dh=256 ctx=7,70,700 page=32 q=4 window=9 scale=0.25 cap=50 out=bf16 lse=1");
  EXPECT_EQ(p.scheme, Scheme::Kv8);
  EXPECT_EQ(p.element, Element::BF16);
  EXPECT_EQ(p.batch, 3);
  EXPECT_EQ(p.q_heads, 32);
  EXPECT_EQ(p.kv_heads, 8);
  EXPECT_EQ(p.head_dim, 256);
  EXPECT_EQ(p.lengths, (std::vector<int>{7, 70, 700}));
  EXPECT_EQ(p.page, 32);
  EXPECT_EQ(p.q_len, 4);
  EXPECT_EQ(p.window, 9);
  EXPECT_EQ(p.cap, 50);
  EXPECT_EQ(p.softmax_scale(), 0.25);
  EXPECT_TRUE(p.lse);
  EXPECT_EQ(p.group(), 4);
  EXPECT_EQ(p.rows(), 16);
  EXPECT_EQ(p.longest(), 700);
  EXPECT_EQ(p.tokens(), 777);
  EXPECT_EQ(p.shape(32).bits, 8);
}

TEST(AttentionProblem, DefaultsAreFilled) {
  const AttentionProblem p = parse("attention kv4 batch=2 heads=4/4 dh=64 ctx=10");
  EXPECT_EQ(p.element, Element::F16);
  EXPECT_EQ(p.lengths, (std::vector<int>{10, 10}));
  EXPECT_EQ(p.page, 0);
  EXPECT_EQ(p.q_len, 1);
  EXPECT_EQ(p.window, 0);
  EXPECT_EQ(p.cap, 0);
  EXPECT_DOUBLE_EQ(p.softmax_scale() * p.softmax_scale() * p.head_dim, 1);
  EXPECT_FALSE(p.lse);
}

TEST(AttentionProblem, TextIsCanonical) {
  EXPECT_EQ(canonical("attention kv4 ctx=1536 dh=128 heads=32/8 batch=64"),
            "attention kv4 batch=64 heads=32/8 dh=128 ctx=1536");
  EXPECT_EQ(
      canonical(
          "attention kv16 lse=1 out=bf16 cap=30 scale=0.50 window=64 q=2 page=16 ctx=5,6 dh=64 heads=16/1 batch=2"),
      "attention kv16 batch=2 heads=16/1 dh=64 ctx=5,6 page=16 q=2 window=64 scale=0.5 cap=30 out=bf16 lse=1");
  EXPECT_EQ(canonical("attention kv8 batch=3 heads=8/8 dh=64 ctx=9,9,9 q=1 window=0 cap=0 out=fp16 lse=0"),
            "attention kv8 batch=3 heads=8/8 dh=64 ctx=9");
  EXPECT_EQ(canonical("attention kv8 batch=1 heads=08/8 dh=64 ctx=131072"),
            "attention kv8 batch=1 heads=8/8 dh=64 ctx=131072");
}

TEST(AttentionProblem, CanonicalTextIsItsOwnCanon) {
  for (const char* text : {"attention kv4 batch=2 heads=32/8 dh=128 ctx=1,64 page=64 window=7 lse=1",
                           "attention kv16 batch=4096 heads=1/1 dh=64 ctx=8 q=8 out=bf16"}) {
    EXPECT_EQ(canonical(text), text);
  }
}

TEST(AttentionProblem, RefusesWithASentence) {
  const std::string good = "attention kv4 batch=2 heads=8/2 dh=128 ctx=100";
  const auto with = [&](const std::string& field, const std::string& value) {
    return Problem::parse(good).with(field, value).text();
  };
  const std::pair<std::string, const char*> cases[] = {
      {"gemm kv4 batch=2 heads=8/2 dh=128 ctx=100", "is not an attention"},
      {"attention kv2 batch=2 heads=8/2 dh=128 ctx=100", "unknown scheme \"kv2\""},
      {with("k", "1"), "no field \"k\"; it has batch, heads"},
      {"attention kv4 heads=8/2 dh=128 ctx=100", "lacks batch="},
      {"attention kv4 batch=2 dh=128 ctx=100", "lacks heads="},
      {"attention kv4 batch=2 heads=8/2 ctx=100", "lacks dh="},
      {"attention kv4 batch=2 heads=8/2 dh=128", "lacks ctx="},
      {with("batch", "0"), "batch=0 is out of range, 1 to 4096"},
      {with("batch", "4097"), "batch=4097 is out of range"},
      {with("batch", "two"), "batch=two is not a whole number"},
      {with("heads", "8"), "heads=8 is not of the form"},
      {with("heads", "8/"), "is not of the form"},
      {with("heads", "8/2/1"), "is not of the form"},
      {with("heads", "8/0"), "heads=8/0 is out of range"},
      {with("heads", "-8/2"), "out of range"},
      {with("heads", "2048/1024"), "out of range, 1 to 1024 each"},
      {with("heads", "8/3"), "not a multiple of the KV heads"},
      {with("heads", "2/8"), "not a multiple of the KV heads"},
      {with("heads", "34/2"), "17 query heads share a KV head, at most 16 may"},
      {with("dh", "96"), "dh=96 is not one of 64, 128, 256"},
      {with("page", "8"), "page=8 is not one of 16, 32, 64, 128"},
      {with("page", "0"), "page=0 is not one of"},
      {with("q", "0"), "q=0 is out of range, 1 to 8"},
      {with("q", "9"), "q=9 is out of range"},
      {with("ctx", "0"), "ctx: 0 is out of range, 1 to 131072"},
      {with("ctx", "131073,1"), "ctx: 131073 is out of range"},
      {with("ctx", "1,2,3"), "ctx lists 3 lengths for batch=2"},
      {with("ctx", "1,"), "ctx: \"\" is not a whole number"},
      {with("ctx", "1,,2"), "ctx: \"\" is not a whole number"},
      {with("ctx", "1;2"), "\"1;2\" is not a whole number"},
      {Problem::parse(with("ctx", "3,2")).with("q", "3").text(), "ctx: 2 is less than q=3"},
      {with("window", "-1"), "window=-1 is out of range, 0 to 131072"},
      {with("window", "x"), "window=x is not a whole number"},
      {with("scale", "0"), "scale=0 is no number in (0, 1000]"},
      {with("scale", "1x"), "scale=1x is no number"},
      {with("cap", "-1"), "cap=-1 is out of range, 0 to 10000"},
      {with("cap", "20000"), "cap=20000 is out of range"},
      {with("out", "fp8"), "out=fp8 is unknown; fp16 or bf16"},
      {with("lse", "yes"), "lse=yes is neither 0 nor 1"},
  };
  for (const auto& [problem, sentence] : cases)
    EXPECT_NE(fault_of(problem).find(sentence), std::string::npos) << problem << ": " << fault_of(problem);
}

}  // namespace
}  // namespace qoq::attention
