#include "autotune/doctor/look.h"

#include <gtest/gtest.h>

#include "autotune/doctor/judge.h"
#include "autotune/doctor/machine.h"

namespace qoq::doctor {
namespace {

TEST(Look, FindsEachPieceOrSaysWhyNot) {
  const Findings f = look(0, std::filesystem::temp_directory_path());
  EXPECT_EQ(f.target, "cuda:0");
  EXPECT_EQ(f.cache_reason, "");
  for (const Piece* piece : {&f.nvrtc, &f.cupti, &f.cublaslt, &f.nvml, &f.host_compiler}) {
    if (!piece->usable()) continue;
    EXPECT_FALSE(piece->version.empty()) << piece->path;
  }
  EXPECT_EQ(f.driver.lack == runtime::Driver::Lack::Nothing, f.driver.reason.empty());
  EXPECT_EQ(f.gpu.has_value(), f.gpu_count > 0);
  EXPECT_EQ(f.counter_access, Machine{}.counter_access());
  EXPECT_EQ(judge(f).size(), 7u);
}

TEST(Look, AGpuThatIsNotThereIsAValue) {
  const Findings f = look(77, std::filesystem::temp_directory_path());
  EXPECT_EQ(f.target, "cuda:77");
  EXPECT_FALSE(f.gpu);
}

}  // namespace
}  // namespace qoq::doctor
