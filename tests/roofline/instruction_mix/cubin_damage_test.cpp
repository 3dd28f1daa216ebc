// Cubins are foreign bytes: whatever they say, the reader answers with a sentence or a result and never leaves them.
// The asan preset runs these with every access checked.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "kernels/base/error.h"
#include "roofline/instruction_mix/elf.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/roofline/instruction_mix/handmade_cubin.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

/// The sentence a damaged cubin gets; empty when it was read all the same.
std::string complaint(std::string_view bytes) {
  try {
    // A copy of exactly these bytes, so that a step outside them is seen.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    read_cubin(std::as_bytes(std::span(exact)));
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::Input);
    return e.what();
  }
}

std::string handmade() {
  HandmadeCubin cubin{.architecture = 90, .code = {}, .shared_bytes = 2048};
  cubin.code = {word(0x7812), word(0x7237), branch_sm90(-2), word(0x794d), branch_sm90(-1)};
  return cubin.bytes();
}

std::vector<std::string> specimens() {
  std::vector<std::string> all = {handmade()};
  for (const char* architecture : {"sm_80", "sm_120a"})
    if (auto cubin = compile_probe(vocabulary_source(), architecture)) all.push_back(std::move(*cubin));
  return all;
}

TEST(CubinDamage, EveryTruncationGetsASentence) {
  for (const std::string& good : specimens()) {
    ASSERT_EQ(complaint(good), "");
    const size_t step = std::max<size_t>(1, good.size() / 500);
    // The section table may lie before the last section's data: what is cut must be seen wherever it lay.
    for (size_t size = 0; size < good.size() - step; size += step)
      EXPECT_NE(complaint(std::string_view(good).substr(0, size)).find("cubin"), std::string::npos)
          << size << " of " << good.size() << " bytes";
  }
}

TEST(CubinDamage, LiesAreNamed) {
  struct Lie {
    const char* what;
    size_t at;
    uint8_t value;
    const char* sentence;
  };
  const std::string good = handmade();
  const auto table = static_cast<uint8_t>(good[40]) | static_cast<size_t>(static_cast<uint8_t>(good[41])) << 8;
  const auto header = [&](size_t section) { return table + 64 * section; };
  const Lie lies[] = {
      {"no ELF", 0, 0, "do not start as an ELF file"},
      {"another machine", 18, 62, "not 64-bit little-endian CUDA code"},
      {"32 bits", 4, 1, "not 64-bit little-endian CUDA code"},
      {"a section table elsewhere", 43, 0x7f, "lie outside"},
      {"more sections than bytes", 61, 0x7f, "lie outside"},
      {"section names in a section that is not there", 62, 99, "section table is damaged"},
      {"code outside the file", header(5) + 26, 0x7f, "lie outside"},
      {"code longer than the file", header(5) + 34, 0x7f, "lie outside"},
      {"code of half an instruction", header(5) + 32, 72, "not whole instructions"},
      {"a name outside the names", header(5) + 1, 0x7f, "lie outside"},
      {"symbols without names", header(3) + 40, 99, "names no section"},
      {"an unknown architecture", 49, 60, "sm_60"},
  };
  for (const Lie& lie : lies) {
    std::string bad = good;
    bad[lie.at] = static_cast<char>(lie.value);
    EXPECT_NE(complaint(bad).find(lie.sentence), std::string::npos) << lie.what << ": " << complaint(bad);
  }
}

TEST(CubinDamage, AttributesCutInTheMiddleAreNamed) {
  std::string bad = handmade();
  const size_t info = bad.find(std::string("\x04\x2f\x08\x00", 4));
  ASSERT_NE(info, std::string::npos);
  bad[info + 12 + 2] = 4;  // the second attribute now ends in its middle, and what follows is read as one more
  EXPECT_NO_THROW(complaint(bad));
  const size_t second = info + 12;
  bad = handmade();
  bad[second] = 1;      // of a format without payload …
  bad[second + 4] = 4;  // … so that its payload looks like an attribute that is 8 bytes long
  bad[second + 6] = 8;
  EXPECT_NE(complaint(bad).find("lie outside"), std::string::npos) << complaint(bad);
}

// Nothing but branches to the first instruction: a loop each, as long as the code.
TEST(CubinDamage, ManyLoopsDoNotTakeForever) {
  HandmadeCubin cubin{.architecture = 80, .code = {}};
  for (int i = 1; i < 60000; ++i) cubin.code.push_back(i % 2 ? branch_sm80(-i) : branch_sm80(60000 - i));
  cubin.code.push_back(branch_sm80(-1));
  const std::string bytes = cubin.bytes();
  const auto begin = std::chrono::steady_clock::now();
  const EntryCode code = read_cubin(std::as_bytes(std::span(bytes))).at(0);
  EXPECT_EQ(code.loops.size(), 1000u);
  EXPECT_EQ(code.unresolved_branches, 28999) << "what is not read is counted";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

// Fixed seeds, so that what once failed fails again, and one of today.
class CubinMutations : public testing::TestWithParam<unsigned> {};

TEST_P(CubinMutations, NeverCrash) {
  const unsigned seed = GetParam() != 0 ? GetParam() : std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (const std::string& good : specimens()) {
    int refused = 0;
    for (int round = 0; round < 1500; ++round) {
      std::string bad = good;
      for (int changes = 1 + static_cast<int>(random() % 8); changes > 0; --changes) {
        // Half of the changes hit headers and tables, where they hurt.
        const size_t header = random() % 64;
        const size_t at = random() % 2 ? header : random() % bad.size();
        const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, static_cast<uint8_t>(random())};
        bad[at] = static_cast<char>(values[random() % 6]);
      }
      if (random() % 8 == 0) bad.resize(random() % bad.size());
      refused += !complaint(bad).empty();
    }
    EXPECT_GT(refused, 150) << "the mutations hit nothing";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CubinMutations, testing::Values(1, 2, 3, 0));

// Every bit of the file header and the section table, one at a time.
TEST(CubinDamage, EveryBitOfTheHeadersIsSurvived) {
  for (const std::string& good : specimens()) {
    const auto table = read_number(std::as_bytes(std::span(good)), 40, 8),
               count = read_number(std::as_bytes(std::span(good)), 60, 2);
    int refused = 0;
    for (size_t at = 0; at < 64 + 64 * count; ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string bad = good;
        char& byte = bad[at < 64 ? at : table + at - 64];
        byte = static_cast<char>(byte ^ 1 << bit);
        refused += !complaint(bad).empty();
      }
    }
    EXPECT_GT(refused, 100);
  }
}

}  // namespace
}  // namespace qoq::roofline
