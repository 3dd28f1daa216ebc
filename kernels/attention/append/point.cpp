#include "kernels/attention/append/point.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "kernels/attention/problem.h"
#include "kernels/base/error.h"

namespace qoq::attention {

namespace {

const Parameter warps{"warps", "warps of a CTA", {1, 2, 4, 8}, {}};
const Parameter tokens{"tokens", "tokens of a sequence that a CTA gathers", {16, 32, 64, 128}, {}};
const Parameter layout{"layout", "how pages lie in memory", {0, 1}, {"qserve", "fragment"}};
const Parameter page{"page", "tokens a page", {16, 32, 64, 128}, {}};

std::string_view op_name(CacheProblem::Op op) { return op == CacheProblem::Op::Append ? "append" : "gather"; }

/// The letters before a numeric parameter's value in an id.
std::string_view letters(const Parameter& parameter) { return std::string_view(parameter.name).substr(0, 1); }

/// "w4" with "w": 4.
std::optional<int> number_after(std::string_view letters, std::string_view text) {
  if (!text.starts_with(letters)) return std::nullopt;
  text.remove_prefix(letters.size());
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Reads one part of an id as the parameter's value.
bool read_value(std::string_view text, const Parameter& parameter, Point& point) {
  if (parameter.labels.empty()) {
    const auto number = number_after(letters(parameter), text);
    if (number) point[parameter.name] = *number;
    return number.has_value();
  }
  const auto found = std::ranges::find(parameter.labels, text);
  if (found == parameter.labels.end()) return false;
  point[parameter.name] = parameter.values[static_cast<size_t>(found - parameter.labels.begin())];
  return true;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

const std::vector<Parameter>& cache_parameters(CacheProblem::Op op) {
  static const std::vector<Parameter> append{warps, layout, page}, gather{tokens, warps, layout, page};
  return op == CacheProblem::Op::Append ? append : gather;
}

int value_of(const Point& point, const char* name) {
  const auto found = point.find(name);
  if (found == point.end()) bad_input("the point lacks {}", name);
  return found->second;
}

std::optional<std::string> unknown_value(const Point& point, CacheProblem::Op op) {
  for (const Parameter& parameter : cache_parameters(op)) {
    const int value = value_of(point, parameter.name.c_str());
    if (std::ranges::find(parameter.values, value) != parameter.values.end()) continue;
    return fmt::format("{}={} is not one of {}", parameter.name, value, fmt::join(parameter.values, ", "));
  }
  if (const auto ablated = point.find("ablated"); ablated != point.end() && ablated->second != 0)
    return fmt::format("an {} has no ablation", op_name(op));
  return std::nullopt;
}

std::optional<std::string> wrong_page(const Point& point, const CacheProblem& problem) {
  const int size = value_of(point, "page");
  if (problem.page == 0 || problem.page == size) return std::nullopt;
  return fmt::format("the problem's pages hold {} tokens, the point's {}", problem.page, size);
}

PageForm page_form(const Point& point, const CacheProblem& problem) {
  return {problem.scheme, static_cast<Layout>(value_of(point, "layout")), problem.head_dim, value_of(point, "page")};
}

KvLayout kv_layout(const Point& point) {
  return static_cast<Layout>(value_of(point, "layout")) == Layout::QServe ? KvLayout::QServe : KvLayout::Fragment;
}

AppendConfig append_config(const Point& point, const CacheProblem& problem) {
  return {page_form(point, problem), problem.element, problem.rope, value_of(point, "warps")};
}

std::string page_layout(const Point& point) {
  return fmt::format("{}.p{}", layout.labels.at(static_cast<size_t>(value_of(point, "layout"))),
                     value_of(point, "page"));
}

std::string cache_variant_id(const Point& point, const CacheProblem& problem) {
  std::string id = fmt::format("{}.{}.dh{}", op_name(problem.op), name(problem.scheme), problem.head_dim);
  for (const Parameter& parameter : cache_parameters(problem.op)) {
    const int value = value_of(point, parameter.name.c_str());
    if (parameter.labels.empty()) {
      id += fmt::format(".{}{}", letters(parameter), value);
    } else {
      id += "." + parameter.labels.at(static_cast<size_t>(value));
    }
  }
  if (problem.rope) id += ".rope";
  if (problem.element != Element::F16) id += fmt::format(".{}", name(problem.element));
  return id;
}

std::optional<std::pair<Point, CacheProblem>> parse_cache_variant_id(std::string_view id, const CacheProblem& shape) {
  const auto parts = split(id);
  const std::vector<Parameter>& parameters = cache_parameters(shape.op);
  const size_t fixed = 3 + parameters.size();
  if (parts.size() < fixed || parts[0] != op_name(shape.op)) return std::nullopt;
  CacheProblem p = shape;
  p.rope = false;
  p.element = Element::F16;
  bool known = false;
  for (const Scheme scheme : {Scheme::Kv4, Scheme::Kv8, Scheme::Kv16}) {
    if (name(scheme) == parts[1]) p.scheme = scheme, known = true;
  }
  const auto head_dim = number_after("dh", parts[2]);
  if (!known || !head_dim || (*head_dim != 64 && *head_dim != 128 && *head_dim != 256)) return std::nullopt;
  p.head_dim = *head_dim;
  Point point;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!read_value(parts[3 + i], parameters[i], point)) return std::nullopt;
  }
  for (size_t i = fixed; i < parts.size(); ++i) {
    if (parts[i] == "rope" && p.appends())
      p.rope = true;
    else if (parts[i] == name(Element::BF16))
      p.element = Element::BF16;
    else
      return std::nullopt;
  }
  return std::pair{point, p};
}

std::string literal(const PageForm& form) {
  constexpr std::string_view schemes[] = {"Kv4", "Kv8", "Kv16"}, layouts[] = {"QServe", "Fragment"};
  return fmt::format("{{.scheme = Scheme::{}, .layout = Layout::{}, .head_dim = {}, .page = {}}}",
                     schemes[static_cast<int>(form.scheme)], layouts[static_cast<int>(form.layout)], form.head_dim,
                     form.page);
}

}  // namespace qoq::attention
