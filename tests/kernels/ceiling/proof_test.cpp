// Every ceiling × every value of its parameters is right on the emulator, bit for bit, and a kernel that does less or
// something else is noticed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "autotune/verify/emulator_verifier.h"
#include "tests/kernels/ceiling/every_ceiling.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

class CeilingProof : public testing::TestWithParam<Problem> {};

TEST_P(CeilingProof, EveryPointsReducedProblemPassesTheVerifier) {
  const Problem& problem = GetParam();
  const Family& family = family_of(problem);
  std::vector<Point> points;
  for (const Parameter& parameter : family.parameters()) {
    for (const int value : parameter.values) {
      points.push_back(first_point(family));
      points.back()[parameter.name] = value;
    }
  }
  std::vector<Source> sources;
  for (const Point& point : points) {
    sources.push_back(family.source(point, problem));
    ASSERT_EQ(family.source(point, family.reduced(point, problem)).text, sources.back().text);
  }
  compile::HostCompiler compiler(std::filesystem::path(testing::TempDir()) / "qoqtune-ceiling-verify", 2);
  verify::EmulatorVerifier verifier(test_device());
  const auto builds = compiler.build(sources, {}, {});
  for (size_t i = 0; i < points.size(); ++i) {
    const Problem reduced = family.reduced(points[i], problem);
    SCOPED_TRACE(fmt::format("{} on \"{}\"", family.variant(points[i], problem), reduced.text()));
    ASSERT_TRUE(builds[i].ok) << builds[i].log;
    ASSERT_EQ(family.unsupported(points[i], reduced, test_device()), std::nullopt);
    EXPECT_GE(family.plan(points[i], reduced, test_device()).launches.front().grid.x, 2u);
    const verify::Verdict verdict = verifier.verify(family, points[i], problem, builds[i].object, fresh_seed());
    EXPECT_EQ(verdict.status, verify::Verdict::Status::Ok) << verdict.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, CeilingProof, testing::ValuesIn(every_ceiling()), [](const auto& tested) {
  std::string name = tested.param.scheme;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

Bench::Job job_of(const char* id, const char* text) {
  const NamedVariant named = find_variant(id, Problem::parse(text));
  return {named.point, named.problem, named.family};
}

TEST(CeilingCounters, SharedMemoryIsReadWithoutBankConflicts) {
  Bench bench;
  const Bench::Job job = job_of("shared.t128.c4", "ceiling shared warps=8 trips=2");
  bench.build({job});
  if (HasFatalFailure()) return;
  const RunResult run = bench.run(job, fresh_seed());
  ASSERT_EQ(run.result.fault.value_or(""), "");
  EXPECT_TRUE(run.check.pass) << run.check.message;
  EXPECT_EQ(run.result.counters.bank_conflicts(), 0u);
}

TEST(CeilingCounters, MemoryIsMovedOnceAndL2AsOftenAsSaid) {
  Bench bench;
  const Bench::Job read = job_of("read.t128.u4.x4", "ceiling read mb=1"),
                   copy = job_of("copy.t128.u4.x4", "ceiling copy mb=1"),
                   l2 = job_of("l2.t128.u4.x4", "ceiling l2 mb=1 reads=3");
  bench.build({read, copy, l2});
  if (HasFatalFailure()) return;
  const auto counters = [&](const Bench::Job& job) { return bench.run(job, fresh_seed()).result.counters; };
  EXPECT_EQ(counters(read).buffers.at("from").bytes_read, 1u << 20);
  EXPECT_EQ(counters(copy).buffers.at("from").bytes_read, 1u << 20);
  EXPECT_EQ(counters(copy).buffers.at("to").bytes_written, 1u << 20);
  EXPECT_EQ(counters(l2).buffers.at("from").bytes_read, 3u << 20);
}

/// One thing wrong in the kernel's text, and the variant that must show it.
struct Mistake {
  const char* file;
  const char* right;
  const char* wrong;
  const char* id;
  const char* problem;
};

constexpr const char *issue = "warps=8 trips=2", *memory = "mb=1";
constexpr Mistake mistakes[] = {
    {"issue.cuh", "trip > 0; --trip) {\n    QOQ_UNROLL for (int step",
     "trip > 1; --trip) {\n    QOQ_UNROLL for (int step", "issue.iadd3.t128.c8", issue},
    {"issue.cuh", "int step = 0; step", "int step = 1; step", "issue.iadd3.t128.c8", issue},
    {"issue.cuh", "int step = 0; step", "int step = 1; step", "issue.lop3.t128.c8", issue},
    {"issue.cuh", "int step = 0; step", "int step = 1; step", "issue.imad.t128.c8", issue},
    {"issue.cuh", "int step = 0; step", "int step = 1; step", "issue.prmt.t128.c8", issue},
    {"issue.cuh", "int step = 0; step", "int step = 1; step", "issue.shf.t128.c8", issue},
    {"issue.cuh", "int step = 0; step", "int step = 1; step", "issue.hfma2.t128.c8", issue},
    {"issue.cuh", "int step = 0; step", "int step = 1; step", "issue.ffma.t128.c8", issue},
    {"issue.cuh", "add3(mine, next, c[0])", "add3(mine, next, c[1])", "issue.iadd3.t128.c8", issue},
    {"issue.cuh", "lop3<0x1e>", "lop3<0x96>", "issue.lop3.t128.c8", issue},
    {"issue.cuh", "rotate_left(mine, next)", "rotate_left(mine, mine)", "issue.shf.t128.c8", issue},
    {"issue.cuh", "fma_half2(mine, mine, c[0])", "fma_half2(mine, next, c[0])", "issue.hfma2.t128.c8", issue},
    {"issue.cuh", "u32 i = 0; i < tile_loads", "u32 i = 1; i < tile_loads", "shared.t128.c8", issue},
    {"issue.cuh", "  prim::sync_threads();\n", "", "shared.t128.c8", issue},
    {"issue.cuh", "u32 lane = thread % 32", "u32 lane = thread % 16", "shared.t128.c8", issue},
    {"tensor.cuh", "int step = 0; step", "int step = 1; step", "mma.int8.t128.r4.c4", issue},
    {"tensor.cuh", "int step = 0; step", "int step = 1; step", "mma.fp16.t128.r4.c4", issue},
    {"tensor.cuh", "from + ROWS * 128 + j * 64", "from + ROWS * 128", "mma.fp16.t128.r4.c4", issue},
    {"tensor.cuh", "  prim::sync_threads();\n", "", "wgmma.int8.t128.n256", issue},
    {"tensor.cuh", "  prim::fence_proxy_async();\n", "", "wgmma.int8.t128.n256", issue},
    {"tensor.cuh", "    prim::wgmma_wait<0>();\n", "", "wgmma.int8.t128.n256", issue},
    {"tensor.cuh", "int i = 0; i < columns_per_trip", "int i = 1; i < columns_per_trip", "wgmma.int8.t128.n128", issue},
    {"tensor.cuh", "tile + i % k_steps * 32", "tile", "wgmma.int8.t128.n256", issue},
    {"memory.cuh", "sum += sum_of(v[i]);\n    from +=", "sum += sum_of(v[0]);\n    from +=", "read.t128.u4.x4", memory},
    {"memory.cuh", "+ prim::thread_index();\n}", "+ prim::thread_index() / 2;\n}", "copy.t128.u4.x4", memory},
    {"memory.cuh", "piece & last", "piece & 0", "l2.t128.u4.x4", "mb=1 reads=2"},
    {"launch.cuh", "thread_index() == 0", "block_index_x() == 0", "launch.t32", "ctas=3"},
};

class CeilingMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(CeilingMistakes, AreCaught) {
  const Mistake& mistake = GetParam();
  compile::Headers headers = compile::emulator_headers();
  std::string& text = headers.at(std::string("kernels/ceiling/") + mistake.file);
  const size_t at = text.find(mistake.right);
  ASSERT_NE(at, std::string::npos) << mistake.right;
  text.replace(at, std::string(mistake.right).size(), mistake.wrong);
  const std::string scheme = std::string(mistake.id).substr(0, std::string(mistake.id).find(".t"));
  const Bench::Job job = job_of(mistake.id, fmt::format("ceiling {} {}", scheme, mistake.problem).c_str());
  Bench bench(headers);
  bench.build({job});
  if (HasFatalFailure()) return;
  bool caught = false;
  for (uint64_t seed = 1; seed <= 3 && !caught; ++seed) {
    const RunResult run =
        bench.run(job, seed, {emulator::Schedule::Random, emulator::AsyncLanding::Late, seed, true, 8});
    caught = run.result.fault || !run.check.pass;
  }
  EXPECT_TRUE(caught) << mistake.id << ": " << mistake.wrong;
}

INSTANTIATE_TEST_SUITE_P(Texts, CeilingMistakes, testing::ValuesIn(mistakes));

}  // namespace
}  // namespace qoq::test
