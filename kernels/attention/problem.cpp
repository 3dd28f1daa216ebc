#include "kernels/attention/problem.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include "kernels/base/error.h"

namespace qoq::attention {

namespace {

constexpr int largest_batch = 4096, largest_heads = 1024, largest_group = 16, largest_length = 131072;
constexpr int largest_q_len = 8, largest_cap = 10000;

constexpr std::array schemes{Scheme::Kv4, Scheme::Kv8, Scheme::Kv16};
constexpr std::array elements{Element::F16, Element::BF16};

/// A whole number, or nothing.
std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int in_range(const Problem& problem, std::string_view field, int least, int largest) {
  const int64_t value = problem.size(field);
  if (value < least || value > largest)
    bad_input("\"{}\": {}={} is out of range, {} to {}", problem.text(), field, value, least, largest);
  return static_cast<int>(value);
}

/// A field that may be absent; then `otherwise`.
int in_range_or(const Problem& problem, std::string_view field, int least, int largest, int otherwise) {
  return problem.field(field).empty() ? otherwise : in_range(problem, field, least, largest);
}

template <size_t Count>
int one_of(const Problem& problem, std::string_view field, const std::array<int, Count>& known) {
  const int64_t value = problem.size(field);
  const auto found = std::find(known.begin(), known.end(), value);
  if (found == known.end())
    bad_input("\"{}\": {}={} is not one of {}", problem.text(), field, value, fmt::join(known, ", "));
  return *found;
}

void check_names(const Problem& problem) {
  if (problem.op != "attention") bad_input("\"{}\" is not an attention", problem.text());
  constexpr std::array known{"batch", "heads", "dh", "ctx", "page", "q", "window", "scale", "cap", "out", "lse"};
  for (const auto& [field, value] : problem.fields) {
    if (std::find(known.begin(), known.end(), field) == known.end()) {
      bad_input("\"{}\": an attention has no field \"{}\"; it has {}", problem.text(), field, fmt::join(known, ", "));
    }
  }
}

Scheme parse_scheme(const Problem& problem) {
  const auto scheme = std::find_if(schemes.begin(), schemes.end(), [&](Scheme s) { return name(s) == problem.scheme; });
  if (scheme == schemes.end())
    bad_input("\"{}\": unknown scheme \"{}\"; an attention has kv4, kv8 and kv16", problem.text(), problem.scheme);
  return *scheme;
}

/// "32/8": query heads over KV heads.
void parse_heads(const Problem& problem, AttentionProblem& p) {
  const std::string_view heads = problem.field("heads");
  if (heads.empty()) bad_input("\"{}\" lacks heads=", problem.text());
  const size_t slash = heads.find('/');
  const auto q = number(heads.substr(0, slash));
  const auto kv = slash == std::string_view::npos ? std::nullopt : number(heads.substr(slash + 1));
  if (!q || !kv)
    bad_input("\"{}\": heads={} is not of the form query heads/KV heads: heads=32/8", problem.text(), heads);
  if (*q < 1 || *kv < 1 || *q > largest_heads || *kv > largest_heads)
    bad_input("\"{}\": heads={} is out of range, 1 to {} each", problem.text(), heads, largest_heads);
  if (*q % *kv != 0)
    bad_input("\"{}\": heads={}: the query heads are not a multiple of the KV heads", problem.text(), heads);
  if (*q / *kv > largest_group)
    bad_input("\"{}\": heads={}: {} query heads share a KV head, at most {} may", problem.text(), heads, *q / *kv,
              largest_group);
  p.q_heads = static_cast<int>(*q);
  p.kv_heads = static_cast<int>(*kv);
}

/// One length for all, or one a sequence: "1,63,64".
void parse_lengths(const Problem& problem, AttentionProblem& p) {
  std::string_view rest = problem.field("ctx");
  if (rest.empty()) bad_input("\"{}\" lacks ctx=", problem.text());
  for (bool more = true; more;) {
    const size_t comma = rest.find(',');
    const std::string_view text = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    rest.remove_prefix(more ? comma + 1 : rest.size());
    const auto length = number(text);
    if (!length) bad_input("\"{}\": ctx: \"{}\" is not a whole number", problem.text(), text);
    if (*length < 1 || *length > largest_length)
      bad_input("\"{}\": ctx: {} is out of range, 1 to {}", problem.text(), *length, largest_length);
    if (*length < p.q_len)
      bad_input("\"{}\": ctx: {} is less than q={}, the new tokens that it includes", problem.text(), *length, p.q_len);
    p.lengths.push_back(static_cast<int>(*length));
  }
  const size_t batch = static_cast<size_t>(p.batch);
  if (p.lengths.size() == 1) p.lengths.resize(batch, p.lengths.front());
  if (p.lengths.size() != batch)
    bad_input("\"{}\": ctx lists {} lengths for batch={}", problem.text(), p.lengths.size(), p.batch);
}

Element parse_element(const Problem& problem) {
  const std::string_view out = problem.field("out");
  if (out.empty()) return Element::F16;
  const auto element = std::find_if(elements.begin(), elements.end(), [&](Element e) { return name(e) == out; });
  if (element == elements.end()) bad_input("\"{}\": out={} is unknown; fp16 or bf16", problem.text(), out);
  return *element;
}

/// Of the softmax, in (0, 1000]; 0 where none is given.
double parse_scale(const Problem& problem) {
  const std::string_view text = problem.field("scale");
  if (text.empty()) return 0;
  double scale = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (error != std::errc{} || end != text.data() + text.size() || !(scale > 0 && scale <= 1000))
    bad_input("\"{}\": scale={} is no number in (0, 1000]", problem.text(), text);
  return scale;
}

bool parse_lse(const Problem& problem) {
  const std::string_view lse = problem.field("lse");
  if (!lse.empty() && lse != "0" && lse != "1") bad_input("\"{}\": lse={} is neither 0 nor 1", problem.text(), lse);
  return lse == "1";
}

}  // namespace

std::string_view name(Scheme scheme) {
  switch (scheme) {
    case Scheme::Kv4:
      return "kv4";
    case Scheme::Kv8:
      return "kv8";
    case Scheme::Kv16:
      return "kv16";
  }
  return "?";
}

std::string_view name(Element element) {
  switch (element) {
    case Element::F16:
      return "fp16";
    case Element::BF16:
      return "bf16";
  }
  return "?";
}

double AttentionProblem::softmax_scale() const {
  return scale > 0 ? scale : 1 / std::sqrt(static_cast<double>(head_dim));
}

int AttentionProblem::longest() const { return *std::max_element(lengths.begin(), lengths.end()); }

int64_t AttentionProblem::seen_tokens() const {
  return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}, [&](int64_t sum, int n) { return sum + seen(n); });
}

int64_t AttentionProblem::tokens() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }

AttentionProblem AttentionProblem::parse(const Problem& problem) {
  check_names(problem);
  AttentionProblem p;
  p.scheme = parse_scheme(problem);
  p.batch = in_range(problem, "batch", 1, largest_batch);
  parse_heads(problem, p);
  p.head_dim = one_of(problem, "dh", std::array{64, 128, 256});
  if (!problem.field("page").empty()) p.page = one_of(problem, "page", std::array{16, 32, 64, 128});
  p.q_len = in_range_or(problem, "q", 1, largest_q_len, 1);
  parse_lengths(problem, p);
  p.window = in_range_or(problem, "window", 0, largest_length, 0);
  p.scale = parse_scale(problem);
  p.cap = in_range_or(problem, "cap", 0, largest_cap, 0);
  p.element = parse_element(problem);
  p.lse = parse_lse(problem);
  return p;
}

Problem AttentionProblem::problem() const {
  Problem problem{"attention", std::string(name(scheme)), {}};
  const bool uniform = std::equal(lengths.begin() + 1, lengths.end(), lengths.begin());
  problem.fields = {{"batch", std::to_string(batch)},
                    {"heads", fmt::format("{}/{}", q_heads, kv_heads)},
                    {"dh", std::to_string(head_dim)},
                    {"ctx", uniform ? std::to_string(lengths.front()) : fmt::format("{}", fmt::join(lengths, ","))}};
  if (page != 0) problem.fields.emplace_back("page", std::to_string(page));
  if (q_len != 1) problem.fields.emplace_back("q", std::to_string(q_len));
  if (window != 0) problem.fields.emplace_back("window", std::to_string(window));
  if (scale > 0) problem.fields.emplace_back("scale", fmt::format("{}", scale));
  if (cap != 0) problem.fields.emplace_back("cap", std::to_string(cap));
  if (element != Element::F16) problem.fields.emplace_back("out", name(element));
  if (lse) problem.fields.emplace_back("lse", "1");
  return problem;
}

}  // namespace qoq::attention
