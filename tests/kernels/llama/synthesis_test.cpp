// The synthetic model: what it is said to be, it is.
#include "kernels/llama/synthesis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/llama/forward.h"

namespace qoq::llama {
namespace {

/// The size (root of the mean square) of every column, descending.
std::vector<double> column_sizes(const Matrix& m) {
  std::vector<double> sizes(static_cast<size_t>(m.cols));
  for (int t = 0; t < m.rows; ++t) {
    for (int d = 0; d < m.cols; ++d)
      sizes[static_cast<size_t>(d)] += std::pow(static_cast<double>(m.row(t)[d]), 2) / m.rows;
  }
  for (double& size : sizes) size = std::sqrt(size);
  std::ranges::sort(sizes, std::greater());
  return sizes;
}

double median(const std::vector<double>& sorted) { return sorted[sorted.size() / 2]; }

Config small(Family family) {
  Config config = synthetic_config(family);
  config.hidden = 128;
  config.intermediate = 256;
  config.layers = 2;
  config.heads = 4;
  config.vocab = 256;
  return config;
}

struct Seen {
  Model model;
  Matrix logits;
  std::vector<LayerActivations> layers;
};
Seen look(Family family, uint64_t seed, double outliers) {
  Seen seen{synthesize(small(family), seed, outliers), {}, {}};
  // Other tokens than the probe's.
  seen.logits = forward(seen.model, draw_tokens(256, 192, 99), repeat_positions(96, 192), &seen.layers);
  return seen;
}

class EverySynthetic : public testing::TestWithParam<Family> {};

TEST_P(EverySynthetic, OutliersStandWhereTheyAreSaidTo) {
  const Seen seen = look(GetParam(), 1, 32);
  for (const LayerActivations& layer : seen.layers) {
    for (const Matrix* input : {&layer.attention_input, &layer.ffn_input}) {
      const std::vector<double> sizes = column_sizes(*input);
      EXPECT_GT(sizes[1], 6 * median(sizes)) << "two channels of the stream";
      EXPECT_LT(sizes[3], 4 * median(sizes)) << "and no more";
    }
    const std::vector<double> keys = column_sizes(layer.keys);
    EXPECT_GT(keys[1], 3 * median(keys)) << "a channel of each KV head";
  }
  for (const Layer& layer : seen.model.layers) {
    Matrix columns(layer.up.cols, layer.up.rows);  // a channel that down reads is a row of W_up
    for (int n = 0; n < layer.up.rows; ++n) {
      for (int k = 0; k < layer.up.cols; ++k) columns.row(k)[n] = layer.up.row(n)[k];
    }
    const std::vector<double> sizes = column_sizes(columns);
    EXPECT_GT(sizes[1], 3.5 * median(sizes)) << "two of them";
    EXPECT_LT(sizes[2], 3.5 * median(sizes)) << "and no more";
  }
}

TEST_P(EverySynthetic, WithoutOutliersThereAreNone) {
  const Seen seen = look(GetParam(), 2, 1);
  for (const LayerActivations& layer : seen.layers) {
    EXPECT_LT(column_sizes(layer.attention_input)[0], 5 * median(column_sizes(layer.attention_input)));
    EXPECT_LT(column_sizes(layer.keys)[0], 5 * median(column_sizes(layer.keys)));
  }
}

TEST_P(EverySynthetic, NextTokensAreNeitherCertainNorEven) {
  for (const double outliers : {1.0, 64.0}) {
    const Seen seen = look(GetParam(), 3, outliers);
    double entropy = 0;
    std::vector<int> best;
    for (int t = 0; t < seen.logits.rows; ++t) {
      const float* row = seen.logits.row(t);
      const float largest = *std::max_element(row, row + seen.logits.cols);
      best.push_back(static_cast<int>(std::max_element(row, row + seen.logits.cols) - row));
      double sum = 0, weighted = 0;
      for (int i = 0; i < seen.logits.cols; ++i) {
        const double shifted = static_cast<double>(row[i]) - static_cast<double>(largest);
        sum += std::exp(shifted);
        weighted += shifted * std::exp(shifted);
      }
      entropy += (std::log(sum) - weighted / sum) / seen.logits.rows;
    }
    EXPECT_GT(entropy, 0.15 * std::log(256)) << outliers;
    EXPECT_LT(entropy, 0.75 * std::log(256)) << outliers;
    std::ranges::sort(best);
    best.erase(std::ranges::unique(best).begin(), best.end());
    EXPECT_GT(best.size(), 10u) << "the same few tokens whatever was read, at outliers of " << outliers;
  }
}

TEST_P(EverySynthetic, TheSameSeedIsTheSameModel) {
  Config config = small(GetParam());
  config.layers = 1;
  const Model one = synthesize(config, 5, 8), other = synthesize(config, 5, 8), third = synthesize(config, 6, 8);
  EXPECT_EQ(one.layers, other.layers);
  EXPECT_EQ(one.ends, other.ends);
  EXPECT_NE(one.layers, third.layers);
}

INSTANTIATE_TEST_SUITE_P(Llama, EverySynthetic, testing::Values(Family::Llama, Family::Qwen2, Family::Qwen3),
                         [](const auto& instance) { return family_name(instance.param); });

/// A model is a file's content elsewhere: its bits must not depend on a machine's library or instructions.
TEST(Synthesis, ModelsAreTheSameOnEveryMachine) {
  const Seen seen = look(Family::Qwen2, 11, 16);
  const auto text = [](const std::vector<float>& values) {
    return digest({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  };
  EXPECT_EQ(text(seen.model.layers[1].down.values), "52fc50a1c66459e92effcb23fc5d90e8");
  EXPECT_EQ(text(seen.logits.values), "d3bb878032c1cfde866f24b6792ca36f");
}

TEST(Synthesis, WeightsHaveHeavyTails) {
  const Model model = synthesize(small(Family::Llama), 4, 1);
  double second = 0, fourth = 0;
  const Matrix& down = model.layers[0].down;
  for (const float x : down.values) {
    second += std::pow(static_cast<double>(x), 2);
    fourth += std::pow(static_cast<double>(x), 4);
  }
  const double count = static_cast<double>(down.values.size());
  EXPECT_GT(fourth / count / std::pow(second / count, 2), 5) << "a normal distribution's is 3";
}

TEST(Synthesis, FrequentTokensComeOften) {
  const std::vector<int> tokens = draw_tokens(512, 20'000, 1);
  EXPECT_GT(std::ranges::count(tokens, 0), std::ranges::count(tokens, 10));
  EXPECT_GT(std::ranges::count(tokens, 10), std::ranges::count(tokens, 300));
  EXPECT_GT(std::ranges::count(tokens, 511), 0);
  EXPECT_EQ(std::ranges::max(tokens), 511);
  EXPECT_NE(tokens, draw_tokens(512, 20'000, 2));
}

TEST(Synthesis, WhatIsRefused) {
  Config config = small(Family::Llama);
  EXPECT_THROW(synthesize(config, 1, 0.5), Error);
  EXPECT_THROW(synthesize(config, 1, std::nan("")), Error);
  config.tied = true;
  EXPECT_THROW(synthesize(config, 1, 2), Error);
}

}  // namespace
}  // namespace qoq::llama
