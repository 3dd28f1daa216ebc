// The price of the decode kernel's main loop, from its machine code: instructions a KV element, conversions, spills,
// and the bytes that a full SM keeps in flight.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/attention/decode/point.h"
#include "kernels/base/file.h"
#include "roofline/model/model.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

const Family& decode() { return family_named("attention/decode"); }

/// A point's main loop and what it was compiled to.
struct Compiled {
  compile::EntryResources resources;
  roofline::EntryCode code;
  const roofline::Mix& mix() const { return code.main()->mix; }
};

Compiled compile_point(compile::NvrtcCompiler& compiler, const Point& point, const Problem& problem) {
  const Source source = decode().source(point, problem);
  const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
  if (!build.ok) throw std::runtime_error(build.log);
  const std::string cubin = read_file(build.object);
  auto code = roofline::read_cubin(std::as_bytes(std::span(cubin)));
  if (code.size() != 1 || code[0].main() == nullptr) throw std::runtime_error("no main loop");
  return {build.entries.begin()->second, std::move(code[0])};
}

/// A warp's trip is one tile: its lanes share 2 · tile · Dh elements.
double instructions_per_8_elements(const Compiled& compiled, const attention::DecodeConfig& c) {
  const roofline::Mix& mix = compiled.mix();
  return (mix.issued() - mix[roofline::Pipe::Tensor]) * 8.0 * 32 / (2.0 * c.tile * c.head_dim);
}

class DecodeInstructions : public testing::TestWithParam<std::string> {};

TEST_P(DecodeInstructions, TheDefaultPointStaysWithinItsBudget) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const auto folder = std::filesystem::path(testing::TempDir()) / ("qoqtune-decode-" + GetParam());
  compile::NvrtcCompiler compiler(nvrtc, GetParam(), folder, 2);
  const Problem gqa4 = parse_problem("attention kv4 batch=64 heads=32/8 dh=128 ctx=1536");
  const Problem gqa8 = parse_problem("attention kv4 batch=64 heads=64/8 dh=128 ctx=1536");
  const Point point = attention::default_decode_point();
  ASSERT_EQ(decode().source(point, gqa4).text, decode().source(point, gqa8).text) << "ratios 4 and 8 share a kernel";
  const roofline::Gpu h200 = roofline::embedded_gpus().at("h200");
  for (const int tile : {64, 32}) {
    Point tiled = point;
    tiled["tile"] = tile;
    const attention::DecodeConfig c =
        attention::DecodeVariant::from(tiled, attention::AttentionProblem::parse(gqa4)).config;
    const Compiled compiled = compile_point(compiler, tiled, gqa4);
    const roofline::Mix& mix = compiled.mix();
    const double each = instructions_per_8_elements(compiled, c);
    const auto residency =
        roofline::occupancy(h200.device, compiled.code, decode().plan(tiled, gqa4, h200.device).launches.front());
    const int in_flight = (c.stages - 1) * c.stage_bytes() * c.warps * residency.blocks_per_sm;
    fmt::print(
        "{} tile {}: {:.2f} instructions per 8 KV elements beside {} MMAs a trip; {} registers; {} CTAs and {} KiB "
        "in flight per SM\n{}",
        GetParam(), tile, each, mix[roofline::Pipe::Tensor], compiled.code.registers, residency.blocks_per_sm,
        in_flight / 1024, roofline::describe(compiled.code));
    EXPECT_EQ(compiled.resources.spill_store_bytes, 0);
    EXPECT_EQ(compiled.code.unknown(), 0);
    for (const char* conversion : {"I2F", "I2FP", "I2F.64", "F2I"}) EXPECT_EQ(mix.named(conversion), 0) << conversion;
    if (tile != point.at("tile")) continue;  // for the record
    EXPECT_LE(each, 12);
    EXPECT_EQ(mix[roofline::Pipe::Tensor], c.units() * (2 * c.steps() + 1));
    // As many copies as 16 bytes a lane make a tile: none is narrower. Page ids come ahead by one plain load each for
    // these 32 pages and the next.
    EXPECT_EQ(mix.named("LDGSTS") * 32 * 16, c.stage_bytes());
    EXPECT_LE(mix.named("LDG"), 2);
    EXPECT_GE(in_flight, 32 * 1024);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, DecodeInstructions, testing::Values("sm_80", "sm_90a"),
                         [](const auto& arch) { return arch.param; });

}  // namespace
}  // namespace qoq::test
