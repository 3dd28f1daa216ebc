// Calibrations that lack something, and folders that hold what is not this result's: said or refused.
#include <algorithm>

#include "kernels/llama/calibration.h"
#include "kernels/quantize/check.h"
#include "kernels/quantize/out_folder.h"
#include "tests/kernels/quantize/model_folder.h"

namespace qoq::quantize {
namespace {

namespace fs = std::filesystem;
using qoq::test::complaint;
using test::settings;

struct Notes : Listener {
  void note(const std::string& line) override { lines.push_back(line); }
  std::vector<std::string> lines;
};

struct Incomplete : test::QuantizerTest {
  /// The small calibration, less what `spoil` takes away.
  template <class Spoil>
  fs::path calibration(const std::string& name, const Spoil& spoil) {
    test::write_small_calibration(model, folder / "whole.safetensors");
    const llama::Calibration whole = llama::Calibration::open(folder / "whole.safetensors", model.config);
    std::vector<llama::LayerActivations> layers;
    for (int layer = 0; layer < model.config.layers; ++layer) layers.push_back(whole.layer(layer));
    for (llama::LayerActivations& layer : layers) spoil(layer, &layer - layers.data());
    llama::write_calibration(folder / name, layers, DType::F32);
    return folder / name;
  }
  std::string refusal(const CheckRequest& request) {
    return complaint(Fault::Input, [&] { check(request, listener); });
  }
};

TEST_F(Incomplete, WhatACalibrationLacksIsSaid) {
  Request with = request(settings("w4a8-g128", "qoq"));
  with.calibration = calibration("part.safetensors", [](llama::LayerActivations& layer, ptrdiff_t index) {
    if (index > 0) layer.keys = {};
  });
  Notes notes;
  quantize(with, notes);
  ASSERT_EQ(notes.lines.size(), 1U);
  EXPECT_NE(notes.lines[0].find("part.safetensors has no keys of layers 1, 2"), std::string::npos) << notes.lines[0];

  with.out = folder / "second";
  with.calibration = calibration("whole-again.safetensors", [](llama::LayerActivations&, ptrdiff_t) {});
  Notes silent;
  quantize(with, silent);
  EXPECT_TRUE(silent.lines.empty());
}

TEST_F(Incomplete, ACalibrationOfNothingIsRefused) {
  Request with = request(settings("w4a8-g128", "qoq"));
  with.calibration = calibration("positions.safetensors", [](llama::LayerActivations& layer, ptrdiff_t) {
    const std::vector<int> positions = layer.positions;
    layer = {};
    layer.positions = positions;
  });
  EXPECT_NE(complaint(Fault::Input, [&] { quantize(with, listener); }).find("records no activations"),
            std::string::npos);
}

TEST_F(Incomplete, HeldOutTokensMustReachEveryLinear) {
  run(settings("w4a8-g128"));
  const fs::path part = calibration("held.safetensors", [](llama::LayerActivations& layer, ptrdiff_t index) {
    if (index == 2) layer.down_input = {};
  });
  EXPECT_NE(refusal({out, model_folder, {}, part, 1}).find("no down_input of layer 2"), std::string::npos);
  const CheckReport report = check({out, model_folder, part, {}, 1}, listener);
  EXPECT_NE(report.inputs.find("random ones where"), std::string::npos) << report.inputs;
}

TEST_F(Incomplete, AFolderOfOnlyAModelsSmallFilesIsNotOurs) {
  put("out/config.json", "{\"mine\": 1}");
  EXPECT_NE(complaint(Fault::Input, [&] { run(settings("w4a8-g128")); }).find("nothing that quantize wrote"),
            std::string::npos);
  EXPECT_EQ(read_file(out / "config.json"), "{\"mine\": 1}");
}

TEST_F(Incomplete, LayersOfALargerModelAreNotLeftBehind) {
  run(settings("w4a8-g128"));
  fs::copy_file(out / layer_file_name(2), out / layer_file_name(3));
  EXPECT_NE(refusal({out, {}, {}, {}, 1}).find("layer-00003.safetensors"), std::string::npos);
  EXPECT_NE(complaint(Fault::Input, [&] { run(settings("w4a8-g128")); }).find("layer-00003.safetensors"),
            std::string::npos);
}

}  // namespace
}  // namespace qoq::quantize
