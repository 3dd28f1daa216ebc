#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::report {

/// An element's start, or text between elements (name empty). Entities are decoded.
struct HtmlPiece {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;
};

/// Just enough of an HTML reader to hold our own pages to account: throws std::runtime_error when an element is closed
/// that is not the last one opened, when one stays open, or when a tag or an entity is malformed. The text of script
/// and style elements is taken verbatim up to their end tag, as browsers do.
std::vector<HtmlPiece> read_html(std::string_view page);

/// The rows of every table body: each a list of cells' texts, without their second lines (small).
std::vector<std::vector<std::string>> table_rows(const std::vector<HtmlPiece>& pieces);

/// What the page's script draws, by figure; null when there is nothing.
nlohmann::json figures(const std::vector<HtmlPiece>& pieces);

}  // namespace qoq::report
