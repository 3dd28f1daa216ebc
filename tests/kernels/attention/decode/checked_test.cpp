// What a serving system may get wrong: page ids and lengths out of range, sequences without tokens, queries that are
// NaN. Every access stays inside the buffers, the damage stays with the one who did it, and is counted.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/kernels/attention/decode/trial.h"

namespace qoq::test {
namespace {

constexpr const char* problem = "attention kv4 batch=4 heads=8/2 dh=64 ctx=70,100,33,130 lse=1";
constexpr const char* checked[] = {"p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment.checked",
                                   "p32.tl16.st3.w2.rt1.rw8.sp2.tokens.kernel.fragment.checked",
                                   "p32.tl32.st2.w2.rt1.rw8.sp2.heads.second.qserve.checked"};

class DecodeChecked : public testing::TestWithParam<const char*> {
 protected:
  void expect_others_right(Trial& trial, int spoilt) {
    for (int sequence = 0; sequence < trial.operands().problem.batch; ++sequence) {
      if (sequence == spoilt) continue;
      for (int head = 0; head < 8; ++head) EXPECT_TRUE(trial.is_right(sequence, head)) << sequence << " " << head;
    }
  }
};

TEST_P(DecodeChecked, CountsNothingWhereAllIsRight) {
  Trial trial(GetParam(), problem);
  EXPECT_EQ(trial.launch(), 0);
  expect_others_right(trial, -1);
}

TEST_P(DecodeChecked, PageIdsOutOfRange) {
  for (const int32_t id : {-1, 1 << 20, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
    SCOPED_TRACE(id);
    Trial trial(GetParam(), problem);
    trial.values<int32_t>("table")[1 * trial.table_width() + 2] = id;  // tokens 64 … 95
    EXPECT_GT(trial.launch(), 0);
    expect_others_right(trial, 1);
  }
}

TEST_P(DecodeChecked, TheFirstIdBeyondThePools) {
  Trial trial(GetParam(), problem);
  trial.values<int32_t>("table")[2 * trial.table_width()] = trial.pages();
  EXPECT_GT(trial.launch(), 0);
  expect_others_right(trial, 2);
}

TEST_P(DecodeChecked, LengthsOutOfRange) {
  for (const int32_t length : {-1, std::numeric_limits<int32_t>::min(), 161, std::numeric_limits<int32_t>::max()}) {
    SCOPED_TRACE(length);
    Trial trial(GetParam(), problem);
    ASSERT_EQ(trial.table_width() * 32, 160);
    trial.values<int32_t>("lengths")[1] = length;
    EXPECT_GT(trial.launch(), 0);
    expect_others_right(trial, 1);
    if (length > 0) continue;  // a negative length is that of a sequence without tokens
    for (int head = 0; head < 8; ++head) EXPECT_EQ(trial.count(1, head, [](double x) { return x == 0; }), 64);
  }
}

/// Without the check of page ids the kernel does leave its buffers: the tests above do look. (A wrong length alone
/// would only read other sequences' pages: the block table is never read beyond its width.)
TEST(DecodeUnchecked, IsCaught) {
  compile::Headers headers = compile::emulator_headers();
  std::string& text = headers.at("kernels/attention/decode/load.cuh");
  const std::string check = "if (id >= pages) {";
  const size_t at = text.find(check);
  ASSERT_NE(at, std::string::npos) << "the kernel's text changed";
  text.replace(at, check.size(), "if (id > pages) {");
  Trial trial(checked[0], problem);
  trial.values<int32_t>("table")[2 * trial.table_width()] = trial.pages();
  const Trial::Outcome outcome = trial.launch(headers);
  EXPECT_NE(outcome.fault.find("out of bounds"), std::string::npos) << outcome.fault;
}

INSTANTIATE_TEST_SUITE_P(Points, DecodeChecked, testing::ValuesIn(checked), [](const auto& point) {
  return std::string(point.index == 0 ? "OneSplit" : point.index == 1 ? "LastMerges" : "SecondMerges");
});

struct Plain {
  const char* name;
  const char* scheme;
  const char* id;
};

/// By its name; GoogleTest would print the bytes, pointers among them.
void PrintTo(const Plain& plain, std::ostream* out) { *out << plain.name; }

constexpr Plain plains[] = {
    {"kv4", "kv4", "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"kv4_heads", "kv4", "p32.tl32.st2.w2.rt1.rw8.sp2.heads.kernel.fragment"},
    {"kv4_qserve", "kv4", "p32.tl16.st2.w2.rt1.rw8.sp2.tokens.second.qserve"},
    {"kv8", "kv8", "p32.tl32.st2.w2.rt1.rw8.sp2.tokens.kernel.fragment"},
    {"kv16", "kv16", "p32.tl32.st2.w2.rt1.rw8.sp2.tokens.kernel.fragment"},
    {"kv16_heads", "kv16", "p32.tl16.st2.w2.rt1.rw8.sp1.heads.kernel.qserve"},
};

class DecodePlain : public testing::TestWithParam<Plain> {
 protected:
  std::string text() const {
    return fmt::format("attention {} batch=4 heads=8/2 dh=64 ctx=70,100,33,130 lse=1", GetParam().scheme);
  }
};

TEST_P(DecodePlain, ANanStaysInItsHead) {
  Trial trial(GetParam().id, text());
  trial.values<uint16_t>("q")[trial.row_of(1, 2) * trial.head_dim() + 5] = 0x7e00;
  trial.launch();
  for (int sequence = 0; sequence < 4; ++sequence) {
    for (int head = 0; head < 8; ++head) {
      if (sequence == 1 && head == 2) continue;
      EXPECT_TRUE(trial.is_right(sequence, head)) << sequence << " " << head;
    }
  }
  EXPECT_EQ(trial.count(1, 2, [](double x) { return std::isnan(x); }), 64);
  EXPECT_TRUE(std::isnan(trial.values<float>("lse")[trial.row_of(1, 2)]));
}

TEST_P(DecodePlain, ASequenceWithoutTokensIsZero) {
  Trial trial(GetParam().id, text());
  trial.values<int32_t>("lengths")[2] = 0;
  trial.launch();
  for (int head = 0; head < 8; ++head) {
    EXPECT_EQ(trial.count(2, head, [](double x) { return x == 0; }), 64);
    EXPECT_EQ(trial.values<float>("lse")[trial.row_of(2, head)], -std::numeric_limits<float>::infinity());
    for (const int sequence : {0, 1, 3}) EXPECT_TRUE(trial.is_right(sequence, head)) << sequence << " " << head;
  }
}

INSTANTIATE_TEST_SUITE_P(Points, DecodePlain, testing::ValuesIn(plains),
                         [](const auto& plain) { return std::string(plain.param.name); });

}  // namespace
}  // namespace qoq::test
