// One thing wrong in the text of the attention/decode kernel: the proof's own means must show it, on the smallest
// problem that can. What the proof could not tell from the kernel would be proved by nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

struct Subject {
  const char* problem;
  const char* point;
};

constexpr Subject plain{"attention kv4 batch=2 heads=8/2 dh=64 ctx=33,77 lse=1",
                        "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject whole{"attention kv4 batch=2 heads=8/2 dh=64 ctx=32,96",
                        "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject heads{"attention kv4 batch=2 heads=8/2 dh=64 ctx=33,77",
                        "p32.tl32.st2.w2.rt1.rw8.sp1.heads.kernel.fragment"};
constexpr Subject rows{"attention kv4 batch=2 heads=4/2 dh=128 ctx=33,77",
                       "p32.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve"};
constexpr Subject kv8{"attention kv8 batch=2 heads=4/2 dh=64 ctx=33,77",
                      "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject kv16{"attention kv16 batch=2 heads=4/2 dh=64 ctx=33,77",
                       "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject wide_rows{"attention kv16 batch=2 heads=4/2 dh=64 ctx=33,77",
                            "p32.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve"};
constexpr Subject new_tokens{"attention kv4 batch=2 heads=4/2 dh=64 ctx=33,77 q=3",
                             "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject window{"attention kv4 batch=2 heads=4/2 dh=64 ctx=33,150 window=41",
                         "p32.tl32.st2.w1.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject cap{"attention kv4 batch=2 heads=4/2 dh=64 ctx=33,77 cap=3 lse=1",
                      "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject splits{"attention kv4 batch=2 heads=8/2 dh=64 ctx=33,300 lse=1",
                         "p32.tl16.st2.w2.rt1.rw8.sp4.tokens.kernel.fragment"};
constexpr Subject second{"attention kv4 batch=2 heads=8/2 dh=64 ctx=33,300 lse=1",
                         "p32.tl16.st2.w2.rt1.rw8.sp4.tokens.second.fragment"};
constexpr Subject row_blocks{"attention kv4 batch=2 heads=16/1 dh=64 ctx=33,77",
                             "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject many_pages{"attention kv4 batch=1 heads=2/1 dh=64 ctx=1100",
                             "p16.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"};
constexpr Subject far_split{"attention kv4 batch=1 heads=2/1 dh=64 ctx=1500",
                            "p16.tl16.st2.w2.rt1.rw8.sp4.tokens.kernel.fragment"};

struct Mistake {
  const char* file;
  const char* right;
  const char* wrong;
  const Subject* subject;
};

constexpr Mistake mistakes[] = {
    // codes and channels
    {"fragments", "a[1] = word & 0x00f000f0u;", "a[1] = word & 0x00e000f0u;", &plain},
    {"fragments", "const u32 odd = word >> 8;", "const u32 odd = word >> 4;", &plain},
    {"fragments", "return (word >> 8) & 0x00ff00ffu;", "return (word >> 8) & 0x007f00ffu;", &kv8},
    {"fragments", "return 16 * j + 4 * t + slot;", "return 16 * j + 4 * (t ^ 1) + slot;", &plain},
    {"fragments", "+ slot % 2 * 4 + slot / 2;", "+ slot / 2 * 4 + slot % 2;", &rows},
    {"fragments", "return first + slot;", "return (first ^ 4) + slot;", &wide_rows},
    // scales and zeros
    {"tile", "{k.scale * 0.0625f, k.zero * 16.0f}", "{k.scale, k.zero * 16.0f}", &plain},
    {"tile", "{k.scale * 0.0625f, k.zero * 16.0f}", "{k.scale * 0.0625f, k.zero}", &heads},
    {"tile", "prim::fma(-k.zero, rows.sum[r][L::row_slot(e)], s) * k.scale", "s * k.scale", &plain},
    {"tile", "(stage.value_parameters(), in_tile).scale", "(stage.value_parameters(), in_tile ^ 1).scale", &whole},
    {"tile", "(stage.key_parameters(), unit * 16 + L::token(at, slot))",
     "(stage.key_parameters(), unit * 16 + L::token(at, slot ^ 1))", &whole},
    {"fragments", "return high_halves(both.x, both.y);", "return high_halves(both.y, both.x);", &whole},
    {"merge", "odd != 0 ? high : codes, -zero)", "odd != 0 ? high : codes, 0.0f)", &plain},
    {"merge", "high_values<C> ? 0x1p20f : codes", "codes", &plain},
    {"load", "slot * (fragment ? 4 : 2)", "slot * 4", &rows},
    {"load", "return head * head_bytes + C.page * C.row_bytes() + chunk * 16;",
     "return C.page * C.row_bytes() + chunk * 16;", &plain},
    // who sees which tokens
    {"tile", "token >= span.high)", "token > span.high)", &plain},
    {"tile", "token >= span.high)", "token >= span.high - 1)", &plain},
    {"tile", "token < span.low ||", "token <= span.low ||", &window},
    {"tile", "token < span.low ||", "", &window},
    {"place", "most(0, high - args.window)", "most(0, high - args.window - 1)", &window},
    {"place", "length - args.q_len + new_token(args, row) + 1", "length", &new_tokens},
    {"place", "least(at.last_tile, all_high / C.tile)", "least(at.last_tile, (all_high + C.tile - 1) / C.tile)",
     &new_tokens},
    {"place", "(all_low + C.tile - 1) / C.tile", "all_low / C.tile", &window},
    {"kernel", "return tile < last ? tile : tile - count;", "return tile < last ? tile : last - 1;", &window},
    {"place", "at.first_row = (head_and_rows - at.kv_head * args.row_blocks) * C.rows();", "at.first_row = 0;",
     &row_blocks},
    // what lies beyond the sequence is NaN
    {"tile", "if (MASKED && first_token + in_tile >= at.length) scale[slot] = 0;", ";", &plain},
    {"tile", "zero[i] &= present(first_token + token, at.length);", ";", &plain},
    {"tile", "present(first_token + unit * 16 + 2 * at.t + i / 2 * 8, at.length)", "~0u", &kv16},
    {"tile", "(token + 1 < length ? 0xffff0000u : 0u)", "(token < length ? 0xffff0000u : 0u)", &kv16},
    // pages and splits
    {"load", "page % 32)", "page % 16)", &many_pages},
    {"load", "first == known + 32 ?", "true ?", &far_split},
    {"load", "first + 32", "first + 31", &many_pages},
    {"place", "begin + split * each : begin", "begin + split * (each - 1) : begin", &splits},
    {"place", "least(at.first_tile + each, end)", "least(at.first_tile + each, end - 1)", &splits},
    {"place", "most((end - begin + args.splits - 1) / args.splits, args.least_tiles)",
     "(end - begin) / args.splits - C.warps", &splits},
    // sums
    {"tile", "? prim::exp2((rows.maximum[r][i] - highest[i]) * scale) : 1.0f", "? 1.0f : 1.0f", &window},
    {"tile", "rows.total[r][i] *= down[i];", ";", &window},
    {"tile", "down[Lane<C>::quad_row_slot(i)]", "down[0]", &window},
    {"tile", "2.0f * prim::reciprocal(1.0f + prim::exp2(x))", "prim::reciprocal(1.0f + prim::exp2(x))", &cap},
    {"merge", "prim::fma(weight, part[i], whole.out[i])", "part[i] + whole.out[i]", &splits},
    {"merge", "whole.total += weight *", "whole.total += 1.0f *", &second},
    {"merge", "const float weight = weight_of(highest[warp], whole.highest);", "const float weight = 1.0f;", &plain},
    {"merge", "(2 * pair + odd) * 8 + group", "(2 * pair + 1 - odd) * 8 + group", &heads},
    {"merge", "part.highest + prim::log2(part.total)", "prim::log2(part.total)", &plain},
    {"merge", "sum * 0.693147180559945f", "sum", &plain},
};

Bench::Job job_of(const Subject& subject) {
  const Problem problem = parse_problem(subject.problem);
  return {decode_point(subject.point, problem), problem, &family_named("attention/decode")};
}

TEST(DecodeWrongKernel, SubjectsPassUnchanged) {
  std::vector<Bench::Job> jobs;
  for (const Subject* subject : {&plain, &whole, &heads, &rows, &kv8, &kv16, &wide_rows, &new_tokens, &window, &cap,
                                 &splits, &second, &row_blocks, &many_pages, &far_split})
    jobs.push_back(job_of(*subject));
  Bench bench;
  bench.build(jobs);
  if (HasFatalFailure()) return;
  for (const Bench::Job& job : jobs) {
    SCOPED_TRACE(job.problem.text());
    ASSERT_EQ(job.family->unsupported(job.point, job.problem, test_device()), std::nullopt);
    const RunResult run = bench.run(job, 1);
    EXPECT_EQ(run.result.fault.value_or(""), "");
    EXPECT_TRUE(run.check.pass) << run.check.message;
  }
}

TEST(DecodeWrongKernel, IsCaught) {
  for (const Mistake& mistake : mistakes) {
    const std::string name = fmt::format("{}: {} → {}", mistake.file, mistake.right, mistake.wrong);
    SCOPED_TRACE(name);
    compile::Headers headers = compile::emulator_headers();
    std::string& text = headers.at(fmt::format("kernels/attention/decode/{}.cuh", mistake.file));
    const size_t at = text.find(mistake.right);
    ASSERT_NE(at, std::string::npos) << "the kernel's text changed";
    text.replace(at, std::string(mistake.right).size(), mistake.wrong);
    const Bench::Job job = job_of(*mistake.subject);
    Bench bench(headers);
    bench.build({job});
    if (HasFatalFailure()) return;
    const RunResult run = bench.run(job, 1);
    EXPECT_TRUE(run.result.fault || !run.check.pass) << "survived on \"" << job.problem.text() << "\"";
    fmt::print("{}\n    caught: {}\n", name, run.result.fault.value_or(run.check.message));
  }
}

}  // namespace
}  // namespace qoq::test
