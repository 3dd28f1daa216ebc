#include "kernels/quantize/loose_linears.h"

#include <gtest/gtest.h>

#include "kernels/base/random.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "kernels/quantize/scheme.h"
#include "kernels/transform/hadamard.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::quantize::test {
namespace {

using qoq::test::complaint;
using qoq::test::ScratchFolder;

llama::Matrix draw(int rows, int cols, uint64_t seed) {
  Random random(seed);
  llama::Matrix x(rows, cols);
  for (float& value : x.values) {
    const float u = random.uniform(-1, 1);
    value = u * u * u;
  }
  return x;
}

struct LooseLinears : ScratchFolder {
  std::filesystem::path write(const std::map<std::string, llama::Matrix>& matrices) const {
    std::vector<TensorDeclaration> declared;
    for (const auto& [name, m] : matrices)
      declared.push_back({name, DType::F32, {static_cast<uint64_t>(m.rows), static_cast<uint64_t>(m.cols)}});
    SafetensorsWriter writer(folder / "linears.safetensors", declared);
    for (const auto& [name, m] : matrices) writer.write(name, write_floats(m.values, DType::F32));
    writer.finish();
    return folder / "linears.safetensors";
  }
  LooseReport report(const std::map<std::string, llama::Matrix>& matrices, int threads = 2) const {
    Listener nobody;
    return quantize_loose_linears(write(matrices), threads, nobody);
  }
};

const LooseRow& row(const LooseReport& report, const std::string& scheme, const std::string& way) {
  for (const LooseRow& one : report.rows) {
    if (one.scheme == scheme && one.way == way) return one;
  }
  throw std::runtime_error("no row " + scheme + " " + way);
}

TEST_F(LooseLinears, KindsAreNamesWithoutNumbers) {
  EXPECT_EQ((LooseLinear{"layers.11.attention.q2", {}, {}, {}}.kind()), "layers.attention.q2");
  EXPECT_EQ((LooseLinear{"0.1", {}, {}, {}}.kind()), "");
}

/// Every row again by the plain functions, on the second half of the inputs.
TEST_F(LooseLinears, ErrorsAreThoseOfTheQuantizersFunctions) {
  const llama::Matrix w = draw(64, 256, 1), x = draw(21, 256, 2);
  const LooseReport out =
      report({{"a.0.weight", w}, {"a.0.input", x}, {"a.1.weight", draw(32, 128, 3)}, {"a.1.input", draw(20, 128, 4)}});
  EXPECT_EQ(out.kinds, std::vector<std::string>{"a"});
  EXPECT_EQ(out.parameters, 64u * 256 + 32 * 128);
  EXPECT_EQ(out.rows.size(), 12u);
  llama::Matrix second(11, 256);
  std::copy_n(x.row(10), second.values.size(), second.values.begin());
  for (const auto& [scheme, way, rule] : {std::tuple{"w4a8-channel", "nearest", GroupRule::Nearest},
                                          std::tuple{"w4a8-g128", "covering", GroupRule::Covering},
                                          std::tuple{"w4a8-g32", "nearest", GroupRule::Nearest}}) {
    SCOPED_TRACE(scheme);
    const LinearWeights weights = quantize_linear({scheme_named(scheme).group, rule}, "a", w, 1);
    const LooseRow::Errors& got = row(out, scheme, way).linears.at(0);
    EXPECT_EQ(got.name, "a.0");
    EXPECT_EQ(got.weights.squared_error, weight_errors(w.values, weights, 1).squared_error);
    EXPECT_EQ(got.outputs.squared_error, output_errors(second, w.values, second, weights, 1).squared_error);
  }
}

TEST_F(LooseLinears, ClippingPaysWhereItIsJudgedAndThreadsChangeNothing) {
  const std::map<std::string, llama::Matrix> all{{"a.weight", draw(64, 256, 5)}, {"a.input", draw(40, 256, 6)}};
  const LooseReport out = report(all);
  for (const char* scheme : {"w4a8-channel", "w4a8-g128"}) {
    const double plain = row(out, scheme, "nearest").weights("").squared_error;
    EXPECT_LT(row(out, scheme, "clip=weights").weights("").squared_error, plain) << scheme;
    // Judged by outputs on other tokens: weights get worse than by weights, or the inputs were not looked at.
    EXPECT_GT(row(out, scheme, "clip=outputs").weights("").squared_error,
              row(out, scheme, "clip=weights").weights("").squared_error)
        << scheme;
  }
  EXPECT_EQ(to_json(out).dump(), to_json(report(all, 1)).dump());
}

/// Both factors turn; the outputs that they are held against are the weights' as they were.
TEST_F(LooseLinears, ARotationTurnsWeightsAndInputs) {
  llama::Matrix w = draw(32, 128, 7), x = draw(30, 128, 8);
  for (int n = 0; n < w.rows; ++n) w.row(n)[77] *= 20;  // a channel that spoils its group's scale
  const LooseReport out = report({{"a.weight", w}, {"a.input", x}});
  const llama::Matrix plain = w;
  llama::Matrix second(15, 128);
  std::copy_n(x.row(15), second.values.size(), second.values.begin());
  llama::Matrix turned = second;
  const auto hadamard = transform::Hadamard::of_size(128);
  for (int n = 0; n < w.rows; ++n) hadamard->apply(w.row(n));
  for (int t = 0; t < turned.rows; ++t) hadamard->apply(turned.row(t));
  const LinearWeights weights = quantize_linear({128, GroupRule::Nearest}, "a", w, 1);
  const LooseRow::Errors& got = row(out, "w4a8-g128", "rotated").linears.at(0);
  EXPECT_EQ(got.outputs.squared_error, output_errors(second, plain.values, turned, weights, 1).squared_error);
  EXPECT_LT(got.weights.relative_mse(), row(out, "w4a8-g128", "nearest").weights("").relative_mse());
  EXPECT_LT(got.outputs.relative_mse(), 0.05);
}

TEST_F(LooseLinears, WithoutInputsNothingIsChosenByOutputs) {
  const LooseReport out = report({{"a.weight", draw(32, 128, 1)}});
  EXPECT_EQ(out.choosing, 0);
  EXPECT_EQ(out.comparing, 64);
  EXPECT_EQ(out.rows.size(), 10u);
  EXPECT_NE(to_markdown(out).find("on 64 random tokens"), std::string::npos);
}

TEST_F(LooseLinears, WhatFitsNoFormatIsNamed) {
  const LooseReport out = report({{"a.weight", draw(32, 128, 1)},
                                  {"b.weight", draw(32, 96, 1)},
                                  {"c.weight", draw(33, 128, 1)},
                                  {"norm", draw(1, 128, 1)}});
  EXPECT_EQ(out.left_out,
            (std::vector<std::string>{"b.weight: K=96 is not a multiple of the group of 128, which w4a8-g128 needs",
                                      "c.weight: N=33 is not a multiple of 32, which packed weights need"}));
  const auto refusal = [&](const std::map<std::string, llama::Matrix>& matrices) {
    return complaint(Fault::Input, [&] { report(matrices); });
  };
  EXPECT_NE(refusal({{"b.weight", draw(32, 96, 1)}}).find("has no matrix NAME.weight"), std::string::npos);
  EXPECT_NE(refusal({{"a.weight", draw(32, 128, 1)}, {"a.input", draw(4, 64, 1)}}).find("is no [tokens][128]"),
            std::string::npos);
  EXPECT_NE(refusal({{"a.weight", draw(32, 128, 1)}, {"a.input", draw(1, 128, 1)}}).find("two tokens or more"),
            std::string::npos);
}

}  // namespace
}  // namespace qoq::quantize::test
