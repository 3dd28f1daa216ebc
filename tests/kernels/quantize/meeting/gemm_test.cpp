// The two halves meet, at the GEMM: the bytes of a packed layer file are what gemm/mma loads, and on the emulator every
// variant class makes of them exactly what the integer reference makes of the file's codes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "kernels/gemm/mma/operands.h"
#include "kernels/gemm/mma/point.h"
#include "kernels/gemm/reference.h"
#include "kernels/quantize/linears.h"
#include "tests/kernels/checkpoint/scratch_folder.h"
#include "tests/kernels/gemm/bench.h"
#include "tests/kernels/gemm/forms.h"
#include "tests/kernels/quantize/meeting/layer.h"
#include "tests/kernels/quantize/meeting/packed_gemm.h"

namespace qoq::test {
namespace {

using gemm::Layout;

/// The tile and the number of tokens: one, fewer than a tile, one tile and a tail, split-K over the K-slices.
struct Shape {
  int block_m, block_n, block_k, warp_m, warp_n, stages, slices, splits;
  int m;
  const char* output;
};

constexpr Shape shapes[] = {
    {16, 64, 128, 16, 32, 3, 1, 1, 1, "fp16"},
    {32, 256, 64, 16, 64, 2, 1, 1, 5, "bf16"},
    {32, 64, 64, 32, 32, 3, 1, 2, 37, "i32"},
    {16, 128, 128, 16, 64, 2, 2, 1, 71, "fp16"},
};
constexpr const char* linears[] = {"qkv", "o", "gate_up", "down"};

PackedLayout file_layout(const Form& form) {
  return form.layout == Layout::Fragment ? PackedLayout::Fragment : PackedLayout::QServe;
}

Point point_of(const Form& form, const Shape& shape) {
  Point point = mma_point(shape.block_m, shape.block_n, shape.block_k, shape.warp_m, shape.warp_n, shape.stages);
  point["slices"] = shape.slices;
  point["split_k"] = shape.splits;
  point["dequant"] = static_cast<int>(form.dequant);
  point["layout"] = static_cast<int>(form.layout);
  return point;
}

struct Meeting : ScratchFolder {};
struct EveryForm : Meeting, testing::WithParamInterface<Form> {};

TEST_P(EveryForm, AKernelOnTheFilesBytesEqualsTheIntegerReference) {
  const Form& form = GetParam();
  const QuantizedLayer layer = quantize_layer(folder, form.scheme, file_layout(form), "qoq");
  const PackedFile file = PackedFile::open(layer.file);
  const uint64_t seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::vector<PackedGemm> gemms;
  std::vector<Bench::Job> jobs;
  for (const Shape& shape : shapes) {
    for (const char* linear : linears) {
      const int k = quantize::fused(layer.layer, linear).cols;
      gemms.emplace_back(file, linear, draw_inputs(shape.m, k, seed + jobs.size()), shape.output);
      jobs.push_back({point_of(form, shape), gemms.back().problem()});
      ASSERT_EQ(jobs.back().family->unsupported(jobs.back().point, jobs.back().problem, test_device()), std::nullopt);
    }
  }
  Bench bench;
  bench.build(jobs);
  if (HasFatalFailure()) return;
  for (size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(fmt::format("{}: {}", linears[i % std::size(linears)], jobs[i].problem.text()));
    std::vector<Buffer> buffers = gemms[i].operands();
    const bool random = i % 2 == 1;
    const emulator::Options options{random ? emulator::Schedule::Random : emulator::Schedule::WarpFirst,
                                    random ? emulator::AsyncLanding::Random : emulator::AsyncLanding::Late, seed + i,
                                    true, 0};
    const emulator::Result result = bench.run(jobs[i], buffers, options);
    ASSERT_EQ(result.fault.value_or(""), "");
    const Check check =
        gemm::compare(gemms[i].reference_case(), buffer_named(buffers, "out").bytes, gemms[i].expected());
    EXPECT_TRUE(check.pass) << check.message;
    // Every byte of the packed weights was read: no tile was skipped, nothing came from elsewhere.
    EXPECT_GE(result.counters.buffers.at("w").bytes_read, buffer_named(buffers, "w").bytes.size());
  }
}

constexpr Form met_forms[] = {forms[0], forms[1], forms[2], forms[3], forms[4], forms[5]};
INSTANTIATE_TEST_SUITE_P(Forms, EveryForm, testing::ValuesIn(met_forms),
                         [](const auto& form) { return std::string(form.param.name); });

/// What the tuner measures kernels on is packed as the quantizer packs: the same codes give the same bytes.
TEST_F(Meeting, TheTunersOperandsAreTheFilesBytes) {
  for (const Form& form : met_forms) {
    SCOPED_TRACE(form.name);
    const QuantizedLayer layer = quantize_layer(folder, form.scheme, file_layout(form));
    const PackedFile file = PackedFile::open(layer.file);
    for (const char* linear : linears) {
      SCOPED_TRACE(linear);
      const PackedGemm gemm(file, linear, draw_inputs(3, quantize::fused(layer.layer, linear).cols, 1), "fp16");
      const gemm::MmaVariant variant = gemm::MmaVariant::from(point_of(form, shapes[0]), gemm.reference_case().problem);
      std::vector<Buffer> tuners = gemm::prepare_operands(gemm.reference_case(), variant.config);
      for (const auto& [buffer, tensor] : gemm.weight_tensors()) {
        const std::span<const std::byte> bytes = file.tensor(tensor).bytes;
        const std::vector<std::byte>& wanted = buffer_named(tuners, buffer).bytes;
        EXPECT_TRUE(std::ranges::equal(bytes, wanted)) << tensor;
      }
    }
  }
}

/// The file says what was quantised, code for code, and the reference computes what those codes stand for: the
/// agreement above is not that of two readers with the same mistake.
TEST_F(Meeting, TheFilesWeightsAreTheLayers) {
  for (const Form& form : {forms[1], forms[2], forms[5]}) {
    const QuantizedLayer layer = quantize_layer(folder, form.scheme, file_layout(form));
    const PackedFile file = PackedFile::open(layer.file);
    for (const char* linear : linears) {
      SCOPED_TRACE(fmt::format("{} {}", form.name, linear));
      const llama::Matrix w = quantize::fused(layer.layer, linear), x = draw_inputs(9, w.cols, 5);
      const LinearWeights weights = file.linear(linear);
      llama::Matrix meant(w.rows, w.cols);
      if (const auto* groups = std::get_if<GroupWeights>(&weights.form)) {
        EXPECT_TRUE(*groups == quantize_groups(w.values, w.rows, w.cols));
        meant.values = dequantize(*groups, w.rows, w.cols);
      } else {
        const auto& channels = std::get<ChannelWeights>(weights.form);
        EXPECT_TRUE(channels == quantize_channels(w.values, w.rows, w.cols));
        meant.values = dequantize(channels, w.rows, w.cols);
      }
      const double of_weights = relative_error(meant.values, w.values);
      const double of_outputs = relative_error(halves(PackedGemm(file, linear, x, "fp16").expected()),
                                               multiply(x, meant, bias_of(layer, linear)));
      fmt::print("{} {}: weights {:.3f} from the layer's, outputs {:.3f} from those of the quantised weights\n",
                 form.name, linear, of_weights, of_outputs);
      EXPECT_LT(of_weights, 0.25);
      EXPECT_GT(of_weights, 0.02) << "nothing was quantised";
      EXPECT_LT(of_outputs, 0.08) << "more than inputs in int8 cost";
    }
  }
}

/// One thing wrong with the bytes on their way from the file to the kernel.
struct Mistake {
  const char* name;
  const char* scheme;
  void (*spoil)(std::vector<Buffer>&);
};

constexpr Mistake mistakes[] = {
    {"one nibble", "w4a8-g128", [](auto& b) { buffer_named(b, "w").bytes[12345] ^= std::byte{0x10}; }},
    {"one group's zero", "w4a8-g128", [](auto& b) { buffer_named(b, "zeros").bytes[700] ^= std::byte{1}; }},
    {"one group's scale", "w4a8-g128", [](auto& b) { buffer_named(b, "s2").bytes[700] ^= std::byte{1}; }},
    {"scales for zeros", "w4a8-g128",
     [](auto& b) { std::swap(buffer_named(b, "zeros").bytes, buffer_named(b, "s2").bytes); }},
    {"scales in natural order", "w4a8-g128",
     [](auto& b) {
       std::vector<std::byte>& bytes = buffer_named(b, "s2").bytes;
       std::vector<int8_t> values(bytes.size());
       std::memcpy(values.data(), bytes.data(), bytes.size());
       values = unpack_qserve_metadata(values, 640);
       std::memcpy(bytes.data(), values.data(), bytes.size());
     }},
    {"one row's scale", "w4a8-g128", [](auto& b) { buffer_named(b, "s1").bytes[2 * 77] ^= std::byte{8}; }},
    {"one row's zero", "w4a8-channel", [](auto& b) { buffer_named(b, "szero").bytes[2 * 77 + 1] ^= std::byte{4}; }},
};

TEST_F(Meeting, SpoiledBytesAreSeen) {
  Bench bench;
  for (const char* scheme : {"w4a8-g128", "w4a8-channel"}) {
    const bool groups = std::string(scheme) == "w4a8-g128";
    const QuantizedLayer layer = quantize_layer(folder, scheme, PackedLayout::QServe);
    const PackedFile file = PackedFile::open(layer.file);
    const PackedGemm gemm(file, "qkv", draw_inputs(5, 256, 9), "fp16");
    const Bench::Job job{point_of(groups ? forms[1] : forms[5], shapes[0]), gemm.problem()};
    bench.build({job});
    if (HasFatalFailure()) return;
    for (const Mistake& mistake : mistakes) {
      if (mistake.scheme != std::string(scheme)) continue;
      std::vector<Buffer> buffers = gemm.operands();
      mistake.spoil(buffers);
      const emulator::Result result = bench.run(job, buffers);
      ASSERT_EQ(result.fault.value_or(""), "") << mistake.name;
      EXPECT_NE(buffer_named(buffers, "out").bytes, gemm.expected()) << mistake.name;
    }
  }
}

}  // namespace
}  // namespace qoq::test
