#include "autotune/report/redact.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace qoq::report {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; }

/// Length of the UUID that begins here (8-4-4-4-12 hexadecimal digits), or 0.
size_t uuid_length(std::string_view text) {
  constexpr std::array<size_t, 5> kGroups = {8, 4, 4, 4, 12};
  size_t at = 0;
  for (size_t group : kGroups) {
    if (at > 0 && (at >= text.size() || text[at++] != '-')) return 0;
    for (size_t i = 0; i < group; ++i, ++at) {
      if (at >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[at]))) return 0;
    }
  }
  return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) ? 0 : at;
}

/// Length of the path that begins here, or 0. `before` is the character before it. A quoted path may hold spaces.
size_t path_length(std::string_view text, char before) {
  if (is_word(before) || before == '.' || before == '/' || before == ')' || before == '<') return 0;
  size_t root = text.starts_with("~/") ? 2 : text.starts_with("../") ? 3 : text.starts_with("/") ? 1 : 0;
  if (root == 0 || root >= text.size()) return 0;
  if (std::isspace(static_cast<unsigned char>(text[root])) || text[root] == '>') return 0;
  bool quoted = before == '\'' || before == '"' || before == '`';
  size_t end = quoted ? text.find(before) : text.find_first_of(" \t\r\n'\"`,;:()<>|");
  return std::min(end, text.size());
}

}  // namespace

Redactor::Redactor(std::vector<Secret> secrets) : secrets_(std::move(secrets)) {
  std::erase_if(secrets_, [](const Secret& secret) { return secret.text.empty(); });
  // Longest first: "node7.cluster" before "node7".
  std::stable_sort(secrets_.begin(), secrets_.end(),
                   [](const Secret& a, const Secret& b) { return a.text.size() > b.text.size(); });
}

std::string Redactor::apply(std::string_view text) const {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    char before = i > 0 ? text[i - 1] : ' ';
    std::string_view rest = text.substr(i);
    auto secret = std::find_if(secrets_.begin(), secrets_.end(), [&](const Secret& s) {
      return !is_word(before) && rest.starts_with(s.text) &&
             (rest.size() == s.text.size() || !is_word(rest[s.text.size()]));
    });
    if (secret != secrets_.end()) {
      out += secret->placeholder;
      i += secret->text.size();
    } else if (size_t length = std::isalnum(static_cast<unsigned char>(before)) ? 0 : uuid_length(rest); length > 0) {
      out += "[uuid]";
      i += length;
    } else if (size_t path = path_length(rest, before); path > 0) {
      out += "[path]";
      i += path;
    } else {
      out += text[i++];
    }
  }
  return out;
}

namespace {

void redact_json(const Redactor& redactor, nlohmann::json& value) {
  if (value.is_string()) {
    value = redactor.apply(value.get_ref<const std::string&>());
  } else if (value.is_structured()) {
    for (auto& item : value) redact_json(redactor, item);
  }
}

/// Applies `redactor` to the strings of any block.
struct Visitor {
  const Redactor& redactor;

  void text(std::string& value) const { value = redactor.apply(value); }
  void operator()(Heading& heading) const { text(heading.text); }
  void operator()(Paragraph& paragraph) const { text(paragraph.text); }
  void operator()(Banner& banner) const { text(banner.text); }
  void operator()(Fields& fields) const {
    for (auto& [name, value] : fields.rows) {
      text(name);
      text(value);
    }
  }
  void operator()(Listing& listing) const {
    text(listing.title);
    text(listing.text);
  }
  void operator()(Figure& figure) const {
    for (std::string* value : {&figure.title, &figure.alt, &figure.caption}) text(*value);
    redact_json(redactor, figure.plot);
  }
  void operator()(Fold& fold) const {
    text(fold.title);
    text(fold.note);
    for (Block& block : fold.blocks) std::visit(*this, block);
  }
  void operator()(Table& table) const {
    text(table.title);
    for (auto& row : table.rows) {
      for (Cell& cell : row) {
        for (std::string* value : {&cell.text, &cell.note, &cell.hover}) text(*value);
      }
    }
  }
};

}  // namespace

void Redactor::apply(Document& document) const {
  document.title = apply(document.title);
  document.subtitle = apply(document.subtitle);
  for (Block& block : document.blocks) std::visit(Visitor{*this}, block);
}

std::vector<Redactor::Secret> host_names() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  std::string whole = name.data();
  return {{whole, "[host]"}, {whole.substr(0, whole.find('.')), "[host]"}};
}

}  // namespace qoq::report
