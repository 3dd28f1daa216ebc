// What a GPU reaches at most, measured on a recorded one; kept; and shown where no GPU is.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;
using nlohmann::json;

class Ceilings : public ::testing::Test {
 protected:
  Folder folder_;
  std::string db() const { return folder_ / "tune.db"; }
  std::string record() const { return folder_ / "gpu.json"; }
  std::vector<std::string> command(const std::string& gpu, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"ceilings", "--db", db(), "--gpu", gpu, "--cache", QOQTUNE_CACHE};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  void write_record() const {
    write_text(record(), R"({"recorded_gpu": 1,
      "gpu": {"name": "NVIDIA H200", "uuid": "GPU-recorded", "compute_capability": 90, "sm_count": 132,
              "shared_per_block_bytes": 232448, "shared_per_sm_bytes": 233472, "threads_per_sm": 2048,
              "blocks_per_sm": 32, "l2_bytes": 62914560, "memory_bytes": 150754820096},
      "clock_mhz": 1980,
      "times": [{"variant": "read.t256.u8.x4", "us": 240}, {"variant": "read.*", "us": 260},
                {"variant": "issue.lop3.*", "us": 800}, {"variant": "launch.*", "us": 2}],
      "faults": [{"variant": "issue.shf.*", "fault": "wrong-output"}]})");
  }
};

TEST_F(Ceilings, AreMeasuredKeptAndShownAgain) {
  if (const std::string why = no_nvrtc(); !why.empty()) GTEST_SKIP() << why;
  write_record();
  const Ran measured = run(command("recorded:" + record()));
  EXPECT_EQ(measured.code, 0) << measured.err;
  for (const char* words : {"NVIDIA H200", "measured_dram_bandwidth", "4474", "4800", "93.2 %", "read.t256.u8.x4",
                            "issue.shf                not measured: ", "66.2 % !", "! less than 75 %"})
    EXPECT_NE(measured.out.find(words), std::string::npos) << words << "\n" << measured.out;

  fs::remove(record());
  const Ran kept = run(command("recorded:" + record(), {"--format", "json"}));
  EXPECT_EQ(kept.code, 0) << kept.err;
  EXPECT_NE(kept.err.find("shown are the ceilings kept in"), std::string::npos) << kept.err;
  const json all = json::parse(kept.out).at("ceilings");
  EXPECT_EQ(all[0].at("name"), "measured_dram_bandwidth");
  EXPECT_EQ(all[0].at("variant"), "read.t256.u8.x4");
  for (const json& each : all) {
    EXPECT_NE(each.at("name"), "issue.shf") << "what failed is not kept";
    EXPECT_EQ(each.at("flagged") == true, each.at("share") < 0.75) << each;
  }
}

TEST_F(Ceilings, JsonAloneOnStandardOutput) {
  if (const std::string why = no_nvrtc(); !why.empty()) GTEST_SKIP() << why;
  write_record();
  const Ran ran = run(command("recorded:" + record(), {"--format", "json"}));
  EXPECT_EQ(ran.code, 0) << ran.err;
  const json all = json::parse(ran.out);
  EXPECT_NE(all.at("gpu").get<std::string>().find("NVIDIA H200"), std::string::npos);
  EXPECT_GE(all.at("ceilings").size(), 15u);
  EXPECT_NE(ran.err.find("pipes.fma"), std::string::npos) << "progress";
}

TEST_F(Ceilings, WithNeitherGpuNorRowsItSaysSo) {
  EXPECT_SENTENCE(run(command("recorded:" + record())), 2, record(), "holds no ceilings of recorded:");
  EXPECT_SENTENCE(run(command("cuda:77")), 2, "cuda:77", "holds no ceilings of cuda:77");
  EXPECT_SENTENCE(run(command("sim:h200")), 2, "sim:h200 is simulated", "cuda:0");
  EXPECT_SENTENCE(run(command("cuda:0", {"--format", "xml"})), 2, "--format xml");
}

}  // namespace
}  // namespace qoq::cli
