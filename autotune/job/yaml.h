#pragma once
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/error.h"

namespace qoq::job {

/// A value in a YAML file that knows its place and its name, so that every reading of it either succeeds or throws
/// Fault::Input as "file:line:column: name: expected …, found …".
class Yaml {
 public:
  /// Parses one document. `file` is what messages call it.
  static Yaml parse(const std::string& file, const std::string& text);

  const Location& at() const { return at_; }
  bool is_text() const { return node_.IsScalar(); }
  bool is_list() const { return node_.IsSequence(); }
  bool is_mapping() const { return node_.IsMap(); }

  /// Not empty.
  std::string text() const;
  /// A whole number in [low, high].
  int64_t integer(int64_t low, int64_t high) const;
  /// A number in (0, high].
  double positive(double high) const;
  bool boolean() const;
  /// One of `known`.
  std::string one_of(std::span<const std::string> known) const;
  /// At least one element.
  std::vector<Yaml> list() const;
  /// Key and value of every entry, at least one; a key that comes twice is a fault.
  std::vector<std::pair<Yaml, Yaml>> entries() const;

  /// The value written out again, without comments.
  std::string dump() const { return YAML::Dump(node_); }

  /// Throws: this value is not what it should be.
  template <class... T>
  [[noreturn]] void fault(fmt::format_string<T...> format, T&&... values) const {
    const std::string sentence = fmt::format(format, std::forward<T>(values)...);
    bad_input_at(at_, "{}{}", name_.empty() ? "" : name_ + ": ", sentence);
  }
  /// Throws: `what` was expected here.
  [[noreturn]] void expected(std::string_view what) const;

 private:
  Yaml(std::string file, std::string name, const YAML::Node& node, const YAML::Mark& mark);
  Yaml child(const YAML::Node& node, const std::string& name) const { return {at_.file, name, node, node.Mark()}; }

  std::string name_;
  YAML::Node node_;
  Location at_;
};

/// A mapping with a fixed set of keys; any other key is a fault that names the nearest known one.
class Record {
 public:
  Record(const Yaml& value, std::span<const std::string> known);
  std::optional<Yaml> find(std::string_view key) const;
  /// Throws Fault::Input when the key is missing.
  Yaml require(std::string_view key) const;

 private:
  Yaml value_;
  std::vector<std::pair<std::string, Yaml>> entries_;
};

/// " (did you mean "tp"?)" when a known word is near, else " (known: a, b, c)".
std::string suggestion(std::string_view word, std::span<const std::string> known);

}  // namespace qoq::job
