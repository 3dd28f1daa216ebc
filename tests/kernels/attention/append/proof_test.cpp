// Every scheme × layout × head size × page, with and without rotation: after the append the pools equal the reference's
// byte for byte, on fresh random operands, with the race detector on.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "autotune/verify/emulator_verifier.h"
#include "kernels/attention/append/family.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

const Family& append() {
  static const auto family = attention::make_append_family();
  return *family;
}

struct Form {
  const char* scheme;
  int layout;  // 0 qserve, 1 fragment
  int head_dim;
};

/// Where `tokens` new tokens may lie in pages and in units of 16: from the sequence's start, from a page's start, to a
/// page's end, across a page's border, in the middle.
std::vector<int> lengths_for(int tokens, int page) {
  std::vector<int> lengths{tokens, page + tokens, 3 * page, 2 * page + 1, page + 3 + tokens};
  for (int& length : lengths) length = std::max(length, tokens);
  return lengths;
}

Bench::Job job_of(const Form& form, int page, int tokens, bool rope, bool bfloat, int warps) {
  const std::string text =
      fmt::format("append {} batch=5 heads=2 dh={} ctx={} tokens={} rope={}{}", form.scheme, form.head_dim,
                  fmt::join(lengths_for(tokens, page), ","), tokens, rope ? 1 : 0, bfloat ? " in=bf16" : "");
  return {
      {{"warps", warps}, {"layout", form.layout}, {"page", page}}, append().canonical(Problem::parse(text)), &append()};
}

/// All that one form is asked for. Kernels that differ are few; the sizes come at launch.
std::vector<Bench::Job> jobs_of(const Form& form) {
  std::vector<Bench::Job> jobs;
  for (const auto& [page, rope, bfloat, warps] :
       {std::tuple{16, true, false, 4}, std::tuple{64, false, true, 1}, std::tuple{32, true, true, 2}}) {
    for (const int tokens : {1, 2, 17}) jobs.push_back(job_of(form, page, tokens, rope, bfloat, warps));
  }
  return jobs;
}

class AppendProof : public testing::TestWithParam<Form> {};

TEST_P(AppendProof, PoolsEqualTheReferenceByteForByte) {
  const uint64_t seed = fresh_seed();
  const std::vector<Bench::Job> jobs = jobs_of(GetParam());
  Bench bench;
  bench.build(jobs);
  if (HasFatalFailure()) return;
  for (size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(fmt::format("{} on \"{}\", seed {}", append().variant(jobs[i].point, jobs[i].problem),
                             jobs[i].problem.text(), seed + i));
    ASSERT_EQ(append().unsupported(jobs[i].point, jobs[i].problem, test_device()), std::nullopt);
    const auto schedule = i % 3 == 1 ? emulator::Schedule::Random : emulator::Schedule::WarpFirst;
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

INSTANTIATE_TEST_SUITE_P(Forms, AppendProof, testing::ValuesIn(forms), [](const auto& form) {
  return fmt::format("{}_{}_dh{}", form.param.scheme, form.param.layout == 0 ? "qserve" : "fragment",
                     form.param.head_dim);
});

TEST(AppendProof, TheReducedProblemPassesTheVerifier) {
  compile::HostCompiler compiler(std::filesystem::path(testing::TempDir()) / "qoqtune-append-verify", 2);
  verify::EmulatorVerifier verifier(test_device());
  for (const int page : {16, 32, 128}) {
    const Point point{{"warps", 4}, {"layout", 1}, {"page", page}};
    const Problem problem = append().canonical(Problem::parse("append kv4 batch=64 heads=8 dh=128 ctx=1536 rope=1"));
    const Source sources[] = {append().source(point, problem)};
    const auto builds = compiler.build(sources, {}, {});
    ASSERT_TRUE(builds[0].ok) << builds[0].log;
    EXPECT_EQ(append().source(point, append().reduced(point, problem)).text, sources[0].text);
    const verify::Verdict verdict = verifier.verify(append(), point, problem, builds[0].object, fresh_seed());
    EXPECT_EQ(verdict.status, verify::Verdict::Status::Ok) << verdict.problem.text() << ": " << verdict.message;
  }
}

/// One thing wrong in the kernel's text, and the form that must show it.
struct Mistake {
  const char* file;
  const char* right;
  const char* wrong;
  Form form;
  int tokens;
};

constexpr Form kv4_fragment{"kv4", 1, 64}, kv8_fragment{"kv8", 1, 64}, kv16_fragment{"kv16", 1, 64},
    kv4_qserve{"kv4", 0, 64};

constexpr Mistake mistakes[] = {
    {"unit.cuh", "value.x |= old.x & ~p.mask[0], value.y", "value.y", kv4_fragment, 1},  // the neighbours are lost
    {"unit.cuh", "(rows.mask(g + 8) & 0xf0f0f0f0u)", "(rows.mask(g) & 0xf0f0f0f0u)", kv4_fragment, 1},
    {"unit.cuh", "swap_middle_bytes(rows.word(g, at) |", "(rows.word(g, at) |", kv4_fragment, 2},
    {"unit.cuh", "p.mask[i] = rows.mask(i % 2 == 0 ? g : g + 8)", "p.mask[i] = rows.mask(g)", kv8_fragment, 2},
    {"unit.cuh", "{t, t + 8, t + 1, t + 9}", "{t, t + 1, t + 8, t + 9}", kv8_fragment, 17},
    {"unit.cuh", "high_halves(x[0], x[2])", "high_halves(x[0], x[1])", kv16_fragment, 17},
    {"unit.cuh", "slot >= first &&", "slot > first &&", kv4_fragment, 2},
    {"page.cuh", "* heads_ * F.head_bytes()", "* F.head_bytes()", kv4_qserve, 1},
    {"page.cuh", "heads * F.codes_bytes() + 2", "heads * F.codes_bytes() + 4", kv4_qserve, 2},
    {"row.cuh", "8 * (lane_in_row % half_row)", "8 * lane_in_row", kv4_qserve, 17},
    {"row.cuh", "? -sine[i] : sine[i]", "? sine[i] : -sine[i]", kv4_qserve, 17},
    {"row.cuh", "prim::divide(x[i], scale) + zero", "prim::fma(x[i], prim::divide(1, scale), zero)", kv4_qserve, 17},
    {"row.cuh", "code > most ? most", "code > most ? 0", kv4_qserve, 17},
    {"row.cuh", "mask > 0; mask /= 2", "mask > 1; mask /= 2", kv4_qserve, 1},
    {"kernel.cuh", "? length - at.unit : unit_tokens", "? length - at.unit : unit_tokens - 1", kv4_fragment, 17},
    {"kernel.cuh", "at.unit % C.form.page", "at.unit % 16", kv4_fragment, 17},
    {"kernel.cuh", "    prim::sync_warp();\n", "", kv4_fragment, 17},
};

TEST(AppendProof, AWrongKernelIsCaught) {
  for (const Mistake& mistake : mistakes) {
    SCOPED_TRACE(fmt::format("{}: {}", mistake.file, mistake.wrong));
    compile::Headers headers = compile::emulator_headers();
    std::string& text = headers.at(std::string("kernels/attention/append/") + mistake.file);
    const size_t at = text.find(mistake.right);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, std::string(mistake.right).size(), mistake.wrong);
    const Bench::Job job = job_of(mistake.form, 32, mistake.tokens, true, false, 2);
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
