#include "autotune/job/yaml.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>
#include <system_error>

namespace qoq::job {
namespace {

/// Insertions, deletions and replacements that turn one word into the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string suggestion(std::string_view word, std::span<const std::string> known) {
  if (known.empty()) return "";
  const auto nearest = std::ranges::min_element(known, {}, [&](const std::string& k) { return distance(word, k); });
  if (distance(word, *nearest) <= word.size() / 3) return fmt::format(" (did you mean \"{}\"?)", *nearest);
  return fmt::format(" (known: {})", fmt::join(known, ", "));
}

Yaml::Yaml(std::string file, std::string name, const YAML::Node& node, const YAML::Mark& mark)
    : name_(std::move(name)),
      node_(node),
      at_{std::move(file), mark.is_null() ? 0 : mark.line + 1, mark.is_null() ? 0 : mark.column + 1} {}

Yaml Yaml::parse(const std::string& file, const std::string& text) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.empty()) bad_input_at({file, 1, 1}, "the file is empty, expected a mapping");
    if (documents.size() > 1) {
      const YAML::Mark mark = documents[1].Mark();
      bad_input_at({file, mark.line + 1, mark.column + 1}, "a second YAML document begins here, expected one a file");
    }
    return Yaml(file, "", documents[0], documents[0].Mark());
  } catch (const YAML::Exception& error) {
    bad_input_at({file, error.mark.line + 1, error.mark.column + 1}, "not YAML: {}", error.msg);
  }
}

void Yaml::expected(std::string_view what) const {
  if (node_.IsMap()) fault("expected {}, found a mapping", what);
  if (node_.IsSequence()) fault("expected {}, found a list", what);
  if (!node_.IsScalar() || node_.Scalar().empty()) fault("expected {}, found nothing", what);
  fault("expected {}, found \"{}\"", what, node_.Scalar());
}

std::string Yaml::text() const {
  if (!node_.IsScalar() || node_.Scalar().empty()) expected("a text");
  return node_.Scalar();
}

int64_t Yaml::integer(int64_t low, int64_t high) const {
  const std::optional<int64_t> value = node_.IsScalar() ? parse_number<int64_t>(node_.Scalar()) : std::nullopt;
  if (!value || *value < low || *value > high) expected(fmt::format("a whole number from {} to {}", low, high));
  return *value;
}

double Yaml::positive(double high) const {
  const std::optional<double> value = node_.IsScalar() ? parse_number<double>(node_.Scalar()) : std::nullopt;
  if (!value || !(*value > 0) || *value > high) expected(fmt::format("a number above 0, at most {}", high));
  return *value;
}

bool Yaml::boolean() const {
  if (node_.IsScalar() && node_.Scalar() == "true") return true;
  if (node_.IsScalar() && node_.Scalar() == "false") return false;
  expected("true or false");
}

std::string Yaml::one_of(std::span<const std::string> known) const {
  const std::string word = text();
  if (std::ranges::find(known, word) != known.end()) return word;
  fault("\"{}\" is not known{}", word, suggestion(word, known));
}

std::vector<Yaml> Yaml::list() const {
  if (!node_.IsSequence()) expected("a list");
  if (node_.size() == 0) fault("the list is empty, expected at least one element");
  std::vector<Yaml> result;
  for (const YAML::Node& element : node_) result.push_back(child(element, name_));
  return result;
}

std::vector<std::pair<Yaml, Yaml>> Yaml::entries() const {
  if (!node_.IsMap()) expected("a mapping");
  if (node_.size() == 0) fault("the mapping is empty, expected at least one entry");
  std::vector<std::pair<Yaml, Yaml>> result;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    const Yaml key = child(entry.first, name_);
    const std::string word = key.text();
    if (!seen.insert(word).second) key.fault("the key \"{}\" comes twice", word);
    const YAML::Mark mark = entry.second.IsNull() ? entry.first.Mark() : entry.second.Mark();  // a null has no place
    result.emplace_back(key, Yaml(at_.file, name_.empty() ? word : name_ + "." + word, entry.second, mark));
  }
  return result;
}

Record::Record(const Yaml& value, std::span<const std::string> known) : value_(value) {
  for (auto& [key, entry] : value.entries()) {
    const std::string word = key.text();
    if (std::ranges::find(known, word) == known.end()) {
      key.fault("unknown key \"{}\"{}", word, suggestion(word, known));
    }
    entries_.emplace_back(word, entry);
  }
}

std::optional<Yaml> Record::find(std::string_view key) const {
  const auto found = std::ranges::find(entries_, key, [](const auto& entry) { return std::string_view(entry.first); });
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

Yaml Record::require(std::string_view key) const {
  if (auto value = find(key)) return *value;
  value_.fault("the key \"{}\" is missing", key);
}

}  // namespace qoq::job
