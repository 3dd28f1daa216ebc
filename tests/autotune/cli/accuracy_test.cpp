// What quantising costs a model, through the program.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

/// A model of one small layer in `folder`.
std::string small_model(const fs::path& folder) {
  EXPECT_EQ(run({"synthesize", folder.string(), "--layers", "1", "--hidden", "128", "--intermediate", "128", "--heads",
                 "2", "--kv-heads", "1", "--vocab", "64", "--tokens", "0", "--outliers", "32"})
                .code,
            0);
  return folder.string();
}

TEST(Accuracy, OfAModelFolderAsTablesAndJson) {
  Folder folder;
  const std::string model = small_model(folder / "small");
  const fs::path out = folder / "out";
  const std::vector<std::string> command{
      "accuracy", model + "/", "--seeds",   "1", "--positions", "64", "--calibration-tokens",
      "64",       "--out",     out.string()};
  const Ran ran = run(command);
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "") << "no progress in a pipe";
  for (const char* text : {"## small", "| w4a8-g128 | rtn |", "| w4a8-channel | qoq |", "rtn + rotation", "qoq - clip",
                           "Where it does not pay", "64 positions"})
    EXPECT_NE(ran.out.find(text), std::string::npos) << text;
  EXPECT_NE(read_text(out / "accuracy.md").find(ran.out), std::string::npos);
  const auto json = nlohmann::json::parse(read_text(out / "accuracy.json"));
  EXPECT_EQ(json.at("positions"), 64);
  EXPECT_NE(json.at("command").get<std::string>().find("qoqtune accuracy"), std::string::npos);
  double rtn = 0, qoq = 0, fp16 = 1;
  for (const auto& row : json.at("rows")) {
    if (row.at("scheme") != "w4a8-g128") continue;
    if (row.at("way") == "rtn") rtn = row.at("kl_nats");
    if (row.at("way") == "qoq") qoq = row.at("kl_nats");
    if (row.at("way") == "fp16") fp16 = row.at("kl_nats");
  }
  EXPECT_LT(fp16, qoq);
  EXPECT_LT(qoq, rtn);
  const Ran again = run({"accuracy", model, "--seeds", "1", "--positions", "64", "--calibration-tokens", "64",
                         "--format", "json", "--jobs", "1"});
  EXPECT_TRUE(nlohmann::json::parse(again.out).at("rows") == json.at("rows")) << "on any number of threads";
}

TEST(Accuracy, BadUsage) {
  Folder folder;
  EXPECT_SENTENCE(run({"accuracy", (folder / "nowhere").string()}), 2, "nowhere", "config.json");
  EXPECT_SENTENCE(run({"accuracy", "--family", "gpt"}), 2, "--family gpt");
  EXPECT_SENTENCE(run({"accuracy", "--outliers", "0"}), 2, "1 to 1024");
  EXPECT_SENTENCE(run({"accuracy", "--positions", "0"}), 2, "--positions 0 is out of range");
  EXPECT_SENTENCE(run({"accuracy", "--seeds", "0"}), 2, "--seeds 0 is out of range");
  EXPECT_SENTENCE(run({"accuracy", (folder / "m").string(), "--outliers", "8"}), 2, "--outliers", "synthetic");
}

}  // namespace
}  // namespace qoq::cli
