// Every variant class of gemm/mma × every shape class: accumulators and outputs bit-equal to the plain reference (of
// w4a16: within the tolerance of its floats), on fresh random operands, with poisoned outputs and the race detector on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/gemm/bench.h"
#include "tests/kernels/gemm/forms.h"

namespace qoq::test {
namespace {

using gemm::Dequant;
using gemm::Layout;

/// A tile and what it is asked for: at least two CTAs an axis (but M = 1), k ≥ (2·stages + 1)·block_k·splits.
struct Shape {
  const char* name;
  int block_m, block_n, block_k, warp_m, warp_n, stages, slices, splits, raster;
  int m, n, k;  // n and k in granules of 32 for 4-bit weights; w8a8 takes 8 off each tail
};

constexpr Shape shapes[] = {
    {"aligned", 32, 64, 64, 16, 32, 3, 1, 1, 1, 64, 128, 512},
    {"one M-warp", 32, 128, 128, 32, 32, 2, 1, 1, 4, 96, 1088, 640},  // panels of 4, 4 and 1 N-tiles
    {"M and N tails", 64, 64, 64, 32, 32, 4, 1, 1, 1, 71, 160, 640},
    {"K-slices", 32, 64, 128, 32, 32, 3, 2, 1, 1, 45, 128, 896},
    {"four K-slices", 16, 32, 256, 16, 32, 2, 4, 1, 1, 19, 96, 1280},
    {"M = 1", 16, 64, 128, 16, 32, 4, 1, 1, 1, 1, 128, 1152},
    {"split-K", 32, 64, 64, 32, 64, 3, 1, 3, 1, 40, 160, 1408},
    {"split-K of slices", 16, 128, 128, 16, 64, 2, 2, 2, 1, 21, 288, 1280},
    {"deep K-tile", 16, 64, 256, 16, 32, 3, 1, 1, 1, 18, 96, 1920},
    {"wide", 64, 128, 64, 64, 64, 2, 1, 1, 1, 72, 288, 384},
};

Bench::Job job_of(const Form& form, const Shape& shape, const std::string& output, bool bias) {
  const bool w4a4 = form.scheme == std::string("w4a4-g128");
  const int warp_m = w4a4 ? std::min(shape.warp_m, 2048 / shape.warp_n) : shape.warp_m;  // it has two sums
  Point point = mma_point(shape.block_m, shape.block_n, shape.block_k, warp_m, shape.warp_n, shape.stages);
  point["slices"] = shape.slices;
  point["split_k"] = shape.splits;
  point["raster"] = shape.raster;
  point["dequant"] = static_cast<int>(form.dequant);
  point["layout"] = static_cast<int>(form.layout);
  if (form.ablated) point["ablated"] = 1;
  const bool w8a8 = form.layout == Layout::RowMajor;
  const int n = shape.n - (w8a8 && shape.n % shape.block_n != 0 ? 8 : 0);
  // Per-group K is a multiple of 128. The others end inside a k-tile where the shape does not say "aligned".
  const bool ragged_k = !std::string(form.scheme).ends_with("-g128") && std::string(shape.name) != "aligned";
  const int k = shape.k - (ragged_k ? (w8a8 ? 16 : 32) : 0) + (ragged_k ? shape.block_k : 0);
  std::string text = fmt::format("gemm {} m={} n={} k={} out={}", form.scheme, shape.m, n, k, output);
  if (bias) text += " bias=1";
  return {point, parse_problem(text)};
}

class MmaProof : public testing::TestWithParam<Form> {};

TEST_P(MmaProof, EqualsTheReferenceBitForBit) {
  const Form form = GetParam();
  const uint64_t seed = fresh_seed();
  std::vector<Bench::Job> jobs;
  const bool floats = std::ranges::find(float_forms, form.name, &Form::name) != std::end(float_forms);
  for (size_t i = 0; i < std::size(shapes); ++i) {
    jobs.push_back(job_of(form, shapes[i], !floats ? "i32" : i % 2 == 0 ? "bf16" : "fp16", false));
    jobs.push_back(job_of(form, shapes[i], i % 2 == 0 ? "fp16" : "bf16", i % 3 == 0));
  }
  Device device = test_device();
  if (form.scheme == std::string("w4a4-g128") && form.dequant == Dequant::None) device.compute_capability = 89;
  Bench bench;
  bench.build(jobs);
  if (HasFatalFailure()) return;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Family& family = family_named("gemm/mma");
    SCOPED_TRACE(fmt::format("{}: {} on \"{}\", seed {}", shapes[i / 2].name,
                             family.variant(jobs[i].point, jobs[i].problem), jobs[i].problem.text(), seed + i));
    ASSERT_EQ(family.unsupported(jobs[i].point, jobs[i].problem, device), std::nullopt);
    const bool random = i % 2 == 1;  // sums warp by warp, outputs in a random schedule
    const emulator::Options options{random ? emulator::Schedule::Random : emulator::Schedule::WarpFirst,
                                    random ? emulator::AsyncLanding::Random : emulator::AsyncLanding::Late, seed + i,
                                    true, 0};
    const RunResult run = bench.run(jobs[i], seed + i, options, 2);
    EXPECT_EQ(run.result.fault.value_or(""), "");
    EXPECT_TRUE(run.check.pass) << run.check.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, MmaProof, testing::ValuesIn(forms),
                         [](const auto& form) { return std::string(form.param.name); });
INSTANTIATE_TEST_SUITE_P(FloatForms, MmaProof, testing::ValuesIn(float_forms),
                         [](const auto& form) { return std::string(form.param.name); });

TEST(MmaCounters, TilesAreConflictFreeAndWeightsAreReadOnce) {
  std::vector<Bench::Job> jobs;
  for (const Form& form :
       {forms[0], forms[1], forms[2], forms[4], forms[5], forms[6], float_forms[0], float_forms[1], float_forms[2]}) {
    for (const int block_k : {64, 128, 256}) {
      Point point = mma_point(32, 64, block_k, 16, 32, 3);
      point["dequant"] = static_cast<int>(form.dequant);
      point["layout"] = static_cast<int>(form.layout);
      jobs.push_back({point, parse_problem(fmt::format("gemm {} m=70 n=192 k=1792", form.scheme))});
    }
  }
  Bench bench;
  bench.build(jobs);
  if (HasFatalFailure()) return;
  for (const Bench::Job& job : jobs) {
    SCOPED_TRACE(family_named("gemm/mma").variant(job.point, job.problem));
    const RunResult run = bench.run(job, fresh_seed());
    ASSERT_EQ(run.result.fault.value_or(""), "");
    EXPECT_TRUE(run.check.pass) << run.check.message;
    const emulator::Counters& counters = run.result.counters;
    EXPECT_GT(counters.matrix_loads.requests, 0u);
    EXPECT_GT(counters.async_copies.requests, 0u);
    EXPECT_EQ(counters.matrix_loads.bank_conflicts(), 0u);
    EXPECT_EQ(counters.shared_loads.bank_conflicts(), 0u);
    EXPECT_EQ(counters.shared_stores.bank_conflicts(), 0u);
    EXPECT_EQ(counters.async_copies.bank_conflicts(), 0u);
    // Three rows of tiles: each CTA column is computed by three CTAs, each of which reads its weights exactly once.
    const uint64_t n = 192, k = 1792, tiles_m = 3;
    const bool packed = job.problem.scheme != "w8a8";
    EXPECT_EQ(counters.buffers.at("w").bytes_read, tiles_m * n * k / (packed ? 2 : 1));
    EXPECT_EQ(counters.buffers.at("w").sectors_read * 32, counters.buffers.at("w").bytes_read);
    if (!job.problem.scheme.ends_with("-g128")) continue;
    uint64_t metadata = counters.buffers.at("s2").bytes_read;
    if (const auto zeros = counters.buffers.find("zeros"); zeros != counters.buffers.end())
      metadata += zeros->second.bytes_read;
    EXPECT_EQ(metadata, tiles_m * n * (k / 128) * (job.problem.scheme == "w4a16-g128" ? 4 : 2))
        << "what belongs to a group, once per CTA";
    if (job.problem.scheme == "w4a4-g128") {  // 70 rows make 80; the third CTA row has 16 of them
      EXPECT_EQ(counters.buffers.at("sx").bytes_read, n / 64 * 80 * (k / 128) * 2);
    }
  }
}

TEST(PlainProof, TheReferenceKernelEqualsTheCpu) {
  const Family& plain = *family_named("gemm/mma").reference();
  const uint64_t seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::vector<Bench::Job> jobs;
  for (const char* scheme : {"w4a8-g128", "w4a8-channel", "w8a8"}) {
    for (const char* output : {"out=fp16", "out=bf16 bias=1", "out=i32", "out=fp16 bias=1"}) {
      for (const int ablated : {0, 1}) {
        const Problem problem = parse_problem(fmt::format("gemm {} m=5 n=160 k=256 {}", scheme, output));
        jobs.push_back({{{"ablated", ablated}, {"dequant", ablated * 3}}, problem, &plain});
      }
    }
  }
  Bench bench;
  bench.build(jobs);
  if (HasFatalFailure()) return;
  for (const Bench::Job& job : jobs) {
    const RunResult run = bench.run(job, seed);
    EXPECT_EQ(run.result.fault.value_or(""), "");
    EXPECT_TRUE(run.check.pass) << job.problem.text() << ": " << run.check.message;
  }
}

/// One thing wrong in the kernel's text, and the form and shape that must show it.
struct Mistake {
  const char* file;
  const char* right;
  const char* wrong;
  const Form* form;
  const char* shape;
};

constexpr Mistake mistakes[] = {
    {"tile/int4.cuh", "(word >> 4)", "(word >> 5)", &forms[1], "aligned"},
    {"gemm/mma/config.cuh", "/ tiles_per_trip() + 1; }", "/ tiles_per_trip(); }", &forms[1], "aligned"},  // too few
    {"gemm/mma/place.cuh", "tiles_n - first_n < args.raster ? tiles_n - first_n : args.raster", "args.raster",
     &forms[1], "one M-warp"},
    {"gemm/mma/place.cuh", "trips * (at.split + 1) / args.splits", "begin + trips / args.splits", &forms[1], "split-K"},
    {"gemm/mma/store.cuh", "m < args.m", "m <= args.m", &forms[1], "M and N tails"},
    {"gemm/mma/store.cuh", "128 * prim::load_readonly", "127 * prim::load_readonly", &forms[3], "aligned"},
    {"gemm/mma/w4a16.cuh", "{word, word >> 8}", "{word, word >> 4}", &float_forms[0], "aligned"},
    {"gemm/mma/w4a16.cuh", "high_base = 0x54005400", "high_base = 0x64006400", &float_forms[0], "aligned"},
    {"gemm/mma/w4a16.cuh", "0x1010u : 0x3232u", "0x3232u : 0x1010u", &float_forms[0], "aligned"},
    {"gemm/mma/w4a16.cuh", "tile == 0 && i % units_per_group", "tile == 0 && i", &float_forms[0], "deep K-tile"},
    {"gemm/mma/w4a4.cuh", "part = Group<C>::zero;", ";", &float_forms[1], "aligned"},  // groups run on
    {"gemm/mma/w4a4.cuh", "scale[e % 2]", "scale[e / 2]", &float_forms[1], "aligned"},
    {"gemm/mma/w4a4.cuh", "e < 2 ? low_half", "e >= 2 ? low_half", &float_forms[1], "aligned"},
    {"gemm/mma/w4a4.cuh", " || i == units - 1", "", &float_forms[1], "four K-slices"},
    {"gemm/mma/w4a4.cuh", "tile == C.tiles_per_trip() - 1 && last", "last", &float_forms[1], "aligned"},  // too early
    {"gemm/mma/w4a4.cuh", "ODD ? word : word << 4", "ODD ? word : word", &float_forms[2], "aligned"},
    {"gemm/mma/config.cuh", "1.0f / 256", "1.0f / 255", &float_forms[2], "aligned"},
    {"gemm/mma/load.cuh", "metadata_inside = first < rows", "metadata_inside = true", &float_forms[1], "M and N tails"},
    {"gemm/mma/load.cuh", "(args.m + 15) / 16 * 16", "args.m", &float_forms[1], "M and N tails"},
};

TEST(MmaProof, AWrongKernelIsCaught) {
  for (const Mistake& mistake : mistakes) {
    SCOPED_TRACE(fmt::format("{}: {}", mistake.file, mistake.wrong));
    compile::Headers headers = compile::emulator_headers();
    std::string& text = headers.at(std::string("kernels/") + mistake.file);
    const size_t at = text.find(mistake.right);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, std::string(mistake.right).size(), mistake.wrong);
    Bench bench(headers);
    const auto shape =
        std::ranges::find_if(shapes, [&](const Shape& s) { return s.name == std::string(mistake.shape); });
    ASSERT_NE(shape, std::end(shapes));
    const Bench::Job job = job_of(*mistake.form, *shape, "fp16", false);
    bench.build({job});
    if (HasFatalFailure()) return;
    const RunResult run = bench.run(job, 1);
    EXPECT_TRUE(run.result.fault || !run.check.pass);
  }
}

/// Outputs of 11 bits hide nearly all of what fp32 additions in another order change, hence so many.
TEST(MmaProof, SplitsOfFloatsAreAddedInTheirOrder) {
  Point point = mma_point(64, 64, 128, 32, 32, 2);
  point["split_k"] = 8;
  point["layout"] = static_cast<int>(Layout::Fragment);
  const Bench::Job job{point, parse_problem("gemm w4a4-g128 m=128 n=320 k=1024")};
  for (const bool in_order : {true, false}) {
    compile::Headers headers = compile::emulator_headers();
    std::string& text = headers.at("kernels/gemm/mma/reduce.cuh");
    const std::string_view right = "in_order = C.float_sums()";
    const size_t at = text.find(right);
    ASSERT_NE(at, std::string::npos);
    // Otherwise whoever arrives last begins with its own sum.
    if (!in_order) text.replace(at, right.size(), "in_order = false");
    Bench bench(headers);
    bench.build({job});
    if (HasFatalFailure()) return;
    const RunResult run = bench.run(job, 3);
    EXPECT_EQ(run.result.fault.value_or(""), "");
    EXPECT_EQ(run.check.pass, in_order) << run.check.message;
  }
}

}  // namespace
}  // namespace qoq::test
