#pragma once
#include <span>
#include <vector>

#include "kernels/llama/weights.h"

namespace qoq::transform {

/// Rows are a weight's output channels, columns its input channels and an activation's channels. `factors` has one
/// number a row or column.
void scale_rows(llama::Matrix& matrix, std::span<const float> factors);
void scale_columns(llama::Matrix& matrix, std::span<const float> factors);
void divide_rows(llama::Matrix& matrix, std::span<const float> divisors);
void divide_columns(llama::Matrix& matrix, std::span<const float> divisors);
void scale(std::span<float> values, std::span<const float> factors);
void divide(std::span<float> values, std::span<const float> divisors);

/// max|·| of every column, of every row.
std::vector<float> column_maxima(const llama::Matrix& matrix);
std::vector<float> row_maxima(const llama::Matrix& matrix);

/// Column (row) c of the result is column (row) order[c] of the matrix. `order` is a permutation.
void permute_columns(llama::Matrix& matrix, std::span<const int> order);
void permute_rows(llama::Matrix& matrix, std::span<const int> order);

/// Every ⌈rows/most⌉-th row from the first on: the tokens that a search looks at.
llama::Matrix spread_rows(const llama::Matrix& matrix, int most);
/// Their indices.
std::vector<int> spread_indices(int rows, int most);

}  // namespace qoq::transform
