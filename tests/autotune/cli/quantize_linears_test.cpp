// The linear layers of any model's file, by the real program.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/base/random.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

class QuantizeLinears : public ::testing::Test {
 protected:
  Folder folder_;
  fs::path file() const { return folder_ / "linears.safetensors"; }
  /// One linear of so many inputs, with 10 tokens of them.
  void write(uint64_t k, const std::string& name = "layers.0.out.weight") const {
    Random random(1);
    SafetensorsWriter writer(file(), {{name, DType::BF16, {64, k}}, {"layers.0.out.input", DType::F32, {10, k}}});
    for (const auto& [tensor, dtype, rows] :
         {std::tuple{name, DType::BF16, 64}, std::tuple{std::string("layers.0.out.input"), DType::F32, 10}}) {
      std::vector<float> values(static_cast<size_t>(rows) * k);
      for (float& value : values) value = random.uniform(-1, 1);
      writer.write(tensor, write_floats(values, dtype));
    }
    writer.finish();
  }
};

TEST_F(QuantizeLinears, PrintsATableAndJson) {
  write(256);
  const Ran text = run({"quantize", "--linears", file(), "--quiet"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  for (const char* part :
       {"qoqtune quantize --linears", "1 linears, 16384 parameters", "| scheme | way | layers.out | all |",
        "| w4a8-g128 | clip=outputs |", "on 5 recorded tokens that no choice has seen"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << "\n" << text.out;
  const Ran again = run({"quantize", "--linears", file(), "--format", "json", "-j1", "--quiet"});
  ASSERT_EQ(again.code, 0) << again.err;
  const auto json = nlohmann::json::parse(again.out);
  EXPECT_EQ(json["rows"].size(), 12u);
  for (const auto& row : json["rows"]) {
    const double error = row["linears"][0]["output_relative_mse"];
    EXPECT_GT(error, 1e-4);
    EXPECT_LT(error, 0.1);
  }
}

TEST_F(QuantizeLinears, RefusesWhatItCannotUse) {
  EXPECT_SENTENCE(run({"quantize", "--linears"}), 2, "--linears FILE");
  EXPECT_SENTENCE(run({"quantize", "--linears", file()}), 2, "linears.safetensors");
  write(256);
  EXPECT_SENTENCE(run({"quantize", "--linears", file(), "--scheme", "w4a8-g64"}), 2, "--linears takes no --scheme");
  EXPECT_SENTENCE(run({"quantize", "--linears", file(), "--check"}), 2, "one of --check, --ablate and --linears");
  write(200);
  EXPECT_SENTENCE(run({"quantize", "--linears", file(), "--quiet"}), 2, "no matrix NAME.weight", "K=200");
  write(256, "norm");
  EXPECT_SENTENCE(run({"quantize", "--linears", file(), "--quiet"}), 2, "no matrix NAME.weight");
}

}  // namespace
}  // namespace qoq::cli
