#pragma once
#include <filesystem>

#include "kernels/qoq/linear.h"

namespace qoq::test {

/// The linear of the corpus's packed files: 32 outputs, 128 inputs, always the same numbers. `group` 0: a channel.
LinearWeights corpus_linear(int group);

/// Writes the corpus: small files of every kind that the room reads.
///   taken/    whole files: *.safetensors, *.packed, *.qserve (safetensors of QServe's names), *.index.json
///   refused/  the same kinds, each damaged in one way
/// Files of torch.save (*.pt) are write_pytorch.py's.
void write_corpus(const std::filesystem::path& folder);

}  // namespace qoq::test
