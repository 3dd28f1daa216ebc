#include "kernels/accuracy/agreement.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/llama/elementary.h"

namespace qoq::accuracy {

namespace {

/// Logarithms of the row's probabilities.
std::vector<double> log_softmax(const float* row, int count) {
  const auto largest = static_cast<double>(*std::max_element(row, row + count));
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += llama::exponential(static_cast<double>(row[i]) - largest);
  const double shift = largest + llama::logarithm(sum);
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(static_cast<double>(row[i]) - shift);
  return out;
}

double cosine(const float* a, const float* b, int count) {
  double product = 0, first = 0, second = 0;
  for (int i = 0; i < count; ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    product += x * y;
    first += x * x;
    second += y * y;
  }
  return product / std::sqrt(first * second);
}

}  // namespace

Agreement agreement(const llama::Matrix& reference, const llama::Matrix& logits) {
  if (reference.rows != logits.rows || reference.cols != logits.cols || reference.values.empty())
    fail("logits of {} × {} beside {} × {}", logits.rows, logits.cols, reference.rows, reference.cols);
  Agreement out;
  out.positions = reference.rows;
  const int count = reference.cols;
  for (int t = 0; t < reference.rows; ++t) {
    const float *want = reference.row(t), *got = logits.row(t);
    const std::vector<double> p = log_softmax(want, count), q = log_softmax(got, count);
    for (size_t i = 0; i < p.size(); ++i) {
      const double probability = llama::exponential(p[i]);
      out.kl += probability * (p[i] - q[i]);
      out.entropy -= probability * p[i];
    }
    out.cosine += cosine(want, got, count);
    out.top1 += std::max_element(want, want + count) - want == std::max_element(got, got + count) - got ? 1 : 0;
  }
  for (double* sum : {&out.cosine, &out.kl, &out.top1, &out.entropy}) *sum /= out.positions;
  return out;
}

}  // namespace qoq::accuracy
