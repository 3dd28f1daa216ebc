#include "autotune/interchange/csv.h"

namespace qoq::interchange {

void CsvTable::add(std::string_view text) {
  if (row_begun_) text_ += ',';
  row_begun_ = true;
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    text_ += text;
    return;
  }
  text_ += '"';
  for (const char c : text) {
    if (c == '"') text_ += '"';
    text_ += c;
  }
  text_ += '"';
}

void CsvTable::end_row() {
  text_ += '\n';
  row_begun_ = false;
}

}  // namespace qoq::interchange
