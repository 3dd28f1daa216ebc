#include "kernels/quantize/loose_linears.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "kernels/base/error.h"
#include "kernels/base/parallel.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/safetensors.h"
#include "kernels/quantize/scheme.h"
#include "kernels/transform/clip_row.h"
#include "kernels/transform/hadamard.h"

namespace qoq::quantize {

namespace {

constexpr std::string_view weight_suffix = ".weight", input_suffix = ".input";
constexpr int random_tokens = 64;
constexpr int most_choosing = 128;  // tokens that clipping judges by, as in a decoder's layer

enum class Step { Nothing, ClipWeights, ClipOutputs, Rotate };

struct Way {
  const char* scheme;
  const char* name;
  GroupRule rule;
  Step step;
};

constexpr Way ways[] = {
    {"w4a8-channel", "nearest", GroupRule::Nearest, Step::Nothing},
    {"w4a8-channel", "clip=weights", GroupRule::Nearest, Step::ClipWeights},
    {"w4a8-channel", "clip=outputs", GroupRule::Nearest, Step::ClipOutputs},
    {"w4a8-channel", "rotated", GroupRule::Nearest, Step::Rotate},
    {"w4a8-g128", "nearest", GroupRule::Nearest, Step::Nothing},
    {"w4a8-g128", "covering", GroupRule::Covering, Step::Nothing},
    {"w4a8-g128", "least-error", GroupRule::LeastError, Step::Nothing},
    {"w4a8-g128", "clip=weights", GroupRule::Nearest, Step::ClipWeights},
    {"w4a8-g128", "clip=outputs", GroupRule::Nearest, Step::ClipOutputs},
    {"w4a8-g128", "rotated", GroupRule::Nearest, Step::Rotate},
    {"w4a8-g64", "nearest", GroupRule::Nearest, Step::Nothing},
    {"w4a8-g32", "nearest", GroupRule::Nearest, Step::Nothing},
};

llama::Matrix matrix(const Tensor& tensor) {
  llama::Matrix out;
  out.rows = static_cast<int>(tensor.shape[0]);
  out.cols = static_cast<int>(tensor.shape[1]);
  out.values = read_floats(tensor);
  return out;
}

llama::Matrix rows_of(const llama::Matrix& x, int first, int count) {
  llama::Matrix out(count, x.cols);
  std::copy_n(x.row(first), out.values.size(), out.values.begin());
  return out;
}

/// Why some way cannot hold these weights.
std::optional<std::string> misfit(const Tensor& tensor) {
  if (tensor.shape[0] > 1 << 24 || tensor.shape[1] > 1 << 24) return tensor.name + ": too large";
  try {
    check_shape(scheme_named("w4a8-g128"), tensor.name, static_cast<int>(tensor.shape[0]),
                static_cast<int>(tensor.shape[1]));
    return std::nullopt;
  } catch (const Error& error) {
    return error.what();
  }
}

LooseLinear read_linear(const Safetensors& file, const Tensor& weight, const std::string& name) {
  LooseLinear out{name, matrix(weight), {}, {}};
  const Tensor* input = file.find(name + std::string(input_suffix));
  if (input == nullptr) {
    out.comparing = random_inputs(random_tokens, out.w.cols, 1);
    return out;
  }
  if (input->shape.size() != 2 || input->shape[0] < 2 || input->shape[0] > 1 << 24 ||
      input->shape[1] != weight.shape[1]) {
    bad_input("{}: tensor {} is no [tokens][{}] of two tokens or more", file.file(), input->name, out.w.cols);
  }
  const llama::Matrix all = matrix(*input);
  out.choosing = rows_of(all, 0, all.rows / 2);
  out.comparing = rows_of(all, all.rows / 2, all.rows - all.rows / 2);
  return out;
}

void clip(const transform::WeightFormat& format, const llama::Matrix& inputs, llama::Matrix& w, int threads) {
  const transform::TokenColumns tokens(inputs);
  const transform::RowCost cost(tokens);
  run_parallel(static_cast<size_t>(w.rows), threads, [&](size_t i) {
    float* row = w.row(static_cast<int>(i));
    const std::vector<float> clipped = clip_row({row, static_cast<size_t>(w.cols)}, format, cost);
    std::copy(clipped.begin(), clipped.end(), row);
  });
}

llama::Matrix rotated(const transform::Hadamard& hadamard, llama::Matrix x, int threads) {
  run_parallel(static_cast<size_t>(x.rows), threads, [&](size_t i) { hadamard.apply(x.row(static_cast<int>(i))); });
  return x;
}

/// What the way makes of one linear; nothing where it has no inputs to choose by, or no Hadamard matrix.
std::optional<LooseRow::Errors> try_way(const Way& way, const LooseLinear& linear, int threads) {
  const transform::WeightFormat format{scheme_named(way.scheme).group, way.rule};
  llama::Matrix w = linear.w, x = linear.comparing;
  if (way.step == Step::ClipOutputs && linear.choosing.rows == 0) return std::nullopt;
  if (way.step == Step::Rotate) {
    const auto hadamard = transform::Hadamard::of_size(w.cols);
    if (!hadamard) return std::nullopt;
    w = rotated(*hadamard, std::move(w), threads);
    x = rotated(*hadamard, std::move(x), threads);
  }
  llama::Matrix clipped = w;
  if (way.step == Step::ClipWeights) clip(format, {}, clipped, threads);
  if (way.step == Step::ClipOutputs) clip(format, sampled_rows(linear.choosing, most_choosing), clipped, threads);
  const LinearWeights weights = quantize_linear(format, linear.name, clipped, threads);
  // Outputs are those of the weights as they were; a rotation leaves them the same.
  return LooseRow::Errors{linear.name, linear.kind(), weight_errors(w.values, weights, threads),
                          output_errors(linear.comparing, linear.w.values, x, weights, threads)};
}

}  // namespace

std::string LooseLinear::kind() const {
  std::string out;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view part = std::string_view(name).substr(begin, end - begin);
    const bool number =
        !part.empty() && std::ranges::all_of(part, [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!number) out += fmt::format("{}{}", out.empty() ? "" : ".", part);
    begin = end + 1;
  }
  return out;
}

WeightErrors LooseRow::weights(const std::string& kind) const {
  WeightErrors sum;
  for (const Errors& errors : linears) {
    if (kind.empty() || errors.kind == kind) sum += errors.weights;
  }
  return sum;
}

OutputErrors LooseRow::outputs(const std::string& kind) const {
  OutputErrors sum;
  for (const Errors& errors : linears) {
    if (kind.empty() || errors.kind == kind) sum += errors.outputs;
  }
  return sum;
}

LooseReport quantize_loose_linears(const std::filesystem::path& path, int threads, Listener& listener,
                                   const std::stop_token& stop) {
  const Safetensors file = Safetensors::open(path);
  LooseReport report;
  std::vector<const Tensor*> weights;
  for (const std::string& name : file.names()) {
    const Tensor& tensor = file.tensor(name);
    if (!name.ends_with(weight_suffix) || tensor.shape.size() != 2) continue;
    if (const auto why = misfit(tensor)) {
      report.left_out.push_back(*why);
      continue;
    }
    weights.push_back(&tensor);
    report.parameters += tensor.shape[0] * tensor.shape[1];
  }
  if (weights.empty()) {
    bad_input("{}: has no matrix NAME.weight that a linear layer could be{}{}", file.file(),
              report.left_out.empty() ? "" : "; ", report.left_out.empty() ? "" : report.left_out.front());
  }
  for (const Way& way : ways) report.rows.push_back({way.scheme, way.name, {}});
  listener.begin(report.parameters);
  for (const Tensor* weight : weights) {
    const std::string name = weight->name.substr(0, weight->name.size() - weight_suffix.size());
    const LooseLinear linear = read_linear(file, *weight, name);
    if (std::ranges::find(report.kinds, linear.kind()) == report.kinds.end()) report.kinds.push_back(linear.kind());
    report.choosing = linear.choosing.rows;
    report.comparing = linear.comparing.rows;
    for (size_t i = 0; i < std::size(ways); ++i) {
      if (stop.stop_requested()) return report;
      listener.enter(name, fmt::format("{} {}", ways[i].scheme, ways[i].name));
      if (auto errors = try_way(ways[i], linear, threads)) report.rows[i].linears.push_back(std::move(*errors));
    }
    listener.finished(name, linear.w.values.size(), false);
  }
  std::erase_if(report.rows, [&](const LooseRow& row) { return row.linears.size() != weights.size(); });
  return report;
}

}  // namespace qoq::quantize
