#include "html_reader.h"

#include <fmt/format.h>

#include <cctype>
#include <set>
#include <stdexcept>

namespace qoq::report {
namespace {

[[noreturn]] void complain(const std::string& what) { throw std::runtime_error(what); }

std::string decode(std::string_view text) {
  static const std::map<std::string, std::string> kEntities = {
      {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"#39", "'"}};
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<' || text[i] == '>') complain("a bare angle bracket in text");
    if (text[i] != '&') {
      out += text[i];
      continue;
    }
    size_t end = text.find(';', i);
    auto entity =
        end == std::string_view::npos ? kEntities.end() : kEntities.find(std::string(text.substr(i + 1, end - i - 1)));
    if (entity == kEntities.end()) complain("a bare ampersand");
    out += entity->second;
    i = end;
  }
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view page) : page_(page) {}

  std::vector<HtmlPiece> read() {
    while (at_ < page_.size()) {
      if (page_[at_] != '<') {
        size_t end = std::min(page_.find('<', at_), page_.size());
        add_text(decode(page_.substr(at_, end - at_)));
        at_ = end;
      } else {
        read_tag();
      }
    }
    if (!open_.empty()) complain("never closed: " + open_.back());
    return std::move(pieces_);
  }

 private:
  void add_text(std::string text) { pieces_.push_back({"", {}, std::move(text)}); }

  std::string read_name() {
    size_t begin = at_;
    while (at_ < page_.size() && (std::isalnum(static_cast<unsigned char>(page_[at_])) || page_[at_] == '-')) ++at_;
    if (begin == at_) complain(fmt::format("no name at: {}", page_.substr(begin, 40)));
    return std::string(page_.substr(begin, at_ - begin));
  }

  void read_tag() {
    if (page_.substr(at_).starts_with("<!DOCTYPE html>")) {
      at_ += 15;
      return;
    }
    ++at_;
    if (page_[at_] == '/') {
      ++at_;
      std::string name = read_name();
      if (open_.empty() || open_.back() != name) complain("closes what is not open: " + name);
      if (page_[at_++] != '>') complain("malformed end of " + name);
      open_.pop_back();
      pieces_.push_back({"/" + name, {}, ""});
      return;
    }
    HtmlPiece piece{read_name(), {}, ""};
    while (page_.at(at_) != '>') {
      while (std::isspace(static_cast<unsigned char>(page_.at(at_)))) ++at_;
      if (page_[at_] == '>') break;
      std::string name = read_name();
      std::string& value = piece.attributes[name];
      if (page_.at(at_) != '=') continue;
      if (page_.at(++at_) != '"') complain("an unquoted attribute: " + name);
      size_t end = page_.find('"', ++at_);
      value = decode(page_.substr(at_, end - at_));
      at_ = end + 1;
    }
    ++at_;
    std::string name = piece.name;
    pieces_.push_back(std::move(piece));
    if (std::set<std::string>{"meta", "wbr", "link", "img", "br", "input", "hr"}.contains(name)) return;
    open_.push_back(name);
    if (name != "script" && name != "style") return;
    size_t end = page_.find("</" + name, at_);
    if (end == std::string_view::npos) complain("never closed: " + name);
    add_text(std::string(page_.substr(at_, end - at_)));
    at_ = end;
  }

  std::string_view page_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  std::vector<HtmlPiece> pieces_;
};

}  // namespace

std::vector<HtmlPiece> read_html(std::string_view page) { return Reader(page).read(); }

std::vector<std::vector<std::string>> table_rows(const std::vector<HtmlPiece>& pieces) {
  std::vector<std::vector<std::string>> rows;
  bool body = false, cell = false, small = false;
  for (const HtmlPiece& piece : pieces) {
    if (piece.name == "tbody") body = true;
    if (piece.name == "/tbody") body = false;
    if (body && piece.name == "tr") rows.emplace_back();
    if (body && piece.name == "td") rows.back().emplace_back();
    if (piece.name == "td" || piece.name == "/td") cell = piece.name == "td";
    if (piece.name == "small" || piece.name == "/small") small = piece.name == "small";
    if (body && cell && !small && piece.name.empty()) rows.back().back() += piece.text;
  }
  return rows;
}

nlohmann::json figures(const std::vector<HtmlPiece>& pieces) {
  for (size_t i = 0; i + 1 < pieces.size(); ++i) {
    auto id = pieces[i].attributes.find("id");
    if (id != pieces[i].attributes.end() && id->second == "figures") return nlohmann::json::parse(pieces[i + 1].text);
  }
  return {};
}

}  // namespace qoq::report
