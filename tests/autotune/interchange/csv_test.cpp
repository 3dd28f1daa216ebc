#include "autotune/interchange/csv.h"

#include <gtest/gtest.h>

namespace qoq::interchange {
namespace {

TEST(Csv, QuotesWhatNeedsIt) {
  CsvTable table;
  for (const char* field : {"plain", "a,b", "say \"no\"", "two\nlines", " spaces "}) table.add(field);
  table.end_row();
  EXPECT_EQ(table.text(), "plain,\"a,b\",\"say \"\"no\"\"\",\"two\nlines\", spaces \n");
}

TEST(Csv, EmptyFieldsCount) {
  CsvTable table;
  for (int row = 0; row < 2; ++row) {
    for (const char* field : {"", "", "x", ""}) table.add(field);
    table.end_row();
  }
  EXPECT_EQ(table.text(), ",,x,\n,,x,\n");
}

}  // namespace
}  // namespace qoq::interchange
