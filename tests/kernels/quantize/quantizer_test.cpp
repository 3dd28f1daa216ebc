// The straight line from a model folder to a result, through real files.
#include "kernels/quantize/quantizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/checkpoint/floats.h"
#include "kernels/llama/read.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/out_folder.h"
#include "tests/kernels/quantize/model_folder.h"

namespace qoq::quantize {
namespace {

namespace fs = std::filesystem;
using qoq::test::complaint;
using test::settings;

struct Quantizer : test::QuantizerTest {
  PackedFile layer_file(int layer) const { return PackedFile::open(out / layer_file_name(layer)); }
};

TEST_F(Quantizer, RoundToNearestHoldsTheCheckpointsOwnWeights) {
  for (const Scheme& scheme : schemes()) {
    SCOPED_TRACE(scheme.name);
    fs::remove_all(out);
    const Outcome outcome = run(settings(scheme.name));
    EXPECT_EQ(outcome.written, 5);
    EXPECT_FALSE(outcome.stopped);
    const Checkpoint checkpoint = Checkpoint::open(model_folder);
    for (int index = 0; index < 3; ++index) {
      const llama::Layer layer = llama::read_layer(checkpoint, model.config, index);
      const PackedFile file = layer_file(index);
      EXPECT_EQ(file.format().scheme, scheme.name);
      for (const std::string_view name : linear_names) {
        const llama::Matrix w = fused(layer, name);
        EXPECT_EQ(file.linear(name), quantize_linear({scheme.group, GroupRule::Nearest}, name, w, 1)) << name;
      }
      EXPECT_EQ(file.floats("attention_norm"), layer.attention_norm);
      EXPECT_EQ(file.floats("ffn_norm"), layer.ffn_norm);
    }
    const llama::Ends ends = llama::read_ends(checkpoint, model.config);
    EXPECT_EQ(PackedFile::open(out / embedding_file_name).floats("embedding"), ends.embedding.values);
    EXPECT_EQ(PackedFile::open(out / head_file_name).floats("head"), ends.head.values);
    EXPECT_EQ(PackedFile::open(out / head_file_name).floats("final_norm"), ends.final_norm);
  }
}

TEST_F(Quantizer, FusesQkvAndGateUpInThatOrder) {
  const llama::Layer& layer = model.layers[0];
  const llama::Matrix qkv = fused(layer, "qkv"), gate_up = fused(layer, "gate_up");
  ASSERT_EQ(qkv.rows, 4 * 64 + 2 * 2 * 64);
  EXPECT_TRUE(std::equal(layer.q.row(3), layer.q.row(4), qkv.row(3)));
  EXPECT_TRUE(std::equal(layer.k.row(3), layer.k.row(4), qkv.row(256 + 3)));
  EXPECT_TRUE(std::equal(layer.v.row(3), layer.v.row(4), qkv.row(256 + 128 + 3)));
  EXPECT_TRUE(std::equal(layer.gate.row(3), layer.gate.row(4), gate_up.row(3)));
  EXPECT_TRUE(std::equal(layer.up.row(3), layer.up.row(4), gate_up.row(256 + 3)));
  llama::Layer given = layer;
  EXPECT_EQ(take_fused(given, "qkv"), qkv);
  EXPECT_TRUE(given.q.values.empty() && given.k.values.empty() && given.v.values.empty());
  EXPECT_EQ(given.o, layer.o);
}

TEST_F(Quantizer, TheManifestTellsWhatIsThere) {
  const Outcome outcome = run(settings("w4a8-g128"));
  const Manifest manifest = read_manifest(out / manifest_file_name);
  EXPECT_EQ(manifest, outcome.manifest);
  EXPECT_EQ(manifest.scheme, "w4a8-g128");
  EXPECT_EQ(manifest.recipe, "rtn");
  EXPECT_EQ(manifest.calibration, "");
  uint64_t parameters = 0, bytes = 0;
  const Checkpoint checkpoint = Checkpoint::open(model_folder);
  for (const std::string& name : checkpoint.names()) parameters += checkpoint.tensor(name).bytes.size() / 2;
  EXPECT_EQ(manifest.parameters, parameters);
  for (const auto& [name, content] : contents(out)) {
    if (name == manifest_file_name) continue;
    bytes += content.size();
    EXPECT_EQ(std::ranges::count(manifest.files, name, &FileEntry::name), 1) << name;
  }
  EXPECT_EQ(manifest.bytes(), bytes);
  EXPECT_EQ(read_file(out / "config.json"), read_file(model_folder / "config.json"));
}

TEST_F(Quantizer, IsTheSameOnAnyNumberOfThreads) {
  Request one = request(settings("w4a8-g128", "qoq")), many = one;
  one.threads = 1;
  many.threads = 3;
  many.out = folder / "many";
  quantize(one, listener);
  quantize(many, listener);
  EXPECT_EQ(contents(one.out), contents(many.out));
}

TEST_F(Quantizer, KeepsEveryPieceOfAFinishedResult) {
  run(settings("w4a8-g128"));
  const auto before = contents(out);
  const auto written = fs::last_write_time(out / manifest_file_name);
  const Outcome again = run(settings("w4a8-g128"));
  EXPECT_EQ(again.kept, 5);
  EXPECT_EQ(again.written, 0);
  EXPECT_EQ(contents(out), before);
  EXPECT_EQ(fs::last_write_time(out / manifest_file_name), written);
}

/// Asks to stop when so many pieces are finished.
struct Stopper : Listener {
  explicit Stopper(int after) : left(after) {}
  void finished(const std::string&, uint64_t, bool) override {
    if (--left == 0) source.request_stop();
  }
  int left;
  std::stop_source source;
};

TEST_F(Quantizer, StoppedItLeavesNothingThatLooksWholeAndGoesOn) {
  for (int after = 1; after < 5; ++after) {
    SCOPED_TRACE(after);
    fs::remove_all(out);
    Stopper stopper(after);
    const Outcome stopped = quantize(request(settings("w4a8-g128", "rotation")), stopper, stopper.source.get_token());
    EXPECT_TRUE(stopped.stopped);
    EXPECT_EQ(stopped.written, after);
    EXPECT_FALSE(fs::exists(out / manifest_file_name));
    const Outcome rest = run(settings("w4a8-g128", "rotation"));
    EXPECT_EQ(rest.kept, after);
    EXPECT_EQ(rest.written, 5 - after);
    Request fresh = request(settings("w4a8-g128", "rotation"));
    fresh.out = folder / "fresh";
    quantize(fresh, listener);
    EXPECT_EQ(contents(out), contents(fresh.out));
  }
}

TEST_F(Quantizer, RedoesADamagedPieceAndOneThatIsGone) {
  run(settings("w4a8-g128"));
  const auto whole = contents(out);
  std::string bytes = whole.at(layer_file_name(1));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  put("out/" + layer_file_name(1), bytes);
  fs::remove(out / layer_file_name(2));
  const Outcome outcome = run(settings("w4a8-g128"));
  EXPECT_EQ(outcome.kept, 3);
  EXPECT_EQ(outcome.written, 2);
  EXPECT_EQ(contents(out), whole);
}

TEST_F(Quantizer, AFinishedResultIsNoWholeOneWhileAPieceIsMadeAnew) {
  run(settings("w4a8-g128"));
  fs::remove(out / layer_file_name(1));
  Stopper stopper(2);
  EXPECT_EQ(quantize(request(settings("w4a8-g128")), stopper, stopper.source.get_token()).written, 1);
  EXPECT_FALSE(fs::exists(out / manifest_file_name));
  EXPECT_EQ(run(settings("w4a8-g128")).kept, 5);
  EXPECT_TRUE(fs::exists(out / manifest_file_name));
}

TEST_F(Quantizer, OfAnUnfinishedResultOtherSettingsRedoEverything) {
  Stopper stopper(2);
  quantize(request(settings("w4a8-g128")), stopper, stopper.source.get_token());
  const Outcome outcome = run(settings("w4a8-channel"));
  EXPECT_EQ(outcome.kept, 0);
  EXPECT_EQ(outcome.written, 5);
}

TEST_F(Quantizer, RefusesAFinishedResultOfOtherSettingsOrOfAnotherModel) {
  run(settings("w4a8-g128"));
  const auto whole = contents(out);
  std::string said = complaint(Fault::Input, [&] { run(settings("w4a8-channel")); });
  EXPECT_NE(said.find("holds a finished result of w4a8-g128"), std::string::npos) << said;
  said = complaint(Fault::Input, [&] { run(settings("w4a8-g128", "rotation")); });
  EXPECT_NE(said.find("rtn"), std::string::npos) << said;
  fs::remove_all(model_folder);
  test::write_small_model(model_folder, llama::Family::Llama, 2);
  said = complaint(Fault::Input, [&] { run(settings("w4a8-g128")); });
  EXPECT_NE(said.find("another model"), std::string::npos) << said;
  EXPECT_EQ(contents(out), whole);
}

TEST_F(Quantizer, RefusesAFolderThatIsNotForIt) {
  std::string said = complaint(Fault::Input, [&] {
    Request into_model = request(settings("w4a8-g128"));
    into_model.out = model_folder;
    quantize(into_model, listener);
  });
  EXPECT_NE(said.find("the model's own folder"), std::string::npos) << said;
  put("out/notes.txt", "mine");
  said = complaint(Fault::Input, [&] { run(settings("w4a8-g128")); });
  EXPECT_NE(said.find("\"notes.txt\""), std::string::npos) << said;
  EXPECT_EQ(contents(out).size(), 1U);
  fs::remove(out / "notes.txt");
  {
    const OutFolder held(out, model_folder);
    said = complaint(Fault::Input, [&] { run(settings("w4a8-g128")); });
    EXPECT_NE(said.find("another quantize writes there"), std::string::npos) << said;
  }
  EXPECT_EQ(run(settings("w4a8-g128")).written, 5);
  EXPECT_FALSE(fs::exists(out / ".quantize.lock"));
}

TEST_F(Quantizer, ClearsTemporaryFilesThatAKilledRunLeft) {
  put("out/" + layer_file_name(0) + ".tmp123.4", "half");
  run(settings("w4a8-g128"));
  EXPECT_FALSE(fs::exists(out / (layer_file_name(0) + ".tmp123.4")));
}

TEST_F(Quantizer, CalibrationIsPartOfWhatAPieceIsMadeFrom) {
  test::write_small_calibration(model, folder / "a.safetensors", 5);
  test::write_small_calibration(model, folder / "b.safetensors", 6);
  Request with = request(settings("w4a8-g128", "qoq"));
  with.calibration = folder / "a.safetensors";
  const Outcome first = quantize(with, listener);
  EXPECT_NE(first.manifest.calibration, "");
  EXPECT_EQ(quantize(with, listener).kept, 5);
  with.calibration = folder / "b.safetensors";
  const std::string said = complaint(Fault::Input, [&] { quantize(with, listener); });
  EXPECT_NE(said.find("another model or calibration"), std::string::npos) << said;
}

struct Qwen2Quantizer : test::QuantizerTest {
  Qwen2Quantizer() : QuantizerTest(llama::Family::Qwen2) {}
};
struct Qwen3Quantizer : test::QuantizerTest {
  Qwen3Quantizer() : QuantizerTest(llama::Family::Qwen3) {}
};

TEST_F(Qwen2Quantizer, BiasesGoAlong) {
  run(settings("w4a8-g128"));
  const llama::Layer layer = llama::read_layer(Checkpoint::open(model_folder), model.config, 0);
  std::vector<float> expected = layer.q_bias;
  expected.insert(expected.end(), layer.k_bias.begin(), layer.k_bias.end());
  expected.insert(expected.end(), layer.v_bias.begin(), layer.v_bias.end());
  EXPECT_EQ(PackedFile::open(out / layer_file_name(0)).floats("qkv.bias"), expected);
}

TEST_F(Qwen3Quantizer, HeadNormsGoAlongAndATiedHeadIsStoredOnlyWhereItDiffers) {
  run(settings("w4a8-g128"));
  const llama::Layer layer = llama::read_layer(Checkpoint::open(model_folder), model.config, 0);
  EXPECT_EQ(PackedFile::open(out / layer_file_name(0)).floats("k_norm"), layer.k_norm);
  EXPECT_EQ(PackedFile::open(out / head_file_name).plain(), std::vector<std::string>{"final_norm"});
  fs::remove_all(out);
  run(settings("w4a8-g128", "rotation"));
  EXPECT_EQ(PackedFile::open(out / head_file_name).plain(), (std::vector<std::string>{"final_norm", "head"}));
}

/// What the files hold, dequantised: a model again.
llama::Model stored_model(const fs::path& out, const llama::Model& shapes) {
  llama::Model stored = shapes;
  const auto floats = [&](const char* file, const char* name) { return PackedFile::open(out / file).floats(name); };
  stored.ends.embedding.values = floats(embedding_file_name, "embedding");
  stored.ends.head.values = floats(head_file_name, "head");
  stored.ends.final_norm = floats(head_file_name, "final_norm");
  for (size_t index = 0; index < shapes.layers.size(); ++index) {
    const PackedFile file = PackedFile::open(out / layer_file_name(static_cast<int>(index)));
    llama::Layer& layer = stored.layers[index];
    const auto fill = [&](std::string_view name, std::vector<llama::Matrix*> parts) {
      const std::vector<float> w = dequantize(file.linear(name));
      auto from = w.begin();
      for (llama::Matrix* part : parts) {
        std::copy_n(from, part->values.size(), part->values.begin());
        from += static_cast<ptrdiff_t>(part->values.size());
      }
    };
    fill("qkv", {&layer.q, &layer.k, &layer.v});
    fill("o", {&layer.o});
    fill("gate_up", {&layer.gate, &layer.up});
    fill("down", {&layer.down});
    layer.attention_norm = file.floats("attention_norm");
    layer.ffn_norm = file.floats("ffn_norm");
  }
  return stored;
}

TEST_F(Quantizer, TransformedPiecesComputeTheModelAsWellAsUntransformedOnes) {
  const std::vector<int> tokens = llama::test::random_tokens(8, 96, 3), positions{0, 1, 2, 3, 4, 5, 6, 7};
  const llama::Matrix expected = llama::forward(model, tokens, positions, nullptr, 1);
  const auto error_of = [&](const char* recipe) {
    fs::remove_all(out);
    run(settings("w4a8-g32", recipe));
    const llama::Matrix got = llama::forward(stored_model(out, model), tokens, positions, nullptr, 1);
    double error = 0, sum = 0;
    for (size_t i = 0; i < expected.values.size(); ++i) {
      error += std::pow(got.values[i] - expected.values[i], 2);
      sum += std::pow(expected.values[i], 2);
    }
    return error / sum;
  };
  // The tiny model is far from smooth: 4-bit weights cost a third of its logits' energy. Ends that are not transformed
  // as the layers are cost about twice that energy.
  const double plain = error_of("rtn");
  EXPECT_LT(plain, 0.6);
  EXPECT_LT(error_of("rotation,smooth-attention,smooth-outputs,reorder"), 1.5 * plain);
}

}  // namespace
}  // namespace qoq::quantize
