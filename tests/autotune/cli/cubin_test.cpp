// inspect --cubin: anybody's cubin files; a bad one gets a sentence, the rest is shown.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"
#include "tests/roofline/instruction_mix/handmade_cubin.h"

namespace qoq::cli {
namespace {

using namespace testing;
using nlohmann::json;
using roofline::branch_sm80;
using roofline::HandmadeCubin;
using roofline::word;

TEST(InspectCubin, ShowsWhatCanBeReadAndSaysWhatCannot) {
  Folder folder;
  const HandmadeCubin good{.architecture = 80, .code = {word(0x7237), branch_sm80(-2), word(0x7ab4), branch_sm80(-1)}};
  HandmadeCubin unknown = good;
  unknown.architecture = 75;
  const std::string whole = good.bytes();
  write_text(folder / "good.cubin", whole);
  write_text(folder / "unknown.cubin", unknown.bytes());
  write_text(folder / "truncated.cubin", whole.substr(0, whole.size() / 2));

  const Ran one = run({"inspect", "--cubin", folder / "good.cubin"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_NE(one.out.find("1 unknown"), std::string::npos) << one.out;
  EXPECT_NE(one.out.find("unknown opcodes: ?ab4=1"), std::string::npos) << one.out;
  EXPECT_NE(one.out.find("trips not in the code"), std::string::npos) << one.out;

  const std::vector<std::string> all = {"inspect", "--cubin", folder / "unknown.cubin", folder / "good.cubin",
                                        folder / "truncated.cubin"};
  const Ran mixed = run(all);
  EXPECT_EQ(mixed.code, 2);
  EXPECT_EQ(mixed.out, one.out) << "the good one is shown as it is alone";
  EXPECT_NE(mixed.err.find("unknown.cubin: cubin: no opcode table for sm_75"), std::string::npos) << mixed.err;
  EXPECT_NE(mixed.err.find("truncated.cubin: cubin: "), std::string::npos) << mixed.err;
  EXPECT_NE(mixed.err.find("cut short or damaged"), std::string::npos) << mixed.err;

  std::vector<std::string> as_json = all;
  as_json.insert(as_json.end(), {"--format", "json"});
  const json files = json::parse(run(as_json).out);
  ASSERT_EQ(files.size(), 3u);
  EXPECT_TRUE(files[0].at("kernels").empty());
  EXPECT_EQ(files[1].at("refused"), "");
  EXPECT_EQ(files[1].at("kernels").at(0).at("instructions").at("IMMA"), 1);
  EXPECT_TRUE(files[1].at("kernels").at(0).at("loops").at(0).at("trips").is_null());
}

TEST(InspectCubin, IsNotMixedWithAVariant) {
  const Ran both = run({"inspect", "some.variant", "--cubin", "a.cubin"});
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.err.find("not both"), std::string::npos) << both.err;
  EXPECT_EQ(run({"inspect", "--cubin", "/nowhere/a.cubin"}).code, 2);
}

}  // namespace
}  // namespace qoq::cli
