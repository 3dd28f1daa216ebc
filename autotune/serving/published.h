#pragma once
#include <span>
#include <string_view>

namespace qoq::serving {

/// What QServe's paper (arXiv 2405.04532) says of a model on a GPU, measured: 1024 tokens in, 512 out.
struct Published {
  std::string_view model;  ///< as in configs/models: "Llama-3-8B"
  std::string_view gpu;    ///< sheet id
  int batch = 0;           ///< sequences that QServe ran at once
  double ratio = 0;        ///< QServe's throughput / the best mode of TensorRT-LLM; 0: not in the abstract
};

/// All eight models on an A100-80G and an L40S.
std::span<const Published> published();
const Published* published(std::string_view model, std::string_view gpu);

/// The abstract's claim: QServe on an L40S against TensorRT-LLM on an A100, dollars a token.
inline constexpr double published_cheaper = 3;

}  // namespace qoq::serving
