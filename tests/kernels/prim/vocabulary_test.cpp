// The two meanings of the vocabulary have the same names and signatures, and the emulated one stays lean.
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

#include "kernels/base/file.h"

namespace qoq::tests {
namespace {

std::string header(const std::string& name) { return read_file(std::string(QOQ_SOURCE_DIR) + "/kernels/" + name); }

/// What follows `start` in the lines that begin with it, up to the last `end`.
std::set<std::string> lines_of(const std::string& text, const std::string& start, const std::string& end = "") {
  std::set<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(start)) continue;
    const size_t last = end.empty() ? line.size() : line.find(end);
    if (last != std::string::npos) found.insert(line.substr(start.size(), last - start.size()));
  }
  return found;
}

/// Functions as "result name(parameters)", and macros' names.
std::set<std::string> vocabulary(const std::string& text) {
  std::set<std::string> all = lines_of(text, "QOQ_DEVICE ", " {");
  for (const std::string& macro : lines_of(text, "#define ")) {
    if (!macro.starts_with("QOQ_MMA_") && !macro.starts_with("QOQ_WGMMA_"))
      all.insert(macro.substr(0, macro.find_first_of("( ")));
  }
  return all;
}

TEST(Vocabulary, EveryPtxOperationHasItsEmulation) {
  std::set<std::string> cuda = vocabulary(header("prim/cuda.cuh") + header("prim/cuda_sm90.cuh"));
  const std::set<std::string> emulated = vocabulary(header("prim/emulated.h"));
  // Defined through a macro in cuda.cuh; overloads there are one template here.
  for (const char* name : {"mma_s8s8", "mma_s8u8", "mma_u8s8"}) {
    cuda.insert(std::string("void ") + name + "(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2])");
  }
  for (const char* name : {"mma_f16", "mma_bf16"}) {
    cuda.insert(std::string("void ") + name + "(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2])");
  }
  std::erase_if(cuda, [](const std::string& f) {
    return f == "u32x4 load_global(const u32x4* from)" || f == "void store_global(u32x4* to, u32x4 v)" ||
           f.starts_with("half load_readonly") || f.starts_with("bfloat load_readonly") ||
           f.starts_with("u32x4 load_readonly") || f.starts_with("u32x2 load_readonly");
  });
  EXPECT_GT(cuda.size(), 65u);
  for (const char* name :
       {"void mbarrier_wait(u32 at, u32 parity)", "void wgmma_commit()", "void fence_proxy_async()"}) {
    EXPECT_TRUE(cuda.contains(name)) << name;
  }
  EXPECT_EQ(cuda, emulated);
}

TEST(Vocabulary, KernelsPullInNoStandardHeader) {
  for (const char* name :
       {"prim/prim.cuh", "prim/types.cuh", "prim/wgmma_descriptor.cuh", "prim/emulated.h", "emulator/api.h"}) {
    for (const std::string& include : lines_of(header(name), "#include ")) {
      EXPECT_TRUE(include.starts_with("\"kernels/")) << name << " includes " << include;
    }
  }
}

}  // namespace
}  // namespace qoq::tests
