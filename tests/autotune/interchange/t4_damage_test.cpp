// Files with damaged bytes: an Error with a sentence, or a value, and nothing else. Meant for the sanitizers' build
// too.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "autotune/interchange/summary.h"
#include "autotune/interchange/t4.h"
#include "kernels/base/error.h"
#include "tests/autotune/interchange/gzip.h"

namespace qoq::interchange {
namespace {

std::string valid_file() {
  RecordedSpace space;
  space.name = space.kernel = "k\u00e9rnel";
  space.gpu = "gpu";
  space.time_unit = "microseconds";
  space.parameters = {{"x", {int64_t{1}, int64_t{2}}}, {"word", {std::string("a"), std::string("b")}}, {"on", {true}}};
  for (uint32_t i = 0; i < 6; ++i) {
    RecordedEntry entry{{i % 2, i / 3, 0}, "correct", "", 1.5 + i, {1.25, 1.75}};
    if (i == 4) entry = {{i % 2, i / 3, 0}, "compile", "no \"such\" thing", {}, {}};
    space.entries.push_back(entry);
  }
  return to_t4(space);
}

/// Changes a few bytes at random: other values, gone, twice, or cut off; sometimes into JSON's own characters.
std::string damage(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  static constexpr std::string_view telling = "{}[]\",:\\-+.0123456789eEtfn u/";
  for (size_t changes = 1 + below(4); changes > 0 && !bytes.empty(); --changes) {
    const size_t at = below(bytes.size()), length = std::min(1 + below(24), bytes.size() - at);
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        bytes[at] = telling[below(telling.size())];
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(below(bytes.size()), bytes.substr(at, length));
        break;
      case 4:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 5:
        bytes.resize(below(20) == 0 ? at : bytes.size());
        break;
    }
  }
  return bytes;
}

/// Puts a value of another kind in the place of one: still JSON, seldom T4.
std::string replace_value(std::string text, std::mt19937& random) {
  static constexpr const char* others[] = {"null", "3",     "-1.5", "\"x\"", "[]",
                                           "{}",   "[[1]]", "true", "1e999", "{\"a\":1}"};
  std::vector<size_t> colons;
  for (size_t at = text.find(':'); at != std::string::npos; at = text.find(':', at + 1)) colons.push_back(at);
  const size_t begin = colons[std::uniform_int_distribution<size_t>(0, colons.size() - 1)(random)] + 1;
  size_t end = begin;
  for (int depth = 0; end < text.size(); ++end) {
    const char c = text[end];
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == '}')) break;
    if ((c == '}' || c == ']') && --depth == 0) {
      ++end;
      break;
    }
  }
  return text.replace(begin, end - begin, others[std::uniform_int_distribution<size_t>(0, 9)(random)]);
}

/// How many of `tries` damaged files were still read.
int read_damaged(const std::string& valid, int tries, unsigned seed, auto how) {
  std::mt19937 random(seed);
  int whole = 0;
  for (int i = 0; i < tries; ++i) {
    const std::string bytes = how(valid, random);
    try {
      const RecordedSpace space = parse_t4(bytes, "damaged.T4.json");
      to_json(space, summarize(space)).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
      to_text(space, summarize(space));
      EXPECT_NO_THROW(parse_t4(to_t4(space), "again.T4.json")) << bytes;
      ++whole;
    } catch (const Error& error) {
      const std::string said = error.what();
      EXPECT_TRUE(said.starts_with("damaged.T4.json:")) << said;
      for (const char c : said) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << said;
      EXPECT_LT(said.size(), 400u) << said;
    }
  }
  return whole;
}

TEST(T4Damage, PlainFiles) {
  const int whole = read_damaged(valid_file(), 4000, 1, damage);
  EXPECT_GT(whole, 100) << "the damage was so great that nothing beyond JSON was tried";
  EXPECT_LT(whole, 3900) << "hardly any damage was noticed";
}

TEST(T4Damage, PackedFiles) { EXPECT_LT(read_damaged(testing::gzip(valid_file()), 2000, 2, damage), 200); }

TEST(T4Damage, ValuesOfOtherKinds) {
  const int whole = read_damaged(valid_file(), 2000, 3, replace_value);
  EXPECT_GT(whole, 100);
  EXPECT_LT(whole, 1500);
}

TEST(T4Damage, EveryCut) {
  const std::string valid = valid_file();
  ASSERT_NO_THROW(parse_t4(valid, "x.T4.json"));
  const size_t last = valid.rfind('}');
  for (size_t length = 0; length <= last; ++length)
    EXPECT_THROW(parse_t4(std::string_view(valid).substr(0, length), "x.T4.json"), Error) << length;
}

TEST(T4Damage, DeepNesting) {
  for (const std::string piece : {"[", "{\"a\":", "{\"results\":["}) {
    std::string deep;
    for (int i = 0; i < 200000; ++i) deep += piece;
    EXPECT_THROW(parse_t4(deep, "x.T4.json"), Error);
  }
  std::string closed(200000, '[');
  closed.append(200000, ']');
  EXPECT_THROW(parse_t4(closed, "x.T4.json"), Error);
  EXPECT_THROW(parse_t4("{\"results\": [{\"configuration\": {\"x\": " + closed + "}}]}", "x.T4.json"), Error);
}

}  // namespace
}  // namespace qoq::interchange
