#include "kernels/base/digest.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace qoq {
namespace {

TEST(Digest, IsXxh3) {
  // XXH3_128bits of nothing, as published with the library.
  EXPECT_EQ(digest(""), "99aa06d3014798d86001c324468d497f");
}

TEST(Digest, IsAFunctionOfTheBytes) {
  std::string text(1000, 'a');
  EXPECT_EQ(digest(text), digest(std::string(1000, 'a')));
  std::set<std::string> all{digest(text)};
  for (char& c : text) {
    c = 'b';
    const std::string found = digest(text);
    EXPECT_EQ(found.size(), 32u);
    EXPECT_EQ(found.find_first_not_of("0123456789abcdef"), std::string::npos);
    all.insert(found);
    c = 'a';
  }
  EXPECT_EQ(all.size(), 1001u);
  EXPECT_NE(digest(std::string_view("\0", 1)), digest(""));
}

}  // namespace
}  // namespace qoq
