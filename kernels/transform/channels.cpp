#include "kernels/transform/channels.h"

#include <algorithm>
#include <cmath>

namespace qoq::transform {

using llama::Matrix;

void scale(std::span<float> values, std::span<const float> factors) {
  for (size_t i = 0; i < values.size(); ++i) values[i] *= factors[i];
}

void divide(std::span<float> values, std::span<const float> divisors) {
  for (size_t i = 0; i < values.size(); ++i) values[i] /= divisors[i];
}

void scale_rows(Matrix& matrix, std::span<const float> factors) {
  for (int r = 0; r < matrix.rows; ++r) {
    for (int c = 0; c < matrix.cols; ++c) matrix.row(r)[c] *= factors[static_cast<size_t>(r)];
  }
}

void scale_columns(Matrix& matrix, std::span<const float> factors) {
  for (int r = 0; r < matrix.rows; ++r) scale({matrix.row(r), factors.size()}, factors);
}

void divide_rows(Matrix& matrix, std::span<const float> divisors) {
  for (int r = 0; r < matrix.rows; ++r) {
    for (int c = 0; c < matrix.cols; ++c) matrix.row(r)[c] /= divisors[static_cast<size_t>(r)];
  }
}

void divide_columns(Matrix& matrix, std::span<const float> divisors) {
  for (int r = 0; r < matrix.rows; ++r) divide({matrix.row(r), divisors.size()}, divisors);
}

std::vector<float> column_maxima(const Matrix& matrix) {
  std::vector<float> maxima(static_cast<size_t>(matrix.cols));
  for (int r = 0; r < matrix.rows; ++r) {
    for (size_t c = 0; c < maxima.size(); ++c) maxima[c] = std::max(maxima[c], std::fabs(matrix.row(r)[c]));
  }
  return maxima;
}

std::vector<float> row_maxima(const Matrix& matrix) {
  std::vector<float> maxima(static_cast<size_t>(matrix.rows));
  for (int r = 0; r < matrix.rows; ++r) {
    float& most = maxima[static_cast<size_t>(r)];
    for (int c = 0; c < matrix.cols; ++c) most = std::max(most, std::fabs(matrix.row(r)[c]));
  }
  return maxima;
}

void permute_columns(Matrix& matrix, std::span<const int> order) {
  std::vector<float> old(order.size());
  for (int r = 0; r < matrix.rows; ++r) {
    std::copy_n(matrix.row(r), old.size(), old.begin());
    for (size_t c = 0; c < order.size(); ++c) matrix.row(r)[c] = old[static_cast<size_t>(order[c])];
  }
}

void permute_rows(Matrix& matrix, std::span<const int> order) {
  const size_t width = static_cast<size_t>(matrix.cols);
  std::vector<float> first(width);  // a matrix can be a tenth of a layer: rows move along the cycles, in place
  std::vector<bool> placed(order.size());
  for (size_t start = 0; start < order.size() && matrix.rows > 0; ++start) {
    if (placed[start]) continue;
    std::copy_n(matrix.row(static_cast<int>(start)), width, first.begin());
    size_t to = start;
    for (size_t from = static_cast<size_t>(order[to]); from != start;
         to = from, from = static_cast<size_t>(order[to])) {
      std::copy_n(matrix.row(static_cast<int>(from)), width, matrix.row(static_cast<int>(to)));
      placed[to] = true;
    }
    std::copy_n(first.begin(), width, matrix.row(static_cast<int>(to)));
    placed[to] = true;
  }
}

std::vector<int> spread_indices(int rows, int most) {
  std::vector<int> indices;
  const int step = std::max(1, (rows + most - 1) / most);
  for (int r = 0; r < rows; r += step) indices.push_back(r);
  return indices;
}

Matrix spread_rows(const Matrix& matrix, int most) {
  const std::vector<int> indices = spread_indices(matrix.rows, most);
  Matrix rows(static_cast<int>(indices.size()), matrix.cols);
  for (int r = 0; r < rows.rows; ++r)
    std::copy_n(matrix.row(indices[static_cast<size_t>(r)]), matrix.cols, rows.row(r));
  return rows;
}

}  // namespace qoq::transform
