#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/quantize/errors.h"
#include "kernels/quantize/quantizer.h"

namespace qoq::quantize {

/// One linear layer of a model of any architecture.
struct LooseLinear {
  std::string name;         ///< "layers.3.output.dense"
  llama::Matrix w;          ///< [N][K]
  llama::Matrix choosing;   ///< recorded inputs that ways may choose by; empty where none were recorded
  llama::Matrix comparing;  ///< other inputs, that outputs are compared on: recorded ones, else random ones

  /// The name without its numbers: "layers.output.dense". Linears of one kind share a row.
  std::string kind() const;
};

/// What one way of quantising makes of them.
struct LooseRow {
  std::string scheme;  ///< "w4a8-g128"
  std::string way;     ///< "nearest", "clip=outputs"
  struct Errors {
    std::string name, kind;
    WeightErrors weights;
    OutputErrors outputs;
  };
  std::vector<Errors> linears;

  /// Of one kind; of all with "".
  WeightErrors weights(const std::string& kind) const;
  OutputErrors outputs(const std::string& kind) const;
};

struct LooseReport {
  std::vector<std::string> kinds;     ///< in the order of names
  std::vector<std::string> left_out;  ///< a sentence for each matrix that the formats cannot hold
  uint64_t parameters = 0;
  int choosing = 0, comparing = 0;  ///< tokens of each linear's inputs; 0: random inputs, nothing to choose by
  std::vector<LooseRow> rows;
};

/// The linears of a safetensors file: every matrix NAME.weight [N][K] of F16, BF16 or F32 and, where there is one, its
/// inputs NAME.input [T][K], of which the first half is to choose by and the second half to compare on. Matrices that
/// do not fit every way are named and left out. Throws Fault::Input for a file without any linear, inputs of another
/// width or of fewer than two tokens, and values that are not finite.
LooseReport quantize_loose_linears(const std::filesystem::path& file, int threads, Listener& listener,
                                   const std::stop_token& stop = {});

/// Two Markdown tables, a line for each way.
std::string to_markdown(const LooseReport& report);
nlohmann::ordered_json to_json(const LooseReport& report);

}  // namespace qoq::quantize
