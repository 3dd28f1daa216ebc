// Every scheme × layout × head size × page: gathered keys and values equal dequantize_kv()'s, rounded, bit for bit, on
// fresh random caches, with the race detector on.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "autotune/verify/emulator_verifier.h"
#include "kernels/attention/gather/family.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

const Family& gather() {
  static const auto family = attention::make_gather_family();
  return *family;
}

struct Form {
  const char* scheme;
  int layout;  // 0 qserve, 1 fragment
  int head_dim;
};

Bench::Job job_of(const Form& form, int page, int tokens, int warps, bool bfloat) {
  const std::vector<int> lengths{1, page - 1, page, page + 1, 2 * page + 5, tokens + 3};
  const std::string text = fmt::format("gather {} batch=6 heads=2 dh={} ctx={}{}", form.scheme, form.head_dim,
                                       fmt::join(lengths, ","), bfloat ? " out=bf16" : "");
  return {{{"tokens", tokens}, {"warps", warps}, {"layout", form.layout}, {"page", page}},
          gather().canonical(Problem::parse(text)),
          &gather()};
}

class GatherProof : public testing::TestWithParam<Form> {};

TEST_P(GatherProof, EqualsTheReferenceBitForBit) {
  const uint64_t seed = fresh_seed();
  const std::vector<Bench::Job> jobs{job_of(GetParam(), 16, 64, 2, false), job_of(GetParam(), 64, 16, 1, true),
                                     job_of(GetParam(), 32, 128, 8, true)};
  Bench bench;
  bench.build(jobs);
  if (HasFatalFailure()) return;
  for (size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(fmt::format("{} on \"{}\", seed {}", gather().variant(jobs[i].point, jobs[i].problem),
                             jobs[i].problem.text(), seed + i));
    ASSERT_EQ(gather().unsupported(jobs[i].point, jobs[i].problem, test_device()), std::nullopt);
    const auto schedule = i % 2 == 0 ? emulator::Schedule::Random : emulator::Schedule::WarpFirst;
    const RunResult run = bench.run(jobs[i], seed + i, {schedule, emulator::AsyncLanding::Late, seed + i, true, 8});
    EXPECT_EQ(run.result.fault.value_or(""), "");
    EXPECT_TRUE(run.check.pass) << run.check.message;
  }
}

constexpr Form forms[] = {
    {"kv4", 0, 64},  {"kv4", 0, 128},  {"kv4", 0, 256},  {"kv4", 1, 64},  {"kv4", 1, 128},  {"kv4", 1, 256},
    {"kv8", 0, 64},  {"kv8", 0, 128},  {"kv8", 0, 256},  {"kv8", 1, 64},  {"kv8", 1, 128},  {"kv8", 1, 256},
    {"kv16", 0, 64}, {"kv16", 0, 128}, {"kv16", 0, 256}, {"kv16", 1, 64}, {"kv16", 1, 128}, {"kv16", 1, 256},
};

INSTANTIATE_TEST_SUITE_P(Forms, GatherProof, testing::ValuesIn(forms), [](const auto& form) {
  return fmt::format("{}_{}_dh{}", form.param.scheme, form.param.layout == 0 ? "qserve" : "fragment",
                     form.param.head_dim);
});

TEST(GatherProof, TheReducedProblemPassesTheVerifier) {
  compile::HostCompiler compiler(std::filesystem::path(testing::TempDir()) / "qoqtune-gather-verify", 2);
  verify::EmulatorVerifier verifier(test_device());
  const Point point{{"tokens", 32}, {"warps", 2}, {"layout", 1}, {"page", 32}};
  const Problem problem = gather().canonical(Problem::parse("gather kv4 batch=64 heads=8 dh=128 ctx=1536"));
  const Source sources[] = {gather().source(point, problem)};
  const auto builds = compiler.build(sources, {}, {});
  ASSERT_TRUE(builds[0].ok) << builds[0].log;
  EXPECT_EQ(gather().source(point, gather().reduced(point, problem)).text, sources[0].text);
  const verify::Verdict verdict = verifier.verify(gather(), point, problem, builds[0].object, fresh_seed());
  EXPECT_EQ(verdict.status, verify::Verdict::Status::Ok) << verdict.problem.text() << ": " << verdict.message;
}

TEST(GatherCounters, PagesAreReadOnceInWholeSectors) {
  Bench::Job job = job_of({"kv4", 1, 128}, 16, 64, 2, false);
  job.problem = gather().canonical(Problem::parse("gather kv4 batch=2 heads=2 dh=128 ctx=64"));
  Bench bench;
  bench.build({job});
  if (HasFatalFailure()) return;
  const RunResult run = bench.run(job, fresh_seed());
  ASSERT_EQ(run.result.fault.value_or(""), "");
  const emulator::Counters& counters = run.result.counters;
  const uint64_t rows = 2 * 64 * 2;
  for (const char* name : {"k", "v"}) {
    EXPECT_EQ(counters.buffers.at(name).bytes_written, rows * 256);
    EXPECT_EQ(counters.buffers.at(name).sectors_written * 32, rows * 256);
  }
  for (const char* name : {"k_pool", "v_pool"}) {  // codes once; a token's scale and zero by each lane that needs them
    EXPECT_GE(counters.buffers.at(name).bytes_read, rows * 64);
    EXPECT_LE(counters.buffers.at(name).sectors_read * 32, rows * 64 * 3 / 2);
  }
}

/// One thing wrong in the kernel's text, and the form that must show it.
struct Mistake {
  const char* file;
  const char* right;
  const char* wrong;
  Form form;
};

constexpr Form kv4{"kv4", 1, 64}, kv8{"kv8", 1, 64}, kv16{"kv16", 1, 64}, kv4_rows{"kv4", 0, 64};

constexpr Mistake mistakes[] = {
    {"decode.cuh", "- 0x1p23f", "- 0x1p22f", kv4},
    {"decode.cuh", "static_cast<u16>(both >> 16)", "static_cast<u16>(both)", kv4},
    {"unit.cuh", "decode_pair<C.element, 0, 2>", "decode_pair<C.element, 0, 1>", kv8},
    {"unit.cuh", "unit.keep_keys(g + 8, at, words[i] >> 4", "unit.keep_keys(g + 8, at, words[i]", kv4},
    {"unit.cuh", "K % 2 * 2 + 1]", "K % 2 * 2]", kv16},
    {"unit.cuh", "K < 2 ? low", "K % 2 == 0 ? low", kv16},
    {"unit.cuh", "(byte & 0xf0) << 4", "(byte & 0xf0) << 3", kv4},
    {"kernel.cuh", "if (token >= rows.tokens) continue;", "if (token > rows.tokens) continue;", kv4_rows},
    {"kernel.cuh", "head), position % C.form.page,", "head), position % 16,", kv4},
    {"kernel.cuh", "if (i > 0) prim::sync_warp();", ";", kv4},
    {"kernel.cuh", "      prim::sync_warp();\n", "", kv4},
    {"kernel.cuh", "(i * C.warps + warp)", "(i + warp)", kv4_rows},
    {"kernel.cuh", "prim::prmt(even, odd, 0x5140), high", "prim::prmt(odd, even, 0x5140), high", kv4_rows},
};

TEST(GatherProof, AWrongKernelIsCaught) {
  for (const Mistake& mistake : mistakes) {
    SCOPED_TRACE(fmt::format("{}: {}", mistake.file, mistake.wrong));
    compile::Headers headers = compile::emulator_headers();
    std::string& text = headers.at(std::string("kernels/attention/gather/") + mistake.file);
    const size_t at = text.find(mistake.right);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, std::string(mistake.right).size(), mistake.wrong);
    const Bench::Job job = job_of(mistake.form, 32, 64, 2, false);
    Bench bench(headers);
    bench.build({job});
    if (HasFatalFailure()) return;
    bool caught = false;
    for (uint64_t seed = 1; seed <= 3 && !caught; ++seed) {
      const RunResult run =
          bench.run(job, seed, {emulator::Schedule::Random, emulator::AsyncLanding::Late, seed, true, 8});
      caught = run.result.fault || !run.check.pass;
    }
    EXPECT_TRUE(caught);
  }
}

}  // namespace
}  // namespace qoq::test
