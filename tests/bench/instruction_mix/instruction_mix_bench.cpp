// Time to read a cubin's instruction mix: kernels of ours as compiled, and handmade code of growing length.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kernels/families.h"
#include "roofline/instruction_mix/whole_kernel.h"
#include "tests/roofline/instruction_mix/handmade_cubin.h"
#include "tests/roofline/probe.h"

namespace {

using namespace qoq;

void read(benchmark::State& state, const std::string& cubin) {
  size_t instructions = 0;
  for (auto _ : state) {
    const auto entries = roofline::read_cubin(std::as_bytes(std::span(cubin)));
    instructions = entries.front().instructions.size();
    benchmark::DoNotOptimize(entries.data());
  }
  state.counters["instructions"] = static_cast<double>(instructions);
  state.counters["bytes"] = static_cast<double>(cubin.size());
}

void read_variant(benchmark::State& state, const char* id, const char* problem, const char* architecture) {
  const NamedVariant variant = find_variant(id, parse_problem(problem));
  const auto cubin = roofline::compile_probe(variant.family->source(variant.point, variant.problem).text, architecture);
  if (!cubin) return state.SkipWithError("NVRTC is not here");
  read(state, *cubin);
}

/// A loop with an MMA in every hundred instructions.
void read_handmade(benchmark::State& state) {
  roofline::HandmadeCubin cubin{.architecture = 80, .code = {}};
  while (cubin.code.size() < static_cast<size_t>(state.range(0))) {
    for (const uint64_t opcode : {0x7237, 0x7812, 0x7824, 0x7984, 0x7981})
      for (int i = 0; i < 20; ++i) cubin.code.push_back(roofline::word(opcode));
    cubin.code.push_back(roofline::branch_sm80(-100));
  }
  cubin.code.push_back(roofline::branch_sm80(-1));
  read(state, cubin.bytes());
  state.SetComplexityN(state.range(0));
}

constexpr const char* kGemm = "gemm w4a8-g128 m=256 n=4096 k=4096";
constexpr const char* kDecode = "attention kv4 batch=64 heads=32/8 dh=128 ctx=1536";

BENCHMARK_CAPTURE(read_variant, gemm_sm80, "mma.w4a8-g128.bm64.bn64.bk64.wm32.wn32.st4.ks1.sk1.ra1.imad.qserve", kGemm,
                  "sm_80")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_variant, gemm_large_sm90a,
                  "mma.w4a8-g128.bm128.bn256.bk128.wm64.wn64.st3.ks1.sk1.ra1.vadd4.qserve", kGemm, "sm_90a")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_variant, attention_sm80, "decode.kv4.dh128.p64.tl64.st3.w2.rt1.rw12.sp0.tokens.kernel.fragment",
                  kDecode, "sm_80")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_variant, attention_large_sm90a,
                  "decode.kv4.dh128.p64.tl64.st3.w2.rt1.rw12.sp0.tokens.kernel.qserve", kDecode, "sm_90a")
    ->Unit(benchmark::kMillisecond);
BENCHMARK(read_handmade)->RangeMultiplier(10)->Range(1000, 100000)->Unit(benchmark::kMillisecond)->Complexity();

}  // namespace
