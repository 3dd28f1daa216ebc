// attention/decode on the emulator against the fp64 reference: every format, layout and orientation × head sizes,
// pages, ratios, ragged lengths, splits and several new tokens; race detector on, outputs poisoned, what no token fills
// NaN.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

struct Row {
  const char* name;
  const char* problem;
  const char* point;
};

/// By its name; GoogleTest would print the bytes, pointers among them.
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

constexpr Row rows[] = {
    {"kv4_fragment_tokens", "attention kv4 batch=4 heads=8/2 dh=128 ctx=1,63,160,65 lse=1",
     "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"kv4_fragment_heads", "attention kv4 batch=4 heads=8/2 dh=128 ctx=1,63,160,65 lse=1",
     "p64.tl32.st3.w2.rt1.rw8.sp1.heads.kernel.fragment"},
    {"kv4_qserve_tokens", "attention kv4 batch=3 heads=8/2 dh=128 ctx=15,17,161",
     "p64.tl16.st3.w2.rt1.rw8.sp1.tokens.kernel.qserve"},
    {"kv4_qserve_heads", "attention kv4 batch=3 heads=8/2 dh=128 ctx=15,17,161",
     "p64.tl32.st2.w2.rt1.rw8.sp1.heads.kernel.qserve"},
    {"kv8_fragment_tokens", "attention kv8 batch=3 heads=8/2 dh=128 ctx=1,64,145",
     "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"kv8_qserve_heads", "attention kv8 batch=3 heads=8/2 dh=128 ctx=1,64,145",
     "p64.tl16.st2.w2.rt1.rw8.sp1.heads.kernel.qserve"},
    {"kv8_qserve_tokens", "attention kv8 batch=2 heads=4/1 dh=128 ctx=33,90 out=bf16",
     "p32.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve"},
    {"kv16_fragment_tokens", "attention kv16 batch=3 heads=8/2 dh=128 ctx=1,64,145 lse=1",
     "p64.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"kv16_fragment_heads_bf16", "attention kv16 batch=3 heads=8/2 dh=128 ctx=1,64,145 out=bf16",
     "p64.tl16.st2.w2.rt1.rw8.sp1.heads.kernel.fragment"},
    {"kv16_qserve_tokens_bf16", "attention kv16 batch=2 heads=8/2 dh=128 ctx=31,97 out=bf16",
     "p16.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve"},
    {"kv16_qserve_heads", "attention kv16 batch=2 heads=8/2 dh=128 ctx=31,97",
     "p32.tl32.st2.w1.rt1.rw8.sp1.heads.kernel.qserve"},
    {"kv4_bf16", "attention kv4 batch=2 heads=8/2 dh=128 ctx=31,97 out=bf16",
     "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"dh64_page16", "attention kv4 batch=3 heads=4/2 dh=64 ctx=16,17,130",
     "p16.tl16.st4.w4.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"dh64_qserve", "attention kv4 batch=3 heads=4/2 dh=64 ctx=16,17,130",
     "p16.tl16.st4.w2.rt1.rw8.sp1.tokens.kernel.qserve"},
    {"dh64_kv16_qserve", "attention kv16 batch=2 heads=4/2 dh=64 ctx=17,130",
     "p32.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve"},
    {"dh64_kv8_heads", "attention kv8 batch=2 heads=4/2 dh=64 ctx=17,130",
     "p128.tl64.st2.w2.rt1.rw8.sp1.heads.kernel.fragment"},
    {"dh256_page128", "attention kv4 batch=2 heads=4/2 dh=256 ctx=127,140",
     "p128.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"dh256_qserve", "attention kv4 batch=2 heads=4/2 dh=256 ctx=63,129",
     "p128.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve"},
    {"dh256_kv8_qserve", "attention kv8 batch=2 heads=2/1 dh=256 ctx=63,129",
     "p64.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve"},
    {"dh256_kv16", "attention kv16 batch=2 heads=2/1 dh=256 ctx=63,129",
     "p64.tl16.st2.w1.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"gqa1", "attention kv4 batch=2 heads=2/2 dh=128 ctx=64,99", "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"gqa7", "attention kv4 batch=2 heads=14/2 dh=128 ctx=64,99 scale=0.2",
     "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"gqa8_tile64", "attention kv4 batch=2 heads=8/1 dh=128 ctx=128,190",
     "p64.tl64.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"gqa16_two_row_tiles", "attention kv4 batch=2 heads=16/1 dh=128 ctx=64,99",
     "p64.tl32.st2.w2.rt2.rw8.sp1.tokens.kernel.fragment"},
    {"gqa16_heads", "attention kv4 batch=2 heads=16/1 dh=128 ctx=64,99",
     "p64.tl32.st2.w2.rt1.rw8.sp1.heads.kernel.fragment"},
    {"gqa16_row_blocks", "attention kv4 batch=2 heads=16/1 dh=128 ctx=64,99",
     "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"two_new_tokens", "attention kv4 batch=3 heads=8/2 dh=128 ctx=2,65,100 q=2 lse=1",
     "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"five_new_tokens", "attention kv4 batch=3 heads=8/2 dh=128 ctx=5,66,100 q=5",
     "p64.tl32.st2.w2.rt2.rw8.sp1.tokens.kernel.fragment"},
    {"five_new_tokens_heads", "attention kv8 batch=3 heads=7/1 dh=128 ctx=5,66,100 q=5",
     "p64.tl16.st2.w2.rt1.rw8.sp1.heads.kernel.fragment"},
    {"splits_kernel", "attention kv4 batch=3 heads=8/2 dh=128 ctx=1,130,400 lse=1",
     "p64.tl32.st2.w2.rt1.rw8.sp4.tokens.kernel.fragment"},
    {"splits_second", "attention kv4 batch=3 heads=8/2 dh=128 ctx=1,130,400 lse=1",
     "p64.tl32.st2.w2.rt1.rw8.sp4.tokens.second.fragment"},
    {"splits_beyond_pages", "attention kv4 batch=2 heads=4/1 dh=128 ctx=20,260",
     "p128.tl16.st2.w1.rt1.rw8.sp16.tokens.kernel.fragment"},
    {"many_splits", "attention kv4 batch=1 heads=4/1 dh=64 ctx=700",
     "p16.tl16.st2.w1.rt1.rw8.sp32.tokens.second.fragment"},
    {"splits_heads_rows", "attention kv16 batch=2 heads=16/1 dh=64 ctx=90,200 q=3",
     "p32.tl16.st2.w2.rt2.rw8.sp2.heads.kernel.fragment"},
    {"most_splits", "attention kv4 batch=1 heads=2/1 dh=64 ctx=1024 lse=1",
     "p16.tl16.st2.w1.rt1.rw8.sp0.tokens.kernel.fragment"},
    {"splits_auto", "attention kv4 batch=3 heads=8/2 dh=128 ctx=1,130,600",
     "p64.tl32.st2.w2.rt1.rw8.sp0.tokens.kernel.fragment"},
    {"window", "attention kv4 batch=3 heads=8/2 dh=128 ctx=1,130,400 window=77",
     "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"window_splits_tokens", "attention kv8 batch=3 heads=4/2 dh=64 ctx=5,130,400 q=3 window=150",
     "p32.tl16.st2.w2.rt1.rw8.sp4.heads.second.fragment"},
    {"cap", "attention kv4 batch=2 heads=8/2 dh=128 ctx=64,99 cap=3 lse=1",
     "p64.tl32.st2.w2.rt1.rw8.sp2.tokens.kernel.fragment"},
    {"cap_kv16", "attention kv16 batch=2 heads=8/2 dh=128 ctx=64,99 cap=3",
     "p64.tl16.st2.w2.rt1.rw8.sp1.heads.kernel.fragment"},
    {"long_table", "attention kv4 batch=1 heads=2/1 dh=64 ctx=1100",
     "p16.tl16.st3.w4.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"checked", "attention kv4 batch=3 heads=8/2 dh=128 ctx=1,63,160",
     "p64.tl32.st2.w2.rt1.rw8.sp2.tokens.kernel.fragment.checked"},
    {"ablated", "attention kv4 batch=2 heads=8/2 dh=128 ctx=63,160",
     "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment.ablated"},
    {"ablated_heads", "attention kv4 batch=2 heads=8/2 dh=128 ctx=63,160",
     "p64.tl32.st2.w2.rt1.rw8.sp1.heads.kernel.fragment.ablated"},
    {"ablated_kv8", "attention kv8 batch=2 heads=8/2 dh=128 ctx=63,160",
     "p64.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment.ablated"},
};

class DecodeProof : public testing::TestWithParam<Row> {};

TEST_P(DecodeProof, IsWithinItsClassOfTheReference) {
  const Row& row = GetParam();
  const Family& family = family_named("attention/decode");
  const Problem problem = parse_problem(row.problem);
  const Bench::Job job{decode_point(row.point, problem), problem, &family};
  ASSERT_EQ(family.unsupported(job.point, problem, test_device()), std::nullopt);
  Bench bench;
  bench.build({job});
  if (HasFatalFailure()) return;
  const uint64_t seed = fresh_seed();
  SCOPED_TRACE(seed);
  for (const bool random : {false, true}) {
    const emulator::Options options{random ? emulator::Schedule::Random : emulator::Schedule::WarpFirst,
                                    random ? emulator::AsyncLanding::Random : emulator::AsyncLanding::Late, seed, true,
                                    0};
    const RunResult run = bench.run(job, seed, options, 2);
    ASSERT_EQ(run.result.fault.value_or(""), "");
    EXPECT_TRUE(run.check.pass) << run.check.message;
    fmt::print("{}: error {:.2e} of the largest output\n", row.name, run.check.max_error);
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, DecodeProof, testing::ValuesIn(rows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace qoq::test
