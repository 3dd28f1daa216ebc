#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/random.h"

namespace qoq::test {

/// Seconds that one fuzz test may search. QOQ_FUZZ_SECONDS is the sum over a program's `tests`; without it 2.
inline double fuzz_seconds(int tests) {
  const char* text = std::getenv("QOQ_FUZZ_SECONDS");
  return (text == nullptr ? 2.0 : std::atof(text)) / tests;
}

/// A fresh seed, or QOQ_FUZZ_SEED to repeat a run: the cases of a seed come in the same order, however many there are.
inline uint64_t fuzz_seed() {
  const char* text = std::getenv("QOQ_FUZZ_SEED");
  return text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
}

/// Changes texts a little: bytes, pieces doubled, moved or dropped, tokens of the dictionary in the place of numbers
/// and elsewhere.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  size_t below(size_t count) { return random_.next() % count; }

  std::string mutate(std::string text) {
    for (size_t changes = 1 + below(4); changes > 0 && !text.empty(); --changes) change(text);
    return text;
  }

 private:
  void change(std::string& text) {
    const size_t at = below(text.size()), from = below(text.size()), length = 1 + below(24);
    switch (below(8)) {
      case 0:
        text[at] = static_cast<char>(random_.next());
        break;
      case 1:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 2:
        text.insert(at, text.substr(from, length));
        break;
      case 3:
        text.erase(at, length);
        break;
      case 4:
        text.replace(at, length, text.substr(from, length));
        break;
      case 5:
        text.insert(at, token());
        break;
      case 6:
        replace_string(text, at);
        break;
      default:
        replace_number(text, at);
        break;
    }
  }

  /// The first number from `at` on.
  void replace_number(std::string& text, size_t at) {
    const size_t first = text.find_first_of("0123456789", at);
    if (first == std::string::npos) return;
    const size_t end = std::min(text.find_first_not_of("0123456789", first), text.size());
    text.replace(first, end - first, token());
  }

  /// The text between the next two quotes, and the quotes.
  void replace_string(std::string& text, size_t at) {
    const size_t first = text.find('"', at), end = text.find('"', first + 1);
    if (first != std::string::npos && end != std::string::npos) text.replace(first, end + 1 - first, token());
  }

  std::string token() {
    static const char* const tokens[] = {"-1",
                                         "0",
                                         "1",
                                         "2",
                                         "32",
                                         "127",
                                         "128",
                                         "4294967295",
                                         "4294967296",
                                         "2147483647",
                                         "9223372036854775807",
                                         "18446744073709551615",
                                         "1e3",
                                         "1e400",
                                         "-0",
                                         "[]",
                                         "{}",
                                         "null",
                                         "\"\"",
                                         "[0,0]",
                                         "\"U8\"",
                                         "\"I8\"",
                                         "\"F16\"",
                                         "\"F32\"",
                                         "\\u0000",
                                         "\\ud800",
                                         "\xff",
                                         "../x",
                                         "{\"a\":",
                                         "[[[[[[",
                                         ",",
                                         ":",
                                         "\"",
                                         "}"};
    return tokens[below(std::size(tokens))];
  }

  Random random_;
};

/// The sentence without its quoted names and numbers: outcomes of one kind read alike.
inline std::string skeleton(const std::string& sentence) {
  std::string kept;
  bool quoted = false;
  for (size_t i = 0; i < sentence.size(); ++i) {
    const char c = sentence[i];
    if (c == '"') quoted = !quoted;
    if (c == '\\') ++i;
    if (!quoted && c != '\\' && (c < '0' || c > '9')) kept += c;
  }
  return kept;
}

/// Mutations of `corpus` for so many seconds. `read` takes the bytes to a reader; it returns, or throws Error with one
/// sentence of Fault::Input: anything else fails the test. A text whose outcome is of a new kind joins the corpus, so
/// that the search goes deeper. Prints the seed first: a crash leaves it on the screen.
template <class Read>
void fuzz(std::vector<std::string> corpus, double seconds, const Read& read) {
  ASSERT_FALSE(corpus.empty());
  const uint64_t seed = fuzz_seed();
  std::printf("fuzzing for %.1f s: QOQ_FUZZ_SEED=%llu\n", seconds, static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  SCOPED_TRACE(testing::Message() << "QOQ_FUZZ_SEED=" << seed);
  Mutator mutator(seed);
  std::set<std::string> outcomes;
  constexpr size_t fewest = 300;  // however busy the machine is
  size_t cases = 0, taken = 0;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while ((cases < fewest || Clock::now() < end) && !testing::Test::HasFailure()) {
    std::string text = mutator.mutate(corpus[mutator.below(corpus.size())]);
    std::string outcome = "taken";
    try {
      read(text);
      ++taken;
    } catch (const Error& error) {
      outcome = error.what();
      EXPECT_EQ(error.fault(), Fault::Input) << outcome;
      EXPECT_FALSE(outcome.empty());
      EXPECT_EQ(outcome.find('\n'), std::string::npos) << outcome;
    } catch (const std::exception& other) {
      ADD_FAILURE() << "case " << cases << ": " << other.what();
    }
    ++cases;
    if (outcomes.insert(skeleton(outcome)).second && corpus.size() < 1000) corpus.push_back(std::move(text));
  }
  std::printf("%zu cases, %zu taken, %zu kinds of outcome\n", cases, taken, outcomes.size());
  EXPECT_GT(outcomes.size(), 3u) << "the mutations reach nothing";
}

}  // namespace qoq::test
