#include "kernels/transform/hadamard.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/base/random.h"

namespace qoq::transform {
namespace {

/// H as a matrix of doubles, by applying it to unit vectors: row i is e_i · H.
std::vector<std::vector<float>> rows_of(const Hadamard& h) {
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < h.size(); ++i) {
    std::vector<float> unit(static_cast<size_t>(h.size()));
    unit[static_cast<size_t>(i)] = 1;
    h.apply(unit.data());
    rows.push_back(unit);
  }
  return rows;
}

std::vector<float> random_vector(size_t size, uint64_t seed) {
  Random random(seed);
  std::vector<float> x(size);
  for (float& value : x) value = random.uniform(-1, 1);
  return x;
}

/// Every base of the table is a Hadamard matrix, exactly: entries ±1, rows orthogonal.
TEST(HadamardBases, AreHadamardMatrices) {
  for (const HadamardBase& base : hadamard_bases()) {
    const std::vector<int8_t> h = hadamard_matrix(base);
    const size_t n = static_cast<size_t>(base.order);
    ASSERT_EQ(h.size(), n * n);
    EXPECT_EQ(base.order % 8, 4) << base.order;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        ASSERT_EQ(h[i * n + j] * h[i * n + j], 1) << base.order;
        int product = 0;
        for (size_t k = 0; k < n; ++k) product += h[i * n + k] * h[j * n + k];
        ASSERT_EQ(product, i == j ? base.order : 0) << base.order << ": rows " << i << ", " << j;
      }
    }
  }
}

TEST(HadamardBases, AreSortedByOrder) {
  int last = 0;
  for (const HadamardBase& base : hadamard_bases()) EXPECT_LT(std::exchange(last, base.order), base.order);
}

TEST(Hadamard, EveryEntryHasTheSameSizeAndRowsAreOrthonormal) {
  for (const int size : {1, 2, 64, 12, 20, 28 * 2, 36 * 2, 52, 60}) {
    const std::optional<Hadamard> h = Hadamard::of_size(size);
    ASSERT_TRUE(h) << size;
    const auto rows = rows_of(*h);
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t j = 0; j < rows.size(); ++j) {
        EXPECT_NEAR(std::fabs(rows[i][j]), 1 / std::sqrt(size), 1e-6);
        double product = 0;
        for (size_t k = 0; k < rows.size(); ++k) product += static_cast<double>(rows[i][k]) * rows[j][k];
        EXPECT_NEAR(product, i == j ? 1 : 0, 1e-6) << size;
      }
    }
  }
}

TEST(Hadamard, ColumnsTurnAsTheyWouldAlone) {
  for (const int size : {32, 24, 40}) {
    const Hadamard h = *Hadamard::of_size(size);
    const size_t n = static_cast<size_t>(size);
    std::vector<float> columns = random_vector(n * 7, 3);
    const std::vector<float> before = columns;
    h.apply_columns(columns.data() + 1, 7, 5);
    for (size_t j = 0; j < 7; ++j) {
      std::vector<float> alone(n);
      for (size_t i = 0; i < n; ++i) alone[i] = before[i * 7 + j];
      if (j >= 1 && j < 6) h.apply(alone.data());
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(columns[i * 7 + j], alone[i]) << size << " column " << j;
    }
  }
}

TEST(Hadamard, TheInverseUndoesItToFp32) {
  for (const int size : {256, 4096, 12 * 64, 28 * 32, 52 * 4, 5120}) {
    const Hadamard h = *Hadamard::of_size(size);
    const std::vector<float> before = random_vector(static_cast<size_t>(size), 5);
    std::vector<float> x = before;
    h.apply(x.data());
    double moved = 0, worst = 0;
    for (size_t i = 0; i < x.size(); ++i) moved += std::fabs(x[i] - before[i]);
    EXPECT_GT(moved, 0.1 * size);
    h.apply_inverse(x.data());
    for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::fabs(static_cast<double>(x[i]) - before[i]));
    EXPECT_LT(worst, 2e-6) << size;
  }
}

TEST(Hadamard, KnowsTheHiddenSizesOfItsFamilies) {
  for (const int size : {896, 1024, 1536, 2048, 2560, 3072, 3584, 4096, 5120, 6656, 7168, 8192, 12288, 16384}) {
    const std::optional<Hadamard> h = Hadamard::of_size(size);
    ASSERT_TRUE(h) << size;
    EXPECT_EQ(h->size(), size);
  }
  EXPECT_EQ(Hadamard::of_size(3584)->name(), "28·2^7");
  EXPECT_EQ(Hadamard::of_size(4096)->name(), "2^12");
}

TEST(Hadamard, RefusesSizesWithoutAMatrix) {
  for (const int size : {0, -4, 3, 6, 10, 14, 23 * 64, 29 * 128}) EXPECT_FALSE(Hadamard::of_size(size)) << size;
}

}  // namespace
}  // namespace qoq::transform
