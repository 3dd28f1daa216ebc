#pragma once
#include "kernels/llama/weights.h"
#include "kernels/transform/hadamard.h"

namespace qoq::transform {

/// Rotates the residual stream: x ← x·H. Whoever reads it takes W ← W·H (its rows rotate), whoever writes it
/// W ← Hᵀ·W (its columns rotate). RMSNorm commutes with it only when its gains are one: fold_norms first.

/// The matrix for a hidden size; throws Fault::Input where none is known here.
Hadamard rotation_of(int hidden);

/// Every row v ← v·H: weights that read the stream, the embedding, recorded inputs.
void rotate_rows(const Hadamard& hadamard, llama::Matrix& matrix, int threads = 0);
/// W ← Hᵀ·W: weights that write the stream.
void rotate_columns(const Hadamard& hadamard, llama::Matrix& matrix, int threads = 0);

/// q, k, v, gate and up read the stream; o and down write it.
/// Activations `held_out` follow and choose nothing.
void rotate_layer(const Hadamard& hadamard, llama::Layer& layer, llama::LayerActivations& activations, int threads = 0,
                  llama::LayerActivations* held_out = nullptr);

}  // namespace qoq::transform
