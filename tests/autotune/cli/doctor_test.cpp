// What a machine can do, asked of the program itself.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

TEST(Doctor, EndsWellWhateverItFinds) {
  const Ran ran = run({"doctor"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  for (const char* expected : {"driver", "NVRTC", "CUPTI", "cuBLASLt", "NVML", "what works here", "tune simulated GPUs",
                               "tune on cuda:0", "counters on cuda:0"})
    EXPECT_NE(ran.out.find(expected), std::string::npos) << expected;
  EXPECT_NE(run({"doctor", "--help"}).out.find("exit code 0 whatever it finds"), std::string::npos);
}

TEST(Doctor, TellsProgramsTheSame) {
  const Ran ran = run({"doctor", "--format", "json", "--gpu", "cuda:77"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json.at("target"), "cuda:77");
  EXPECT_TRUE(json.at("gpu").is_null());
  for (const auto& ability : json.at("abilities")) {
    if (ability.at("name") != "tune on cuda:77") continue;
    EXPECT_EQ(ability.at("verdict"), "fails");
    EXPECT_FALSE(ability.at("obstacles").at(0).at("fix").get<std::string>().empty());
  }
}

TEST(Doctor, ACacheThatCannotBeWritten) {
  Folder folder;
  write_text(folder / "file", "");
  const Ran ran = run({"doctor", "--cache", (folder / "file").string()});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.out.find("fails    tune simulated GPUs"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find((folder / "file").string() + ": is not a folder"), std::string::npos) << ran.out;
  run({"doctor", "--cache", (folder / "new").string()});
  EXPECT_FALSE(fs::exists(folder / "new")) << "nothing is made";
}

TEST(Doctor, RefusesWhatIsNoAttachedGpu) {
  for (const char* gpu : {"sim:h200", "cuda:", "cuda:x", "cuda:-1", "0", ""})
    EXPECT_SENTENCE(run({"doctor", "--gpu", gpu}), 2, "no attached GPU", "cuda:0");
  EXPECT_SENTENCE(run({"doctor", "--format", "xml"}), 2, "--format xml");
}

}  // namespace
}  // namespace qoq::cli
