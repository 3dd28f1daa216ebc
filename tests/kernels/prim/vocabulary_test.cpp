// The two meanings of the vocabulary have the same names and signatures, and the emulated one stays lean.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "kernels/base/file.h"

namespace qoq::tests {
namespace {

std::string header(const std::string& name) { return read_file(std::string(QOQ_SOURCE_DIR) + "/kernels/" + name); }

std::set<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (auto i = std::sregex_iterator(text.begin(), text.end(), pattern); i != std::sregex_iterator(); ++i) {
    found.insert(i->str(1));
  }
  return found;
}

/// Functions as "result name(parameters" without line breaks, and macros.
std::set<std::string> vocabulary(const std::string& text) {
  const std::regex function("\nQOQ_DEVICE ([^\n]*\\)) \\{");
  const std::regex macro(R"(#define (QOQ_\w+))");
  std::set<std::string> all = matches(text, function);
  for (const std::string& name : matches(text, macro)) {
    if (!name.starts_with("QOQ_MMA_")) all.insert(name);
  }
  return all;
}

TEST(Vocabulary, EveryPtxOperationHasItsEmulation) {
  std::set<std::string> cuda = vocabulary(header("prim/cuda.cuh"));
  const std::set<std::string> emulated = vocabulary(header("prim/emulated.h"));
  // Defined through a macro in cuda.cuh; overloads there are one template here.
  for (const char* name : {"mma_s8s8", "mma_s8u8", "mma_u8s8"}) {
    cuda.insert(std::string("void ") + name + "(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2])");
  }
  for (const char* name : {"mma_f16", "mma_bf16"}) {
    cuda.insert(std::string("void ") + name + "(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2])");
  }
  std::erase_if(cuda, [](const std::string& f) {
    return f == "u32x4 load_global(const u32x4* from)" ||
           f == "void store_global(u32x4* to, u32x4 v)" || f.starts_with("half load_readonly") ||
           f.starts_with("bfloat load_readonly");
  });
  EXPECT_GT(cuda.size(), 50u);
  EXPECT_EQ(cuda, emulated);
}

TEST(Vocabulary, KernelsPullInNoStandardHeader) {
  for (const char* name : {"prim/prim.cuh", "prim/types.cuh", "prim/emulated.h", "emulator/api.h"}) {
    for (const std::string& include : matches(header(name), std::regex("#include ([^\n]*)"))) {
      EXPECT_TRUE(include.starts_with("\"kernels/")) << name << " includes " << include;
    }
  }
}

}  // namespace
}  // namespace qoq::tests
