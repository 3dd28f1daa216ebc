#pragma once
#include <filesystem>

#include "kernels/checkpoint/checkpoint.h"
#include "kernels/llama/weights.h"

namespace qoq::llama {

/// A Hugging Face model folder's config.json. Throws Fault::Input, with the file, the key and what was found: another
/// family, weights that are quantised already, experts, an activation that is not SiLU, biases that the family has not,
/// sizes that are missing, out of range or that disagree. Two things are read and not computed: a scaling of RoPE is
/// kept as text and a sliding window as its size; forward() refuses the first, and sequences longer than the second.
Config read_config(const std::filesystem::path& folder);

/// Checks every tensor's name and shape before any of them is read. Throws Fault::Input, naming the tensor: it is
/// missing, its shape is not the one that config.json makes it, or the model has none of that name (a layer more than
/// config.json tells, a bias), so that it would be lost.
void check_tensors(const Checkpoint& checkpoint, const Config& config);

/// The weights by Hugging Face's names, as fp32. Throws Fault::Input, naming the tensor: it is missing, its shape is
/// not the one that config.json makes it, its type is no float, a value is not finite; and for tensors of the layer
/// that its family has not (a bias), which would be lost.
Layer read_layer(const Checkpoint& checkpoint, const Config& config, int layer);
Ends read_ends(const Checkpoint& checkpoint, const Config& config);

/// All of a model: for small ones.
Model read_model(const std::filesystem::path& folder);

}  // namespace qoq::llama
