#include <fmt/format.h>

#include "autotune/report/document.h"

namespace qoq::report {
namespace {

/// Markdown passes HTML through and reads these characters as markup.
std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '\n' || c == '\r') {
      out += ' ';
    } else {
      if (std::string_view("\\`*_|[]#").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

/// A code span that survives backticks inside and stays in one table cell.
std::string code(std::string_view text) {
  std::string inner, fence = "`";
  for (char c : text) {
    if (c == '|') inner += '\\';
    inner += c == '\n' ? ' ' : c;
  }
  while (inner.find(fence) != std::string::npos) fence += '`';
  std::string_view pad = inner.starts_with('`') || inner.ends_with('`') ? " " : "";
  return fmt::format("{0}{1}{2}{1}{0}", fence, pad, inner);
}

class Writer {
 public:
  void operator()(const Heading& heading) {
    out_ += fmt::format("{} {}{}\n\n", std::string(static_cast<size_t>(heading.level), '#'), escape(heading.text),
                        heading.badge.empty() ? "" : fmt::format(" ({})", escape(heading.badge)));
  }
  void operator()(const Paragraph& paragraph) { out_ += escape(paragraph.text) + "\n\n"; }
  void operator()(const Banner& banner) { out_ += fmt::format("> **{}**\n\n", escape(banner.text)); }
  void operator()(const Fields& fields) {
    for (const auto& [name, value] : fields.rows) out_ += fmt::format("- {}: {}\n", escape(name), escape(value));
    out_ += "\n";
  }
  void operator()(const Listing& listing) {
    std::string fence = "```";
    while (listing.text.find(fence) != std::string::npos) fence += '`';
    out_ += fmt::format("{}:\n\n{}\n{}{}{}\n\n", escape(listing.title), fence, listing.text,
                        listing.text.ends_with('\n') ? "" : "\n", fence);
  }
  void operator()(const Figure& figure) {
    out_ += fmt::format("![{}](figures/{}.svg)\n\n*{}.* {}\n\n", escape(figure.alt), figure.id, escape(figure.title),
                        escape(figure.caption));
  }
  void operator()(const Fold& fold) {
    // Those who render Markdown know these elements; a blank line lets Markdown go on inside.
    out_ += fmt::format("<details><summary>{}{}</summary>\n\n", escape(fold.title),
                        fold.note.empty() ? "" : fmt::format(" ({})", escape(fold.note)));
    for (const Block& block : fold.blocks) std::visit(*this, block);
    out_ += "</details>\n\n";
  }
  void operator()(const Table& table) {
    if (!table.title.empty()) out_ += fmt::format("**{}**\n\n", escape(table.title));
    std::string rule = "|";
    out_ += "|";
    for (const Column& column : table.columns) {
      out_ += fmt::format(" {} |", escape(column.name));
      rule += column.number ? "---:|" : "---|";
    }
    out_ += "\n" + rule + "\n";
    for (const auto& row : table.rows) {
      out_ += "|";
      for (const Cell& cell : row) add_cell(cell);
      out_ += "\n";
    }
    out_ += "\n";
  }

  std::string text() && { return std::move(out_); }
  void title(const Document& document) {
    out_ += fmt::format("# {}\n\n{}\n\n", escape(document.title), escape(document.subtitle));
  }

 private:
  void add_cell(const Cell& cell) {
    out_ += fmt::format(" {}{} |", cell.style == Cell::Style::Code ? code(cell.text) : escape(cell.text),
                        cell.note.empty() ? "" : fmt::format(" ({})", escape(cell.note)));
  }
  std::string out_;
};

}  // namespace

std::string to_markdown(const Document& document) {
  Writer writer;
  writer.title(document);
  for (const Block& block : document.blocks) std::visit(writer, block);
  return std::move(writer).text();
}

}  // namespace qoq::report
