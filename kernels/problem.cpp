#include <algorithm>
#include <charconv>
#include <sstream>

#include "kernels/base/error.h"
#include "kernels/family.h"

namespace qoq {

std::string Problem::text() const {
  std::string text = op + " " + scheme;
  for (const auto& [name, value] : fields) text += " " + name + "=" + value;
  return text;
}

std::string_view Problem::field(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == name; });
  return found == fields.end() ? std::string_view{} : std::string_view{found->second};
}

int64_t Problem::size(std::string_view name) const {
  const std::string_view value = field(name);
  if (value.empty()) bad_input("\"{}\" lacks {}=", text(), name);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size()) {
    bad_input("\"{}\": {}={} is not a whole number", text(), name, value);
  }
  return number;
}

Problem Problem::with(std::string_view name, std::string value) const {
  Problem changed = *this;
  const auto found =
      std::find_if(changed.fields.begin(), changed.fields.end(), [&](const auto& f) { return f.first == name; });
  if (found == changed.fields.end()) {
    changed.fields.emplace_back(name, std::move(value));
  } else {
    found->second = std::move(value);
  }
  return changed;
}

Problem Problem::parse(std::string_view text) {
  std::istringstream words{std::string(text)};
  Problem problem;
  if (!(words >> problem.op >> problem.scheme)) {
    bad_input("\"{}\" is not a problem; write an operator, a scheme and sizes: \"gemm w4a8-g128 m=64 n=28672 k=4096\"",
              text);
  }
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == word.size()) {
      bad_input("\"{}\": \"{}\" is not of the form name=value", text, word);
    }
    std::string name = word.substr(0, equals);
    if (!problem.field(name).empty()) bad_input("\"{}\" gives {}= twice", text, name);
    problem.fields.emplace_back(std::move(name), word.substr(equals + 1));
  }
  return problem;
}

}  // namespace qoq
