// The command that makes small models, through the program.
#include <gtest/gtest.h>

#include "kernels/llama/calibration.h"
#include "kernels/llama/read.h"
#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

std::vector<std::string> synthesize(const fs::path& folder, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"synthesize", folder.string(), "--layers", "1", "--vocab", "64", "--tokens", "40"});
  return more;
}

TEST(Synthesize, WritesAModelAndItsCalibration) {
  Folder folder;
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    const fs::path model = folder / family;
    const Ran ran = run(synthesize(model, {"--family", family, "--hidden", "128", "--heads", "4", "--kv-heads", "4"}));
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    const llama::Model read = llama::read_model(model);
    EXPECT_EQ(llama::family_name(read.config.family), family);
    EXPECT_EQ(read.config.hidden, 128);
    EXPECT_EQ(read.layers.size(), 1u);
    const auto calibration = llama::Calibration::open(model / "calibration.safetensors", read.config);
    EXPECT_EQ(calibration.tokens(), 40);
    EXPECT_EQ(calibration.layer(0).down_input.cols, 768);
  }
}

TEST(Synthesize, TheSameSeedWritesTheSameBytes) {
  Folder folder;
  EXPECT_EQ(run(synthesize(folder / "a", {"--seed", "5", "--jobs", "1"})).code, 0);
  EXPECT_EQ(run(synthesize(folder / "b", {"--seed", "5", "--jobs", "3"})).code, 0);
  EXPECT_EQ(run(synthesize(folder / "c", {"--seed", "6"})).code, 0);
  for (const char* file : {"calibration.safetensors", "model-00001-of-00002.safetensors"}) {
    EXPECT_EQ(read_text(folder / "a" / file), read_text(folder / "b" / file)) << file;
    EXPECT_NE(read_text(folder / "a" / file), read_text(folder / "c" / file)) << file;
  }
}

TEST(Synthesize, WithoutTokensNoCalibration) {
  Folder folder;
  const fs::path model = folder / "m";
  EXPECT_EQ(run({"synthesize", model.string(), "--layers", "1", "--tokens", "0", "--shards", "1"}).code, 0);
  EXPECT_FALSE(fs::exists(model / "calibration.safetensors"));
  EXPECT_TRUE(fs::exists(model / "model.safetensors"));
}

TEST(Synthesize, BadUsage) {
  Folder folder;
  EXPECT_SENTENCE(run({"synthesize"}), 2, "needs a folder");
  EXPECT_SENTENCE(run(synthesize(folder / "x", {"--family", "gpt"})), 2, "--family gpt", "qwen3");
  EXPECT_SENTENCE(run(synthesize(folder / "x", {"--dtype", "int8"})), 2, "--dtype int8", "bf16");
  EXPECT_SENTENCE(run(synthesize(folder / "x", {"--outliers", "0.5"})), 2, "0.5", "1 to 1024");
  EXPECT_SENTENCE(run(synthesize(folder / "x", {"--heads", "8", "--kv-heads", "3"})), 2, "--kv-heads 3");
  EXPECT_SENTENCE(run(synthesize(folder / "x", {"--head-dim", "63"})), 2, "--head-dim 63");
  EXPECT_SENTENCE(run(synthesize(folder / "x", {"--shards", "0"})), 2, "--shards 0 is out of range");
  EXPECT_FALSE(fs::exists(folder / "x")) << "nothing was begun";
  write_text(folder / "y" / "precious", "");
  EXPECT_SENTENCE(run(synthesize(folder / "y")), 2, "not empty");
}

}  // namespace
}  // namespace qoq::cli
