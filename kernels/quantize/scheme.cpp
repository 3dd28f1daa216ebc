#include "kernels/quantize/scheme.h"

#include <algorithm>
#include <array>

#include "kernels/base/error.h"

namespace qoq::quantize {

namespace {

constexpr std::array table{Scheme{"w4a8-g128", 128}, Scheme{"w4a8-g64", 64}, Scheme{"w4a8-g32", 32},
                           Scheme{"w4a8-channel", 0}};
constexpr int block = 32;  // of packed weights, either way

struct NamedRule {
  std::string_view name;
  GroupRule rule;
};
constexpr std::array rules{NamedRule{"nearest", GroupRule::Nearest}, NamedRule{"covering", GroupRule::Covering},
                           NamedRule{"least-error", GroupRule::LeastError}};

}  // namespace

std::span<const Scheme> schemes() { return table; }

const Scheme& scheme_named(std::string_view name) {
  const auto* found = std::find_if(table.begin(), table.end(), [&](const Scheme& s) { return s.name == name; });
  if (found != table.end()) return *found;
  std::string known;
  for (const Scheme& scheme : table) known += (known.empty() ? "" : ", ") + std::string(scheme.name);
  bad_input("there is no scheme \"{}\"; there are: {}", name, known);
}

GroupRule rule_named(std::string_view name) {
  const auto* found = std::find_if(rules.begin(), rules.end(), [&](const NamedRule& r) { return r.name == name; });
  if (found == rules.end()) bad_input("there is no rule \"{}\"; there are: nearest, covering, least-error", name);
  return found->rule;
}

std::string_view rule_name(GroupRule rule) {
  return std::find_if(rules.begin(), rules.end(), [&](const NamedRule& r) { return r.rule == rule; })->name;
}

void check_shape(const Scheme& scheme, std::string_view linear, int n, int k) {
  const int step = scheme.group > 0 ? scheme.group : block;
  if (k % step != 0) {
    bad_input("{}: K={} is not a multiple of {}, which {} needs", linear, k,
              scheme.group > 0 ? fmt::format("the group of {}", step) : std::to_string(step), scheme.name);
  }
  if (n % block != 0) bad_input("{}: N={} is not a multiple of {}, which packed weights need", linear, n, block);
}

LinearWeights quantize_linear(const transform::WeightFormat& format, std::string_view linear, const llama::Matrix& w,
                              int threads) {
  try {
    LinearWeights out{w.rows, w.cols, {}};
    if (format.group > 0) {
      out.form = quantize_groups(w.values, w.rows, w.cols, format.group, format.rule, threads);
    } else {
      out.form = quantize_channels(w.values, w.rows, w.cols, format.rule == GroupRule::LeastError, threads);
    }
    return out;
  } catch (const Error& error) {
    throw Error(error.fault(), fmt::format("{}: {}", linear, error.what()));
  }
}

std::vector<float> dequantize(const LinearWeights& weights) {
  return std::visit([&](const auto& form) { return qoq::dequantize(form, weights.n, weights.k); }, weights.form);
}

}  // namespace qoq::quantize
