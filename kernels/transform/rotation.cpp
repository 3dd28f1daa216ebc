#include "kernels/transform/rotation.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/base/parallel.h"

namespace qoq::transform {

using llama::Matrix;

Hadamard rotation_of(int hidden) {
  const std::optional<Hadamard> hadamard = Hadamard::of_size(hidden);
  if (hadamard) return *hadamard;
  std::string orders;
  for (const HadamardBase& base : hadamard_bases()) orders += fmt::format(", {}", base.order);
  bad_input("no rotation of hidden size {}: it must be m·2^k with m one of 1{}; leave the rotation out", hidden,
            orders);
}

void rotate_rows(const Hadamard& hadamard, Matrix& matrix, int threads) {
  run_parallel(static_cast<size_t>(matrix.rows), threads,
               [&](size_t row) { hadamard.apply(matrix.row(static_cast<int>(row))); });
}

void rotate_columns(const Hadamard& hadamard, Matrix& matrix, int threads) {
  constexpr int piece = 64;  // columns at once: 64 · hidden numbers stay in a core's cache
  const size_t stride = static_cast<size_t>(matrix.cols);
  run_parallel(static_cast<size_t>((matrix.cols + piece - 1) / piece), threads, [&](size_t i) {
    const size_t first = i * piece;
    hadamard.apply_columns(matrix.values.data() + first, stride, std::min<size_t>(piece, stride - first));
  });
}

void rotate_layer(const Hadamard& hadamard, llama::Layer& layer, llama::LayerActivations& activations, int threads,
                  llama::LayerActivations* held_out) {
  for (Matrix* reader : {&layer.q, &layer.k, &layer.v, &layer.gate, &layer.up}) {
    rotate_rows(hadamard, *reader, threads);
  }
  for (Matrix* writer : {&layer.o, &layer.down}) rotate_columns(hadamard, *writer, threads);
  for (llama::LayerActivations* recorded : {&activations, held_out}) {
    if (recorded == nullptr) continue;
    rotate_rows(hadamard, recorded->attention_input, threads);
    rotate_rows(hadamard, recorded->ffn_input, threads);
  }
}

}  // namespace qoq::transform
