#include "autotune/serving/rows.h"

#include <algorithm>
#include <charconv>

#include "kernels/family.h"

namespace qoq::serving {

namespace {

/// Whether the problem has these fields and no others.
bool only(const Problem& problem, std::initializer_list<std::string_view> fields) {
  return problem.fields.size() == fields.size() &&
         std::ranges::all_of(fields, [&](std::string_view field) { return !problem.field(field).empty(); });
}

void add_attention(roofline::KernelTimes& times, const Problem& problem, double us, roofline::Basis basis) {
  const std::string heads(problem.field("heads")), context(problem.field("ctx"));
  const size_t slash = heads.find('/');
  if (slash == std::string::npos || context.find(',') != std::string::npos) return;  // ragged lists are their own work
  const int q_heads = std::stoi(heads.substr(0, slash)), kv_heads = std::stoi(heads.substr(slash + 1));
  const int64_t tokens = problem.size("ctx");
  const std::string key =
      roofline::KernelTimes::attention_key(problem.scheme, q_heads, kv_heads, static_cast<int>(problem.size("dh")));
  times.attentions[key][tokens].add(static_cast<double>(problem.size("batch") * tokens), us, basis);
}

}  // namespace

void add_time(roofline::KernelTimes& times, const std::string& text, double us, store::Source source) {
  const bool timed = source == store::Source::Measured || source == store::Source::Predicted;
  if (!timed || !(us > 0)) return;
  const auto basis = source == store::Source::Measured ? roofline::Basis::Measured : roofline::Basis::Predicted;
  const Problem problem = Problem::parse(text);
  if (problem.op == "gemm" && only(problem, {"m", "n", "k"})) {
    times.gemms[roofline::KernelTimes::gemm_key(problem.scheme, problem.size("n"), problem.size("k"))].add(
        static_cast<double>(problem.size("m")), us, basis);
  } else if (problem.op == "attention" && only(problem, {"batch", "heads", "dh", "ctx"})) {
    add_attention(times, problem, us, basis);
  }
}

std::optional<roofline::Gpu> sheet_of(const store::Environment& environment) {
  if (environment.target.starts_with("sim:")) {
    auto sheets = roofline::embedded_gpus();
    const auto found = sheets.find(environment.target.substr(4));
    return found == sheets.end() ? std::nullopt : std::optional(std::move(found->second));
  }
  return roofline::sheet_of(environment.product, environment.architecture);
}

roofline::ModelShape shape_of(const job::Model& model) {
  return {model.name,    model.hidden,   model.intermediate, model.layers,
          model.q_heads, model.kv_heads, model.head_dim,     model.vocab};
}

}  // namespace qoq::serving
