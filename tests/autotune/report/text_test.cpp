#include "autotune/report/text.h"

#include <gtest/gtest.h>

#include "autotune/report/ceilings.h"
#include "autotune/report/redact.h"
#include "kernels/base/error.h"

namespace qoq::report {
namespace {

TEST(ReportText, Numbers) {
  EXPECT_EQ(time_text(4.2504), "4.25");
  EXPECT_EQ(percent_text(0.6339), "63.4 %");
  EXPECT_EQ(signed_percent_text(0.018), "+1.8 %");
  EXPECT_EQ(signed_percent_text(-0.0182), "−1.8 %");
  EXPECT_EQ(signed_percent_text(-0.0001), "+0.0 %");
  EXPECT_EQ(ratio_text(1.337), "1.34×");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(-1234567), "-1,234,567");
  EXPECT_EQ(count_text(-123), "-123");
  EXPECT_EQ(plural(1, "GPU"), "1 GPU");
  EXPECT_EQ(plural(0, "GPU"), "0 GPUs");
  EXPECT_EQ(rate_text(4800, "GB/s"), "4.8 TB/s");
  EXPECT_EQ(rate_text(864, "GB/s"), "864 GB/s");
  EXPECT_EQ(rate_text(19.5, "TOPS"), "19.5 TOPS");
  EXPECT_EQ(rate_text(1979, "TOPS"), "1979 TOPS");
  EXPECT_EQ(moment_text("2026-11-23T09:35:52.211Z"), "2026-11-23 09:35 UTC");
  EXPECT_EQ(moment_text("yesterday"), "yesterday");
}

TEST(ReportText, WithoutNumbersJoinsWhatDiffersInNumbersOnly) {
  EXPECT_EQ(without_numbers("needs 143,360 bytes, 3.5 of 4."), "needs # bytes, # of #.");
  EXPECT_EQ(without_numbers("needs 8 bytes"), without_numbers("needs 122880 bytes"));
  EXPECT_NE(without_numbers("needs 8 bytes"), without_numbers("needs 8 registers"));
}

TEST(ReportText, NaturalOrder) {
  EXPECT_LT(natural_key("m=8 n=4096"), natural_key("m=64 n=4096"));
  EXPECT_LT(natural_key("n=4096 k=4096"), natural_key("n=4096 k=14336"));
}

TEST(ReportText, DifferenceOfVariants) {
  EXPECT_EQ(difference("mma.bm64.st4", "mma.bm32.st4"), "bm64");
  EXPECT_EQ(difference("mma.bm64.st3", "mma.bm32.st4"), "bm64.st3");
  EXPECT_EQ(difference("mma.bm64", "mma.bm64"), "");
  EXPECT_EQ(difference("wgmma.bm64", "mma.bm64"), "wgmma.bm64");
  EXPECT_EQ(difference("mma.bm64.st4", "mma.bm64"), "mma.bm64.st4");
}

TEST(ReportText, ShortenCutsBetweenWordsAndNeverInsideACharacter) {
  EXPECT_EQ(shorten("short", 10), "short");
  EXPECT_EQ(shorten("one two three", 9), "one two…");
  EXPECT_EQ(shorten("ääää", 3), "ä…");
}

TEST(ReportRedact, UuidsPathsAndNames) {
  Redactor redactor({{"node7.cluster", "[host]"}, {"node7", "[host]"}});
  EXPECT_EQ(redactor.apply("GPU-0a1b2c3d-1111-2222-3333-0123456789ab"), "GPU-[uuid]");
  EXPECT_EQ(redactor.apply("0a1b2c3d-1111-2222-3333-0123456789abc"), "0a1b2c3d-1111-2222-3333-0123456789abc");
  EXPECT_EQ(redactor.apply("on node7.cluster and node7, not node70"), "on [host] and [host], not node70");
  EXPECT_EQ(redactor.apply("--db=/data/x.db, \"/a b/c\" ~/x ../up"), "--db=[path], \"[path]\" [path] [path]");
  EXPECT_EQ(redactor.apply("gemm/mma at 4 TB/s, 1.5 / 2 µs, a//b"), "gemm/mma at 4 TB/s, 1.5 / 2 µs, a//b");
}

TEST(ReportCeilings, ReadWhatTuneWrites) {
  EXPECT_TRUE(ceilings_from_json("{}").empty());
  auto list = ceilings_from_json(R"({"ceilings": [{"kind": "cuda_core", "name": "x", "source": "s", "value": 3}]})");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].kind, roofline::Ceiling::Kind::CudaCore);
  EXPECT_EQ(list[0].name, "x");
  EXPECT_EQ(list[0].value, 3);
  EXPECT_THROW(ceilings_from_json("{"), Error);
  EXPECT_THROW(ceilings_from_json(R"({"ceilings": [{"kind": "cuda"}]})"), Error);
  EXPECT_THROW(ceilings_from_json(R"({"ceilings": [{"kind": "cuda", "name": "x", "source": "s", "value": 3}]})"),
               Error);
}

}  // namespace
}  // namespace qoq::report
