// What the program says to those who call it wrongly, or ask what it can do.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

const std::vector<std::string> commands{"tune",    "ceilings", "report",   "select",     "bandwidth",
                                        "compare", "serving",  "rows",     "gpus",       "doctor",
                                        "verify",  "inspect",  "quantize", "synthesize", "accuracy"};

TEST(Usage, WithoutArgumentsTheHelpAndCode2) {
  const Ran ran = run({});
  EXPECT_EQ(ran.code, 2);
  for (const std::string& command : commands)
    EXPECT_NE(ran.out.find("qoqtune " + command), std::string::npos) << command;
}

TEST(Usage, HelpEverywhere) {
  for (const char* word : {"--help", "-h", "help"}) {
    const Ran ran = run({word});
    EXPECT_EQ(ran.code, 0) << word;
    for (const std::string& command : commands)
      EXPECT_NE(ran.out.find("qoqtune " + command), std::string::npos) << command;
  }
  for (const std::string& command : commands) {
    for (const char* word : {"--help", "-h"}) {
      const Ran ran = run({command, word});
      EXPECT_EQ(ran.code, 0) << command;
      EXPECT_EQ(ran.err, "") << command;
      EXPECT_TRUE(ran.out.starts_with("qoqtune " + command)) << ran.out;
      EXPECT_NE(ran.out.find("--help"), std::string::npos) << ran.out;
    }
  }
  EXPECT_EQ(run({"tune", "--help", "--jobs", "none"}).code, 2) << "but a wrong option stays wrong";
}

TEST(Usage, TheHelpOfTuneNamesEveryOptionOnce) {
  const Ran ran = run({"tune", "--help"});
  for (const char* option :
       {"--gpu", "--db", "--strategy", "--budget", "--minutes", "--seed", "--jobs", "--cache", "--quiet"}) {
    const size_t first = ran.out.find(std::string(option) + " ");
    EXPECT_NE(first, std::string::npos) << option;
  }
  EXPECT_NE(ran.out.find("exhaustive"), std::string::npos) << "which strategies there are";
}

TEST(Usage, Version) {
  const Ran ran = run({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(ran.out.starts_with("qoqtune ")) << ran.out;
}

TEST(Usage, AnUnknownCommandIsAnsweredWithTheKnownOnes) {
  EXPECT_SENTENCE(run({"tun"}), 2, "\"tun\"", "tune", "select");
  EXPECT_SENTENCE(run({"--tune"}), 2, "\"--tune\"");
}

TEST(Usage, AnUnknownOption) {
  for (const std::string& command : commands)
    EXPECT_SENTENCE(run({command, "--colour"}), 2, "--colour", "qoqtune " + command + " --help");
}

TEST(Usage, OneArgumentTooMany) {
  EXPECT_SENTENCE(run({"gpus", "now"}), 2, "qoqtune gpus --help");
  EXPECT_SENTENCE(run({"tune", "a.yaml", "b.yaml"}), 2, "qoqtune tune --help");
}

TEST(Usage, WhatACommandNeeds) {
  EXPECT_SENTENCE(run({"tune"}), 2, "tune needs a job");
  EXPECT_SENTENCE(run({"inspect"}), 2, "variant");
}

TEST(Usage, Numbers) {
  Folder folder;
  write_text(folder / "job.yaml", tiny_job());
  const std::vector<std::vector<std::string>> wrong{{"--budget", "0"},
                                                    {"--budget", "-3"},
                                                    {"--budget", "many"},
                                                    {"--budget", "2.5"},
                                                    {"--budget", "99999999999999999999"},
                                                    {"--minutes", "0"},
                                                    {"--minutes", "-1"},
                                                    {"--minutes", "soon"},
                                                    {"--minutes", "nan"},
                                                    {"--jobs", "0"},
                                                    {"--jobs", "-2"},
                                                    {"--jobs", "1025"},
                                                    {"--jobs", "two"},
                                                    {"--seed", "-1"},
                                                    {"--seed", "x"},
                                                    {"--seed", "1.5"}};
  for (const auto& option : wrong) {
    SCOPED_TRACE(option[0] + " " + option[1]);
    EXPECT_SENTENCE(run(tune(folder.path(), option)), 2, option[0], option[1]);
    EXPECT_FALSE(fs::exists(folder / "tune.db")) << "nothing was begun";
  }
}

TEST(Usage, AnUnknownFormat) { EXPECT_SENTENCE(run({"gpus", "--format", "xml"}), 2, "--format xml", "json"); }

TEST(Usage, GpusListsSheetsAsTextAndAsJson) {
  const Ran text = run({"gpus"});
  EXPECT_EQ(text.code, 0);
  for (const char* word : {"attached", "sim:h200", "sim:a100-80", "sm_90a"})
    EXPECT_NE(text.out.find(word), std::string::npos) << word;
  const Ran json = run({"gpus", "--format", "json"});
  EXPECT_EQ(json.code, 0);
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_GE(parsed.at("simulated").size(), 6u);
  EXPECT_TRUE(parsed.contains("attached"));
}

}  // namespace
}  // namespace qoq::cli
