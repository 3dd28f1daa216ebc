#include <fmt/format.h>

#include <filesystem>

#include "autotune/cli/command.h"
#include "kernels/base/error.h"
#include "kernels/llama/calibration.h"
#include "kernels/llama/forward.h"
#include "kernels/llama/read.h"
#include "kernels/llama/synthesis.h"
#include "kernels/llama/write.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

constexpr int sequence_tokens = 256;

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("folder", 1);
  const auto number = [](int otherwise) { return po::value<int>()->default_value(otherwise)->value_name("N"); };
  options.add_options()("folder", po::value<std::string>()->value_name("DIR"), "a new folder for the model")(
      "family", po::value<std::string>()->default_value("llama")->value_name("F"), "llama, mistral, qwen2 or qwen3")(
      "outliers", po::value<double>()->default_value(16)->value_name("X"),
      "how many times as large outlier channels of the residual stream are, 1 to 1024; 1: none")(
      "dtype", po::value<std::string>()->default_value("bf16")->value_name("T"), "bf16, fp16 or fp32")(
      "shards", number(2), "safetensors files of weights")(
      "tokens", number(512), "recorded in calibration.safetensors, in sequences of 256; 0: no such file");
  options.add_options()("layers", number(4), "decoder layers")("hidden", number(256), "channels of the stream")(
      "intermediate", number(768), "channels between up and down")("heads", number(8), "query heads")(
      "kv-heads", number(2), "key-value heads")("head-dim", number(64), "channels of a head")("vocab", number(512),
                                                                                              "tokens");
  declare_seed(options, "of weights and tokens (default: 1)");
  declare_jobs(options, "threads");
}

llama::Family family_of(const std::string& name) {
  if (const auto family = llama::find_family(name)) return *family;
  bad_input("--family {} is unknown; llama, mistral, qwen2 or qwen3", name);
}

DType dtype_of(const std::string& name) {
  if (name == "bf16") return DType::BF16;
  if (name == "fp16") return DType::F16;
  if (name == "fp32") return DType::F32;
  bad_input("--dtype {} is unknown; bf16, fp16 or fp32", name);
}

llama::Config config_of(const Options& options) {
  llama::Config config = llama::synthetic_config(family_of(options["family"].as<std::string>()));
  config.layers = ranged(options, "layers", 1, 1000);
  config.hidden = ranged(options, "hidden", 8, 1 << 16);
  config.intermediate = ranged(options, "intermediate", 8, 1 << 18);
  config.heads = ranged(options, "heads", 1, 1024);
  config.kv_heads = ranged(options, "kv-heads", 1, 1024);
  config.head_dim = ranged(options, "head-dim", 2, 1024);
  config.vocab = ranged(options, "vocab", 2, 1 << 20);
  if (config.heads % config.kv_heads != 0)
    bad_input("--heads {} is no multiple of --kv-heads {}", config.heads, config.kv_heads);
  if (config.head_dim % 2 != 0) bad_input("--head-dim {} is odd; RoPE turns pairs of channels", config.head_dim);
  return config;
}

fs::path new_folder(const Options& options) {
  if (options.count("folder") == 0) bad_input("synthesize needs a folder for the model: qoqtune synthesize DIR");
  const fs::path folder = options["folder"].as<std::string>();
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_empty(folder, ignored))
    bad_input("{}: is there and not empty", folder.string());
  return folder;
}

int run(const Options& options) {
  const fs::path folder = new_folder(options);
  const llama::Config config = config_of(options);
  const DType dtype = dtype_of(options["dtype"].as<std::string>());
  const int shards = ranged(options, "shards", 1, 10'000), tokens = ranged(options, "tokens", 0, 1 << 20);
  const uint64_t number = seed(options).value_or(1);
  llama::write_model(llama::synthesize(config, number, options["outliers"].as<double>()), folder, dtype, shards);
  fmt::print("{}: a {} model of {} layers, its weights rounded to {}\n", folder.string(), family_name(config.family),
             config.layers, options["dtype"].as<std::string>());
  if (tokens == 0) return 0;
  // Recorded from the files: the weights that a quantizer will see.
  const llama::Model model = llama::read_model(folder);
  std::vector<llama::LayerActivations> recorded;
  llama::forward(model, llama::draw_tokens(config.vocab, tokens, number + 1),
                 llama::repeat_positions(sequence_tokens, tokens), &recorded, job_count(options));
  llama::write_calibration(folder / "calibration.safetensors", recorded, DType::F32);
  fmt::print("{}: its activations on {} tokens\n", (folder / "calibration.safetensors").string(), tokens);
  return 0;
}

}  // namespace

const Command synthesize_command{"synthesize",
                                 "a small model of random weights with a trained one's outliers, to try quantize on",
                                 "DIR", declare, run};

}  // namespace qoq::cli
