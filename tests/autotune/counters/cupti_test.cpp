#include "autotune/counters/cupti.h"

#include <gtest/gtest.h>

namespace qoq::counters {
namespace {

TEST(Cupti, IsThereOrSaysWhyNot) {
  const Cupti& cupti = Cupti::get();
  EXPECT_EQ(cupti.available, cupti.reason.empty());
  if (!cupti.available) {
    EXPECT_EQ(cupti.version_text(), "");
    EXPECT_EQ(cupti.reason.find("no CUPTI: "), 0u) << cupti.reason;
    GTEST_SKIP() << cupti.reason;
  }
  EXPECT_GT(cupti.version, 0);
  EXPECT_NE(cupti.path, "");
}

TEST(Cupti, VersionsAsText) {
  Cupti cupti;
  EXPECT_EQ(cupti.version_text(), "");
  cupti.available = true;
  cupti.version = 130001;
  EXPECT_EQ(cupti.version_text(), "13.0.1");
  cupti.version = 130200;
  EXPECT_EQ(cupti.version_text(), "13.2.0");
  cupti.version = 26;
  EXPECT_EQ(cupti.version_text(), "API 26");
}

TEST(Cupti, AdviceSaysWhatHelps) {
  EXPECT_NE(advice(35).find("NVreg_RestrictProfilingToAdminUsers=0"), std::string::npos);
  EXPECT_NE(advice(39).find("another profiler"), std::string::npos);
  EXPECT_NE(advice(26).find("dcgmi"), std::string::npos);
  EXPECT_EQ(advice(0), "");
  EXPECT_EQ(advice(999), "");
}

#ifdef QOQ_HAS_CUPTI
TEST(Cupti, AdviceNumbersAreTheHeaders) {
  EXPECT_EQ(advice(CUPTI_ERROR_INSUFFICIENT_PRIVILEGES), advice(35));
  for (const auto& [result, word] : std::initializer_list<std::pair<int, const char*>>{
           {CUPTI_ERROR_NOT_INITIALIZED, "driver"},
           {CUPTI_ERROR_DISABLED, "another profiler"},
           {CUPTI_ERROR_HARDWARE_BUSY, "another process"},
           {CUPTI_ERROR_NOT_SUPPORTED, "support"},
           {CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED, "virtual GPU"},
           {CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, "administrators"},
           {CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED, "only one"},
           {CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES, "hypervisor"},
           {CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED, "confidential"},
           {CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED, "mining"},
           {CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED, "MIG"},
           {CUPTI_ERROR_SLI_DEVICE_NOT_SUPPORTED, "SLI"},
           {CUPTI_ERROR_WSL_DEVICE_NOT_SUPPORTED, "WSL"},
           {CUPTI_ERROR_INVALID_CHIP_NAME, "chip"},
       }) {
    EXPECT_NE(advice(result).find(word), std::string::npos) << result << ": " << advice(result);
  }
}

TEST(Cupti, AFailureIsASentenceWithNameNumberAndHelp) {
  const Cupti& cupti = Cupti::get();
  if (!cupti.available) GTEST_SKIP() << cupti.reason;
  const std::string sentence = cupti.describe(CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, "enabling counters");
  EXPECT_EQ(sentence.find("enabling counters: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES (CUPTI result 35): the driver"), 0u)
      << sentence;
}
#endif

}  // namespace
}  // namespace qoq::counters
