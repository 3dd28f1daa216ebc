#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace qoq::report {

/// What a report says, before it is HTML or Markdown. Sections append blocks; writers know nothing of kernels.
/// All text is plain: each writer escapes it.

struct Heading {
  int level = 2;
  std::string text = {};
  std::string id = {};     ///< anchor; empty: not linked to
  std::string badge = {};  ///< a word beside it: "predicted"
};

struct Paragraph {
  std::string text = {};
};

/// A sentence nobody may overlook.
struct Banner {
  std::string text = {};
};

struct Column {
  std::string name = {};
  bool number = false;    ///< right-aligned
  std::string help = {};  ///< what exactly it means
};

struct Cell {
  enum class Style { Plain, Code, Badge };
  std::string text = {};
  Style style = Style::Plain;
  std::string note = {};              ///< a second, quieter line
  std::string hover = {};             ///< more on demand; never the only place of a fact that matters
  std::optional<double> number = {};  ///< what it sorts by, where the text would mislead
  std::optional<double> share = {};   ///< 0…1, drawn as a bar behind the text
  std::string link = {};              ///< id of the heading or fold that the text leads to
};

struct Table {
  std::string title = {};
  std::vector<Column> columns = {};
  std::vector<std::vector<Cell>> rows = {};
  bool searchable = false;
};

/// Names and values: what something was made on.
struct Fields {
  std::vector<std::pair<std::string, std::string>> rows = {};
};

/// A plot. `plot` is what figures.js draws with Chart.js and svg.cpp for Markdown. An axis is {"label", "min", "max",
/// "scale": "log" | "linear"}; without "scale" it is logarithmic. Two kinds:
///   points (no "kind"): {"x": axis, "y": axis, "lines": [{"label", "kind", "lesser", "points": [[x, y], …]}],
///     "series": [{"label", "connected", "hollow", "points": [{"x", "y", "text": [line, …]}]}]}. Lines are ceilings,
///     drawn below the points and named along themselves; a lesser line is dotted. A series may have "plain": true
///     (a line without marks), "quiet": true (thin, grey, in no legend).
///   "kind": "bars": {"x": {"label", "categories": [text]}, "y": axis, linear unless it says otherwise, from 0 unless
///     it has "min", "series": [{"label", "hollow", "values": [number | null, …], "text": [[line, …], …]}]}: groups of
///     bars, one group a category; hollow ones are predicted.
struct Figure {
  std::string id = {};
  std::string title = {};
  std::string alt = {};  ///< what a reader who cannot see it must know
  std::string caption = {};
  nlohmann::json plot = {};
};

/// Verbatim text, folded away in HTML.
struct Listing {
  std::string title = {};
  std::string text = {};
};

struct Fold;
using Block = std::variant<Heading, Paragraph, Banner, Table, Fields, Figure, Listing, Fold>;

/// Blocks behind one line that opens them. A figure cannot stand inside: what is folded has no size to draw in.
struct Fold {
  std::string title;
  std::string id;    ///< anchor
  std::string note;  ///< beside the title, quieter
  std::vector<Block> blocks;

  template <class T>
  void add(T block) {
    blocks.emplace_back(std::move(block));
  }
};

struct Document {
  std::string title;
  std::string subtitle;
  std::vector<Block> blocks;

  template <class T>
  void add(T block) {
    blocks.emplace_back(std::move(block));
  }
};

std::string to_html(const Document& document);
/// Figures are pictures beside it: "figures/<id>.svg".
std::string to_markdown(const Document& document);
/// A figure as a picture of its own, on white.
std::string to_svg(const Figure& figure);

}  // namespace qoq::report
