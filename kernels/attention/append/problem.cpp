#include "kernels/attention/append/problem.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include "kernels/attention/problem.h"
#include "kernels/base/error.h"

namespace qoq::attention {

namespace {

constexpr int largest_batch = 4096, largest_heads = 1024, largest_length = 131072;

int in_range(const Problem& problem, std::string_view field, int largest) {
  const int64_t value = problem.size(field);
  if (value < 1 || value > largest)
    bad_input("\"{}\": {}={} is out of range, 1 to {}", problem.text(), field, value, largest);
  return static_cast<int>(value);
}

template <size_t Count>
int one_of(const Problem& problem, std::string_view field, const std::array<int, Count>& known) {
  const int64_t value = problem.size(field);
  const auto found = std::ranges::find(known, value);
  if (found == known.end())
    bad_input("\"{}\": {}={} is not one of {}", problem.text(), field, value, fmt::join(known, ", "));
  return *found;
}

void check_names(const Problem& problem, bool appends) {
  using Names = std::vector<std::string_view>;
  const Names known = appends ? Names{"batch", "heads", "dh", "ctx", "tokens", "rope", "page", "in"}
                              : Names{"batch", "heads", "dh", "ctx", "page", "out"};
  for (const auto& [field, value] : problem.fields) {
    if (std::ranges::find(known, field) == known.end()) {
      bad_input("\"{}\": {} has no field \"{}\"; it has {}", problem.text(), problem.op, field, fmt::join(known, ", "));
    }
  }
}

/// One length for all, or one a sequence.
std::vector<int> parse_lengths(const Problem& problem, int batch) {
  std::string_view rest = problem.field("ctx");
  if (rest.empty()) bad_input("\"{}\" lacks ctx=", problem.text());
  std::vector<int> lengths;
  for (bool more = true; more;) {
    const size_t comma = rest.find(',');
    const std::string_view text = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    rest.remove_prefix(more ? comma + 1 : rest.size());
    int length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc{} || end != text.data() + text.size())
      bad_input("\"{}\": ctx: \"{}\" is not a whole number", problem.text(), text);
    if (length < 1 || length > largest_length)
      bad_input("\"{}\": ctx: {} is out of range, 1 to {}", problem.text(), length, largest_length);
    lengths.push_back(length);
  }
  if (lengths.size() == 1) lengths.resize(static_cast<size_t>(batch), lengths.front());
  if (lengths.size() != static_cast<size_t>(batch))
    bad_input("\"{}\": ctx lists {} lengths for batch={}", problem.text(), lengths.size(), batch);
  return lengths;
}

Element parse_element(const Problem& problem, std::string_view field) {
  const std::string_view text = problem.field(field);
  for (const Element element : {Element::F16, Element::BF16}) {
    if (text.empty() || text == name(element)) return element;
  }
  bad_input("\"{}\": {}={} is unknown; fp16 or bf16", problem.text(), field, text);
}

Scheme parse_scheme(const Problem& problem) {
  for (const Scheme scheme : {Scheme::Kv4, Scheme::Kv8, Scheme::Kv16}) {
    if (name(scheme) == problem.scheme) return scheme;
  }
  bad_input("\"{}\": unknown scheme \"{}\"; a cache is kv4, kv8 or kv16", problem.text(), problem.scheme);
}

}  // namespace

int CacheProblem::longest() const { return *std::ranges::max_element(lengths); }

int64_t CacheProblem::total_tokens() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }

CacheProblem CacheProblem::parse(const Problem& problem) {
  CacheProblem p;
  if (problem.op != "append" && problem.op != "gather")
    bad_input("\"{}\" is neither an append nor a gather", problem.text());
  p.op = problem.op == "append" ? Op::Append : Op::Gather;
  check_names(problem, p.appends());
  p.scheme = parse_scheme(problem);
  p.batch = in_range(problem, "batch", largest_batch);
  p.kv_heads = in_range(problem, "heads", largest_heads);
  p.head_dim = one_of(problem, "dh", std::array{64, 128, 256});
  p.lengths = parse_lengths(problem, p.batch);
  p.element = parse_element(problem, p.appends() ? "in" : "out");
  if (!problem.field("page").empty()) p.page = one_of(problem, "page", std::array{16, 32, 64, 128});
  if (!problem.field("tokens").empty()) p.tokens = in_range(problem, "tokens", largest_length);
  if (const int shortest = *std::ranges::min_element(p.lengths); p.appends() && shortest < p.tokens) {
    bad_input("\"{}\": ctx: {} is less than tokens={}, the new ones that it includes", problem.text(), shortest,
              p.tokens);
  }
  if (const std::string_view rope = problem.field("rope"); !rope.empty()) {
    if (rope != "0" && rope != "1") bad_input("\"{}\": rope={} is neither 0 nor 1", problem.text(), rope);
    p.rope = rope == "1";
  }
  return p;
}

Problem CacheProblem::problem() const {
  Problem problem{appends() ? "append" : "gather", std::string(name(scheme)), {}};
  const bool uniform = std::equal(lengths.begin() + 1, lengths.end(), lengths.begin());
  problem.fields = {{"batch", std::to_string(batch)},
                    {"heads", std::to_string(kv_heads)},
                    {"dh", std::to_string(head_dim)},
                    {"ctx", uniform ? std::to_string(lengths.front()) : fmt::format("{}", fmt::join(lengths, ","))}};
  if (tokens != 1) problem.fields.emplace_back("tokens", std::to_string(tokens));
  if (rope) problem.fields.emplace_back("rope", "1");
  if (page != 0) problem.fields.emplace_back("page", std::to_string(page));
  if (element != Element::F16) problem.fields.emplace_back(appends() ? "in" : "out", name(element));
  return problem;
}

}  // namespace qoq::attention
