#pragma once
#include <filesystem>

#include "kernels/checkpoint/dtype.h"
#include "kernels/llama/weights.h"

namespace qoq::llama {

/// Writes a Hugging Face model folder that read_model reads: config.json, `shards` safetensors files (1: one file, no
/// index) of F16, BF16 or F32. config.json comes last: without it a folder is no model. Throws Fault::Input for values
/// that the type cannot hold, Fault::Work on a full disk.
void write_model(const Model& model, const std::filesystem::path& folder, DType dtype, int shards);

}  // namespace qoq::llama
