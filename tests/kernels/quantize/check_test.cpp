// Results read again and compared with the model; the ablation's table.
#include "kernels/quantize/check.h"

#include <algorithm>

#include "kernels/llama/read.h"
#include "kernels/quantize/ablation.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/out_folder.h"
#include "kernels/quantize/print.h"
#include "tests/kernels/quantize/model_folder.h"

namespace qoq::quantize {
namespace {

namespace fs = std::filesystem;
using qoq::test::complaint;
using test::settings;

struct Checking : test::QuantizerTest {
  CheckReport check_against_model() { return check({out, model_folder, {}, {}, 2}, listener); }
  std::string refusal(const CheckRequest& request) {
    return complaint(Fault::Input, [&] { check(request, listener); });
  }
  void replace(const std::string& file, const std::string& from, const std::string& to) {
    std::string bytes = read_file(out / file);
    const size_t at = bytes.find(from);
    ASSERT_NE(at, std::string::npos);
    bytes.replace(at, from.size(), to);
    put("out/" + file, bytes);
  }
};

TEST_F(Checking, ComparesEveryLinearWithTheModel) {
  run(settings("w4a8-g128"));
  const CheckReport report = check_against_model();
  ASSERT_EQ(report.layers.size(), 3U);
  for (const LayerReport& layer : report.layers) {
    ASSERT_EQ(layer.linears.size(), 4U);
    for (const LinearReport& linear : layer.linears) {
      SCOPED_TRACE(linear.name);
      // Uniform noise in 16 even steps: a relative squared error of about 1/256.
      EXPECT_NEAR(linear.weights->relative_mse(), 1.0 / 256, 0.002);
      EXPECT_NEAR(linear.outputs->relative_mse(), linear.weights->relative_mse(), 0.002);
      EXPECT_NEAR(linear.at_ends, 2.0 / 16, 0.06);
    }
  }
  // The first linear's figures are those of the plain definition.
  const llama::Matrix w = fused(llama::read_layer(Checkpoint::open(model_folder), model.config, 0), "qkv");
  const WeightErrors expected = weight_errors(w.values, quantize_linear({128, GroupRule::Nearest}, "w", w, 1), 1);
  EXPECT_EQ(report.layers[0].linears[0].weights->squared_error, expected.squared_error);
}

TEST_F(Checking, DoesTheRecordedTransformsAgain) {
  test::write_small_calibration(model, folder / "a.safetensors");
  Request with = request(settings("w4a8-g128", "qoq"));
  with.calibration = folder / "a.safetensors";
  quantize(with, listener);
  const CheckReport report = check({out, model_folder, folder / "a.safetensors", {}, 2}, listener);
  for (const LayerReport& layer : report.layers) {
    EXPECT_LT(layer.proof, 1e-4);
    EXPECT_GT(layer.proof, 0);
    // Any other transform than the one that was packed would leave errors of order 1.
    for (const LinearReport& linear : layer.linears) EXPECT_LT(linear.weights->relative_mse(), 0.02) << linear.name;
  }
  EXPECT_NE(refusal({out, model_folder, {}, {}, 1}).find("--calibration FILE"), std::string::npos);
  test::write_small_calibration(model, folder / "b.safetensors", 6);
  EXPECT_NE(refusal({out, model_folder, folder / "b.safetensors", {}, 1}).find("b.safetensors"), std::string::npos);
}

TEST_F(Checking, HeldOutTokensFollowTheTransformsAndChooseNothing) {
  test::write_small_calibration(model, folder / "a.safetensors", 5);
  test::write_small_calibration(model, folder / "b.safetensors", 6);
  Request with = request(settings("w4a8-g128", "rotation,smooth-attention,smooth-outputs,reorder"));
  with.calibration = folder / "a.safetensors";
  quantize(with, listener);
  const CheckReport own = check({out, model_folder, folder / "a.safetensors", {}, 2}, listener);
  const CheckReport same = check({out, model_folder, folder / "a.safetensors", folder / "a.safetensors", 2}, listener);
  const CheckReport other = check({out, model_folder, folder / "a.safetensors", folder / "b.safetensors", 2}, listener);
  for (size_t layer = 0; layer < 3; ++layer) {
    for (size_t linear = 0; linear < 4; ++linear) {
      SCOPED_TRACE(own.layers[layer].linears[linear].name);
      const OutputErrors &a = *own.layers[layer].linears[linear].outputs,
                         &b = *same.layers[layer].linears[linear].outputs,
                         &c = *other.layers[layer].linears[linear].outputs;
      EXPECT_EQ(a.squared_error, b.squared_error);
      EXPECT_NE(a.squared_error, c.squared_error);
      EXPECT_NEAR(c.relative_mse(), a.relative_mse(), 0.5 * a.relative_mse());  // untransformed ones are far off
    }
  }
  EXPECT_NE(own.inputs.find("by which the transforms were chosen"), std::string::npos);
  EXPECT_NE(other.inputs.find("held-out"), std::string::npos);
}

TEST_F(Checking, ComparesClippedWeightsWithTheUnclippedOnes) {
  run(settings("w4a8-g128", "clip=weights"));
  const CheckReport report = check_against_model();
  const llama::Layer layer = llama::read_layer(Checkpoint::open(model_folder), model.config, 0);
  const PackedFile file = PackedFile::open(out / layer_file_name(0));
  double share = 0;
  for (const LinearReport& linear : report.layers[0].linears) {
    const llama::Matrix w = fused(layer, linear.name);
    const WeightErrors expected = weight_errors(w.values, file.linear(linear.name), 1);
    EXPECT_EQ(linear.weights->squared_error, expected.squared_error) << linear.name;
    EXPECT_NE(file.linear(linear.name), quantize_linear({128, GroupRule::Nearest}, linear.name, w, 1)) << linear.name;
    share += linear.weights->clipped_share();
  }
  EXPECT_GT(share, 0);
}

TEST_F(Checking, WithoutAModelItReadsEverything) {
  run(settings("w4a8-g128"));
  const CheckReport report = check({out, {}, {}, {}, 1}, listener);
  ASSERT_EQ(report.layers.size(), 3U);
  EXPECT_FALSE(report.layers[0].linears[0].weights.has_value());
  EXPECT_NE(to_text(report).find("no errors"), std::string::npos);
  EXPECT_NE(to_json(report).dump().find("\"codes_at_ends\""), std::string::npos);
}

TEST_F(Checking, RefusesWhatIsNotAsTheManifestSays) {
  run(settings("w4a8-g128"));
  const std::string manifest = read_file(out / manifest_file_name), layer = read_file(out / layer_file_name(1));
  std::string damaged = layer;
  damaged[damaged.size() - 100] = static_cast<char>(damaged[damaged.size() - 100] ^ 4);
  put("out/" + layer_file_name(1), damaged);
  EXPECT_NE(refusal({out, {}, {}, {}, 1}).find(layer_file_name(1)), std::string::npos);
  put("out/" + layer_file_name(1), layer.substr(0, layer.size() - 1));
  EXPECT_NE(refusal({out, {}, {}, {}, 1}).find(layer_file_name(1)), std::string::npos);
  put("out/" + layer_file_name(1), read_file(out / layer_file_name(0)));  // a whole file in another's place
  EXPECT_NE(refusal({out, {}, {}, {}, 1}).find("what the manifest says"), std::string::npos);
  fs::remove(out / layer_file_name(1));
  EXPECT_NE(refusal({out, {}, {}, {}, 1}).find("is missing"), std::string::npos);
  put("out/" + layer_file_name(1), layer);
  replace("config.json", "\"hidden_size\"", "\"hidden_sizE\"");
  EXPECT_NE(refusal({out, {}, {}, {}, 1}).find("config.json"), std::string::npos);
  fs::remove(out / manifest_file_name);
  EXPECT_NE(refusal({out, {}, {}, {}, 1}).find("quantization.json: no such file"), std::string::npos);
}

TEST_F(Checking, RefusesAManifestItDoesNotKnow) {
  run(settings("w4a8-g128"));
  const std::string whole = read_file(out / manifest_file_name);
  const auto said = [&](const std::string& from, const std::string& to) {
    put(std::string("out/") + manifest_file_name, whole);
    replace(manifest_file_name, from, to);
    return refusal({out, {}, {}, {}, 1});
  };
  EXPECT_NE(said("\"version\": 1", "\"version\": 2").find("version 2"), std::string::npos);
  EXPECT_NE(said("\"scheme\"", "\"schema\"").find("\"scheme\" is missing"), std::string::npos);
  EXPECT_NE(said("\"layout\": \"qserve\"", "\"layout\": \"other\"").find("other"), std::string::npos);
  EXPECT_NE(said("\"recipe\"", "\"more\": 1, \"recipe\"").find("\"more\""), std::string::npos);
  EXPECT_NE(said("qoqtune-quantization", "elses-quantization").find("elses"), std::string::npos);
  EXPECT_NE(said("layer-00000", "../er-00000").find("no name of a file"), std::string::npos);
  EXPECT_NE(said("{", "[").find("quantization.json"), std::string::npos);
}

TEST_F(Checking, RefusesAnotherModel) {
  run(settings("w4a8-g128"));
  fs::remove_all(model_folder);
  test::write_small_model(model_folder, llama::Family::Llama, 9);
  EXPECT_NE(refusal({out, model_folder, {}, {}, 1}).find("was not made from"), std::string::npos);
}

TEST_F(Checking, AblationHasEveryRowAndItsOwnFigures) {
  llama::Config config = test::small_config(llama::Family::Llama);
  config.layers = 1;
  model = llama::test::tiny_model(config, 1);
  fs::remove_all(model_folder);
  fs::create_directories(model_folder);
  llama::write_model(model, model_folder, DType::BF16, 1);
  test::write_small_calibration(model, folder / "a.safetensors");
  const Ablation ablation = ablate({model_folder, folder / "a.safetensors", GroupRule::Nearest, 2}, listener);
  const auto row = [&](const std::string& scheme, const std::string& name) -> const AblationRow& {
    const auto found =
        std::ranges::find_if(ablation.rows, [&](const AblationRow& r) { return r.scheme == scheme && r.name == name; });
    if (found == ablation.rows.end()) throw std::runtime_error(scheme + " " + name);
    return *found;
  };
  EXPECT_EQ(ablation.rows.size(), transform::ablation_recipes({}).size() + 2);
  // Round-to-nearest's figures are the check's of a result on disk.
  Request with = request(settings("w4a8-g128"));
  with.calibration = folder / "a.safetensors";
  quantize(with, listener);
  // The last quarter of the tokens, to judge on, as a file of their own.
  const llama::Calibration all = llama::Calibration::open(folder / "a.safetensors", config);
  llama::write_calibration(folder / "rest.safetensors", {split(all.layer(0)).judged_on}, DType::F32);
  OutputErrors outputs;
  for (const LayerReport& layer :
       check({out, model_folder, folder / "a.safetensors", folder / "rest.safetensors", 1}, listener).layers)
    outputs += *layer.linears[3].outputs;
  EXPECT_EQ(row("w4a8-g128", "rtn").outputs.at("down").relative_mse(), outputs.relative_mse());
  EXPECT_NE(row("w4a8-channel", "rtn").outputs.at("down").relative_mse(), outputs.relative_mse());
  EXPECT_NE(row("w4a8-g128", "qoq").outputs.at("down").relative_mse(), outputs.relative_mse());
  for (const AblationRow& each : ablation.rows) {
    SCOPED_TRACE(each.scheme + " " + each.name);
    EXPECT_LT(each.proof, 1e-4);
    EXPECT_EQ(each.weights.size(), 4U);
  }
  const std::string markdown = to_markdown(ablation);
  EXPECT_NE(markdown.find("| w4a8-channel | qoq |"), std::string::npos) << markdown;
  EXPECT_EQ(to_json(ablation)["rows"].size(), ablation.rows.size());
}

}  // namespace
}  // namespace qoq::quantize
