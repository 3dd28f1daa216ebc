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

/// Pieces of every length, among them those at which XXH3 changes its ways.
TEST(Digest, PiecesMakeTheWhole) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>(i * 7);
  for (const size_t piece : {1, 3, 64, 240, 256, 1024, 2999}) {
    RunningDigest running;
    for (size_t at = 0; at < text.size(); at += piece) running.add(std::string_view(text).substr(at, piece));
    EXPECT_EQ(running.text(), digest(text)) << piece;
  }
  EXPECT_EQ(RunningDigest().text(), digest(""));
}

}  // namespace
}  // namespace qoq
