#include "autotune/verify/emulator_verifier.h"

#include <gtest/gtest.h>

#include "autotune/compile/host_compiler.h"
#include "tests/autotune/compile/tiny_source.h"
#include "tests/autotune/verify/tiny_family.h"

namespace qoq::verify {
namespace {

struct Expected {
  TinyFamily::Defect defect;
  Verdict::Status status;
  std::string words;  // in the message
};

class EmulatorVerifierTest : public testing::Test {
 protected:
  /// One compiler run for every defect: they share a translation unit.
  static void SetUpTestSuite() {
    folder_ = new compile::ScratchFolder;
    std::vector<Source> sources;
    for (int defect = 0; defect <= TinyFamily::endless; ++defect) {
      sources.push_back(TinyFamily().source({{"fault", defect}}, {}));
    }
    builds_ = compile::HostCompiler(folder_->path(), 1).build(sources, {}, {});
    for (const auto& build : builds_) ASSERT_TRUE(build.ok) << build.log;
  }
  static void TearDownTestSuite() { delete folder_; }

  Verdict verify(int defect, uint64_t seed = 42) {
    return EmulatorVerifier(Device{}).verify(TinyFamily(), {{"fault", defect}}, Problem::parse("tiny i32 n=1000000"),
                                             builds_[static_cast<size_t>(defect)].object, seed);
  }

  static inline compile::ScratchFolder* folder_ = nullptr;
  static inline std::vector<compile::Build> builds_;
};

TEST_F(EmulatorVerifierTest, ACorrectKernelIsOkAtTheReducedSize) {
  const Verdict verdict = verify(TinyFamily::none, 99);
  EXPECT_EQ(verdict.status, Verdict::Status::Ok) << verdict.message;
  EXPECT_EQ(verdict.where, "emulator");
  EXPECT_EQ(verdict.seed, 99u);
  EXPECT_EQ(verdict.problem.text(), "tiny i32 n=300");
  EXPECT_EQ(verdict.max_error, 0);
}

TEST_F(EmulatorVerifierTest, EveryDefectIsSeen) {
  const Expected all[] = {
      {TinyFamily::wrong_value, Verdict::Status::Wrong, "y[0] is"},
      {TinyFamily::last_element_lost, Verdict::Status::Wrong, "y[299] is"},
      {TinyFamily::race, Verdict::Status::Wrong, "shared"},
      {TinyFamily::out_of_bounds, Verdict::Status::LaunchFailed, "tiny_fault"},
      {TinyFamily::counter_left, Verdict::Status::Wrong, "'counter' is not zero again"},
      {TinyFamily::reads_garbage, Verdict::Status::Wrong, "scratch"},
      {TinyFamily::wild_address, Verdict::Status::LaunchFailed, "tiny_fault"},
  };
  for (const Expected& expected : all) {
    const Verdict verdict = verify(expected.defect);
    EXPECT_EQ(name(verdict.status), std::string(name(expected.status))) << verdict.message;
    EXPECT_NE(verdict.message.find(expected.words), std::string::npos) << expected.words << ": " << verdict.message;
    RecordProperty(std::to_string(expected.defect), verdict.message);
  }
}

TEST_F(EmulatorVerifierTest, AMissingObjectOrEntryIsAVerdict) {
  const TinyFamily family;
  const Problem problem = Problem::parse("tiny i32 n=1000");
  EmulatorVerifier verifier{Device{}};
  const Verdict missing = verifier.verify(family, {{"fault", 0}}, problem, folder_->path() / "nothing.so", 1);
  EXPECT_EQ(missing.status, Verdict::Status::LaunchFailed);
  EXPECT_NE(missing.message.find("nothing.so"), std::string::npos) << missing.message;

  const Verdict other = verifier.verify(family, {{"fault", 77}}, problem, builds_[0].object, 1);
  EXPECT_EQ(other.status, Verdict::Status::LaunchFailed);
  EXPECT_NE(other.message.find("tiny_fault77: no such entry"), std::string::npos) << other.message;
}

TEST_F(EmulatorVerifierTest, AThreadCountThatIsNotTheSourcesIsSeen) {
  const TinyFamily twice(2 * TinyFamily::threads);
  const Verdict verdict =
      EmulatorVerifier(Device{}).verify(twice, {{"fault", 0}}, Problem::parse("tiny i32 n=1000"), builds_[0].object, 1);
  EXPECT_EQ(verdict.status, Verdict::Status::LaunchFailed);
  EXPECT_NE(verdict.message.find("the plan launches 256 threads, the source is for 128"), std::string::npos)
      << verdict.message;
}

}  // namespace
}  // namespace qoq::verify
