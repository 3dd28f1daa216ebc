#pragma once
#include <string>
#include <string_view>

namespace qoq::interchange {

/// A table in CSV (RFC 4180, but lines end in "\n"), field by field.
class CsvTable {
 public:
  CsvTable() = default;
  /// Begins with a header: a whole line.
  explicit CsvTable(std::string_view header) : text_(header) {}
  /// One more field of the row, quoted where it has to be.
  void add(std::string_view text);
  void end_row();
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool row_begun_ = false;
};

}  // namespace qoq::interchange
