#include <fmt/format.h>

#include <cctype>
#include <map>

#include "autotune/report/document.h"
#include "kernels/base/embedded.h"
#include "kernels/base/error.h"

namespace qoq::embedded {
extern const std::span<const File> report_files;
}

namespace qoq::report {
namespace {

using nlohmann::json;

std::string_view embedded_file(std::string_view name) {
  for (const embedded::File& file : embedded::report_files) {
    if (file.path.substr(file.path.rfind('/') + 1) == name) return file.text;
  }
  fail("the program was built without its report file {}", name);
}

constexpr std::string_view entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
      return control ? "\ufffd" : "";
  }
}

/// Text for element content and quoted attributes. Control characters, which HTML forbids, become U+FFFD.
std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (char c : text) {
    const std::string_view replacement = entity(c);
    if (replacement.empty()) {
      out += c;
    } else {
      out += replacement;
    }
  }
  return out;
}

/// JSON inside a script element: no "<" can end the element or begin a comment. Bytes that are no UTF-8 become U+FFFD.
std::string script_json(const json& value) {
  std::string out;
  for (char c : value.dump(-1, ' ', false, json::error_handler_t::replace)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

/// A long id may break after its dots.
std::string code(std::string_view text) {
  std::string out = "<code>";
  for (char c : escape(text)) {
    out += c;
    if (c == '.') out += "<wbr>";
  }
  return out + "</code>";
}

/// Other text may name a variant, which is as long: it too may break after dots, not inside of numbers.
std::string breakable(std::string_view text) {
  std::string out;
  const std::string escaped = escape(text);
  for (size_t i = 0; i < escaped.size(); ++i) {
    out += escaped[i];
    if (escaped[i] == '.' && i + 1 < escaped.size() && std::isalpha(static_cast<unsigned char>(escaped[i + 1])) != 0)
      out += "<wbr>";
  }
  return out;
}
std::string note(std::string_view text) { return fmt::format("<small>{}</small>", breakable(text)); }

/// "measured and predicted" is as doubtful as "predicted"; the style sheet knows these classes.
std::string_view badge_class(std::string_view text) {
  if (text == "measured" || text == "ok" || text == "agrees") return "good";
  if (text.find("predicted") != std::string_view::npos || text == "no times" || text == "differs") return "warn";
  return "plain";
}
std::string badge(std::string_view text) {
  return fmt::format("<span class=\"badge {}\">{}</span>", badge_class(text), escape(text));
}

class Writer {
 public:
  void operator()(const Heading& heading) {
    if (heading.level == 2 && !heading.id.empty()) navigation_.emplace_back(heading.id, heading.text);
    body_ += fmt::format("<h{0}{1}>{2}{3}</h{0}>\n", heading.level,
                         heading.id.empty() ? "" : fmt::format(" id=\"{}\"", escape(heading.id)), escape(heading.text),
                         heading.badge.empty() ? "" : fmt::format(" {}", badge(heading.badge)));
  }
  void operator()(const Paragraph& paragraph) { body_ += fmt::format("<p>{}</p>\n", escape(paragraph.text)); }
  void operator()(const Banner& banner) {
    body_ += fmt::format("<p class=\"banner\" role=\"note\">{}</p>\n", escape(banner.text));
  }
  void operator()(const Fields& fields) {
    body_ += "<dl>\n";
    for (const auto& [name, value] : fields.rows) {
      body_ += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), breakable(value));
    }
    body_ += "</dl>\n";
  }
  void operator()(const Listing& listing) {
    body_ += fmt::format("<details><summary>{}</summary><pre>{}</pre></details>\n", escape(listing.title),
                         escape(listing.text));
  }
  void operator()(const Figure& figure) {
    figures_[figure.id] = figure.plot;
    body_ += fmt::format(
        "<figure><h4>{1}</h4><div class=\"plot\"><canvas id=\"{0}\" role=\"img\" aria-label=\"{2}\"></canvas></div>"
        "<figcaption>{3}</figcaption></figure>\n",
        escape(figure.id), escape(figure.title), escape(figure.alt), escape(figure.caption));
  }
  void operator()(const Fold& fold) {
    body_ += fmt::format("<details class=\"fold\"{}><summary>{}{}</summary>\n",
                         fold.id.empty() ? "" : fmt::format(" id=\"{}\"", escape(fold.id)), code(fold.title),
                         fold.note.empty() ? "" : fmt::format(" <span>{}</span>", escape(fold.note)));
    for (const Block& block : fold.blocks) std::visit(*this, block);
    body_ += "</details>\n";
  }
  void operator()(const Table& table) {
    body_ += fmt::format("<div class=\"table\"{}>\n<table>\n", table.searchable ? " data-searchable" : "");
    if (!table.title.empty()) body_ += fmt::format("<caption>{}</caption>\n", escape(table.title));
    body_ += "<thead><tr>";
    for (const Column& column : table.columns) {
      body_ += fmt::format("<th scope=\"col\"{}{}>{}</th>", column.number ? " class=\"number\"" : "",
                           column.help.empty() ? "" : fmt::format(" title=\"{}\"", escape(column.help)),
                           escape(column.name));
    }
    body_ += "</tr></thead>\n<tbody>\n";
    for (const auto& row : table.rows) {
      body_ += "<tr>";
      for (size_t i = 0; i < row.size(); ++i) add_cell(table.columns.at(i), row[i]);
      body_ += "</tr>\n";
    }
    body_ += "</tbody>\n</table>\n</div>\n";
  }

  std::string body() && { return std::move(body_); }
  std::string navigation() const {
    std::string out;
    for (const auto& [id, text] : navigation_) out += fmt::format("<a href=\"#{}\">{}</a>\n", escape(id), escape(text));
    return out;
  }
  const json& figures() const { return figures_; }

 private:
  void add_cell(const Column& column, const Cell& cell) {
    std::string attributes = fmt::format(" data-label=\"{}\"", escape(column.name));
    if (column.number) attributes += " class=\"number\"";
    if (cell.number) attributes += fmt::format(" data-value=\"{}\"", *cell.number);
    if (!cell.hover.empty()) attributes += fmt::format(" title=\"{}\"", escape(cell.hover));
    std::string text = cell.style == Cell::Style::Code    ? code(cell.text)
                       : cell.style == Cell::Style::Badge ? badge(cell.text)
                                                          : escape(cell.text);
    if (!cell.link.empty()) text = fmt::format("<a href=\"#{}\">{}</a>", escape(cell.link), text);
    if (cell.share) {
      text = fmt::format("<span class=\"share\" style=\"--part:{:.1f}%\">{}</span>", *cell.share * 100, text);
    }
    if (!cell.note.empty()) text += note(cell.note);
    body_ += fmt::format("<td{}><div>{}</div></td>", attributes, text);
  }

  std::string body_;
  std::vector<std::pair<std::string, std::string>> navigation_;
  json figures_ = json::object();
};

/// Fills "{{name}}" in one pass: what is filled in is never searched again.
std::string fill(std::string_view page, const std::map<std::string_view, std::string_view>& values) {
  std::string out;
  for (size_t at = 0;;) {
    size_t begin = page.find("{{", at);
    if (begin == std::string_view::npos) return out.append(page.substr(at));
    size_t end = page.find("}}", begin);
    out.append(page.substr(at, begin - at)).append(values.at(page.substr(begin + 2, end - begin - 2)));
    at = end + 2;
  }
}

/// Chart.js names its home page in two comments; without them no address is left in the file at all.
std::string without_addresses(std::string_view script) {
  std::string out(script);
  for (size_t at; (at = out.find("https://")) != std::string::npos;) out.erase(at, 8);
  return out;
}

}  // namespace

std::string to_html(const Document& document) {
  Writer writer;
  for (const Block& block : document.blocks) std::visit(writer, block);
  std::string title = escape(document.title), subtitle = escape(document.subtitle), navigation = writer.navigation();
  std::string figures = script_json(writer.figures()), chart = without_addresses(embedded_file("chart.min.js"));
  std::string body = std::move(writer).body();
  return fill(embedded_file("report.html"), {{"title", title},
                                             {"subtitle", subtitle},
                                             {"navigation", navigation},
                                             {"body", body},
                                             {"figures", figures},
                                             {"css", embedded_file("report.css")},
                                             {"chart", chart},
                                             {"figures_js", embedded_file("figures.js")},
                                             {"js", embedded_file("report.js")}});
}

}  // namespace qoq::report
