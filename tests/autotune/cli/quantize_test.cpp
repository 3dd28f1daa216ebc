// A checkpoint to packed files by the real program: what it prints, what it refuses, and that nothing looks whole then.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "kernels/llama/write.h"
#include "tests/autotune/cli/cli_program.h"
#include "tests/bench/quantize/repeated_model.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::cli {
namespace {

using namespace testing;

constexpr const char* first_shard = "model-00001-of-00002.safetensors";
constexpr const char* last_shard = "model-00002-of-00002.safetensors";

llama::Config small_config(int layers) {
  llama::Config config;
  config.hidden = 128;
  config.intermediate = 256;
  config.layers = layers;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.vocab = 96;
  return config;
}

class Quantize : public ::testing::Test {
 protected:
  Folder folder_;
  fs::path model() const { return folder_ / "model"; }
  fs::path out() const { return folder_ / "out"; }

  void SetUp() override { write_model(small_config(3)); }
  void write_model(const llama::Config& config) const {
    fs::remove_all(model());
    fs::create_directories(model());
    llama::write_model(llama::test::tiny_model(config, 1), model(), DType::BF16, 2);
  }
  std::vector<std::string> command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"quantize", model(), "--out", out(), "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// Replaces the first occurrence in a file of the model by a text of the same length.
  void damage(const std::string& file, const std::string& from, const std::string& to) const {
    ASSERT_EQ(from.size(), to.size());
    std::string bytes = read_text(model() / file);
    const size_t at = bytes.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write_text(model() / file, bytes.replace(at, from.size(), to));
  }
  void replace_key(const std::string& key, const nlohmann::json& value) const {
    auto config = nlohmann::json::parse(read_text(model() / "config.json"));
    config[key] = value;
    write_text(model() / "config.json", config.dump());
  }
  /// No manifest, and no file that is half written.
  void expect_nothing_whole() const {
    EXPECT_FALSE(fs::exists(out() / "quantization.json"));
    if (!fs::exists(out())) return;
    for (const auto& entry : fs::directory_iterator(out()))
      EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
  }
  void expect_refused(int code, const std::vector<std::string>& texts, const std::vector<std::string>& more = {}) {
    testing::expect_sentence(run(command(more)), code, texts, __FILE__, __LINE__);
    expect_nothing_whole();
  }
};

TEST_F(Quantize, SaysTheExactSizeBesideFp16s) {
  const Ran ran = run(command({"--recipe", "rtn"}));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(out())) {
    if (entry.path().filename() != "quantization.json") bytes += fs::file_size(entry.path());
  }
  EXPECT_NE(ran.out.find(": " + std::to_string(bytes) + " bytes"), std::string::npos) << ran.out;
  // Two bytes for every element of the checkpoint, which is bfloat16: its data without headers.
  const uint64_t parameters = 2 * 96 * 128 + 128 + 3 * (2 * 128 + 128 * (256 + 2 * 128) + 128 * 256 + 3 * 128 * 256);
  EXPECT_NE(ran.out.find("fp16 " + std::to_string(2 * parameters) + " bytes"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("5 pieces written, 0 kept"), std::string::npos) << ran.out;
  EXPECT_NE(run(command({"--recipe", "rtn"})).out.find("0 pieces written, 5 kept"), std::string::npos);
}

TEST_F(Quantize, QoqIsTheDefaultAndSaysThatItHasNoCalibration) {
  const Ran ran = run({"quantize", model(), "--out", out()});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("no calibration: the transforms choose by weights alone"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("100%"), std::string::npos) << ran.err;
  EXPECT_NE(ran.out.find("changed the fp32 function of a layer by"), std::string::npos) << ran.out;
  const auto manifest = nlohmann::json::parse(read_text(out() / "quantization.json"));
  EXPECT_NE(manifest["recipe"].get<std::string>().find("rotation"), std::string::npos);
  EXPECT_TRUE(manifest["calibration"].is_null());
  EXPECT_EQ(manifest["layers"].size(), 3U);
  EXPECT_FALSE(manifest["layers"][0]["chosen"].empty());
}

TEST_F(Quantize, TransformsCanBeLeftOut) {
  const Ran ran =
      run(command({"--no-rotation", "--no-clip", "--no-smooth-attention", "--no-smooth-outputs", "--format", "json"}));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(ran.out)["recipe"], "reorder");
  EXPECT_EQ(ran.out, read_text(out() / "quantization.json"));
}

TEST_F(Quantize, ProgressOnATerminalIsOneLineThatIsRewritten) {
  const std::string text = run_on_terminal({"quantize", model(), "--out", out(), "--recipe", "rtn"});
  EXPECT_NE(text.find("\r\033[K"), std::string::npos);
  EXPECT_NE(text.find("layer 2: "), std::string::npos) << text;
  EXPECT_NE(text.find("ETA"), std::string::npos) << text;
  EXPECT_NE(text.find("MB/s of fp16 weights"), std::string::npos) << text;
}

TEST_F(Quantize, ChecksTheResultAgainstTheModel) {
  ASSERT_EQ(run(command({"--recipe", "rotation,reorder"})).code, 0);
  const Ran ran = run({"quantize", "--check", out(), "--against", model(), "--quiet"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* text : {"SQNR", "clipped", "rel. MSE", "gate_up", "random tokens"})
    EXPECT_NE(ran.out.find(text), std::string::npos) << text << "\n" << ran.out;
  const Ran json = run({"quantize", "--check", out(), "--against", model(), "--quiet", "--format", "json"});
  const auto parsed = nlohmann::json::parse(json.out);
  ASSERT_EQ(parsed["layers"].size(), 3U);
  EXPECT_NEAR(parsed["layers"][2]["linears"][0]["weights"]["relative_mse"].get<double>(), 0.008, 0.006);
  write_text(out() / "config.json", "{}");
  EXPECT_SENTENCE(run({"quantize", "--check", out(), "--quiet"}), 2, "config.json");
}

TEST_F(Quantize, AblationAsMarkdownAndJson) {
  const Ran ran = run({"quantize", "--ablate", model(), "--quiet", "--out", folder_ / "table"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("| w4a8-g128 | rtn |"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out, read_text(folder_ / "table" / "ablation.md"));
  const auto json = nlohmann::json::parse(read_text(folder_ / "table" / "ablation.json"));
  EXPECT_GT(json["rows"].size(), 8U);
  EXPECT_TRUE(json["command"].get<std::string>().starts_with("qoqtune quantize --ablate"));
}

TEST_F(Quantize, RefusesShardsThatLie) {
  const std::string whole = read_text(model() / first_shard);
  const auto restore = [&] { write_text(model() / first_shard, whole); };
  write_text(model() / first_shard, whole.substr(0, whole.size() - 10));
  expect_refused(2, {first_shard});
  write_text(model() / first_shard, whole.substr(0, 100));
  expect_refused(2, {first_shard});
  write_text(model() / first_shard, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + whole.substr(8));
  expect_refused(2, {first_shard});
  restore();
  damage(first_shard, "\"BF16\"", "\"BF17\"");
  expect_refused(2, {first_shard, "BF17"});
  restore();
  // Another tensor's data: two of them overlap, and other bytes belong to none.
  const size_t second = whole.find("\"data_offsets\":[", whole.find("\"data_offsets\":[") + 1);
  std::string lying = whole;
  lying[whole.find(']', second) - 1] ^= 1;
  write_text(model() / first_shard, lying);
  expect_refused(2, {first_shard});
}

TEST_F(Quantize, RefusesAMissingShardOrConfig) {
  fs::remove(model() / last_shard);
  expect_refused(2, {last_shard});
  write_model(small_config(3));
  fs::remove(model() / "config.json");
  expect_refused(2, {"config.json", "no such file"});
  fs::remove_all(model());
  expect_refused(2, {"model"});
}

TEST_F(Quantize, RefusesShapesThatConfigContradicts) {
  replace_key("intermediate_size", 384);
  expect_refused(2, {"mlp.", "256", "384"});
  write_model(small_config(3));
  replace_key("vocab_size", 97);
  expect_refused(2, {"model.embed_tokens.weight", "96", "97"});
  write_model(small_config(3));
  for (const auto& [layers, tensor] : {std::pair{4, "model.layers.3"}, std::pair{2, "model.layers.2"}}) {
    replace_key("num_hidden_layers", layers);
    expect_refused(2, {tensor});
    EXPECT_FALSE(fs::exists(out())) << "nothing was begun";
  }
}

TEST_F(Quantize, RefusesAKThatTheGroupDoesNotDivide) {
  llama::Config config = small_config(1);
  config.intermediate = 320;
  write_model(config);
  expect_refused(2, {"down", "K=320", "group of 128"}, {"--recipe", "rtn"});
  EXPECT_FALSE(fs::exists(out())) << "nothing was begun";
  EXPECT_EQ(run(command({"--recipe", "rtn", "--scheme", "w4a8-g64"})).code, 0);
}

TEST_F(Quantize, RefusesWeightsThatAreNoNumbers) {
  for (const auto& [bits, word] :
       {std::pair<std::string, std::string>{std::string("\xc0\x7f", 2), "nan"}, {std::string("\x80\x7f", 2), "inf"}}) {
    write_model(small_config(3));
    std::string bytes = read_text(model() / last_shard);
    write_text(model() / last_shard, bytes.replace(bytes.size() - 2, 2, bits));
    const Ran ran = run(command({"--recipe", "rtn"}));
    EXPECT_SENTENCE(ran, 2, last_shard, word.c_str());
    expect_nothing_whole();
    fs::remove_all(out());
  }
}

TEST_F(Quantize, RefusesWhatItDoesNotKnow) {
  replace_key("model_type", "gpt2");
  expect_refused(2, {"gpt2"});
  write_model(small_config(3));
  expect_refused(2, {"w4a16", "w4a8-g128"}, {"--scheme", "w4a16"});
  expect_refused(2, {"rotations"}, {"--recipe", "rotations"});
  expect_refused(2, {"fragment", "w4a8-channel"}, {"--scheme", "w4a8-channel", "--layout", "fragment"});
  expect_refused(2, {"absent.safetensors"}, {"--calibration", "absent.safetensors"});
  EXPECT_SENTENCE(run({"quantize", model()}), 2, "--out DIR");
  EXPECT_SENTENCE(run({"quantize"}), 2, "MODEL_DIR");
  EXPECT_SENTENCE(run({"quantize", "--check", model()}), 2, "quantization.json");
  EXPECT_SENTENCE(run({"quantize", "--check", out(), "--scheme", "w4a8-g64"}), 2, "--scheme");
  EXPECT_SENTENCE(run({"quantize", "--ablate", model(), "--recipe", "rtn"}), 2, "--recipe");
}

TEST_F(Quantize, RefusesTheModelsOwnFolderAndOneInUse) {
  EXPECT_SENTENCE(run({"quantize", model(), "--out", model(), "--quiet"}), 2, "the model's own folder");
  EXPECT_SENTENCE(run({"quantize", model(), "--out", folder_.path(), "--quiet"}), 2, "the model's own folder");
  write_text(out() / "notes.txt", "mine");
  EXPECT_SENTENCE(run(command()), 2, "notes.txt");
  EXPECT_EQ(read_text(out() / "notes.txt"), "mine");
}

TEST_F(Quantize, OnAFullDiskOneSentenceAndNothingThatLooksWhole) {
  // The limit on a file's size answers as a disk that fills up within a file does.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  for (const rlim_t most : {rlim_t{4096}, rlim_t{60'000}}) {
    rlimit limited = before;
    limited.rlim_cur = most;
    setrlimit(RLIMIT_FSIZE, &limited);
    const Ran ran = run(command({"--recipe", "rtn"}));
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_SENTENCE(ran, 1, "cannot be written");
    expect_nothing_whole();
  }
  EXPECT_EQ(run(command({"--recipe", "rtn"})).code, 0) << "and there it goes on";
}

TEST_F(Quantize, RefusesADiskThatIsTooSmallBeforeItBegins) {
  Disk disk(200);
  if (!disk.mounted()) GTEST_SKIP() << disk.refusal();
  const Ran ran = run({"quantize", model(), "--out", disk / "out", "--quiet", "--recipe", "rtn"});
  EXPECT_SENTENCE(ran, 1, "MB free", "needs");
  EXPECT_FALSE(fs::exists(disk / "out/layer-00000.safetensors"));
}

/// AddressSanitizer's own memory is of the same order as what is measured.
bool sanitized() {
#ifdef __SANITIZE_ADDRESS__
  return true;
#else
  return false;
#endif
}

TEST_F(Quantize, HoldsTwoLayersAtMostHoweverManyThereAre) {
  if (sanitized()) GTEST_SKIP() << "memory is not measured under AddressSanitizer";
  llama::Config config = small_config(16);
  config.hidden = 512;
  config.heads = 8;
  config.kv_heads = 4;
  config.intermediate = 1408;
  fs::remove_all(model());
  quantize::test::write_repeated_model(model(), config);
  const size_t layer = 4 * quantize::test::layer_weights(config);  // 11.8 MB in fp32
  for (const char* recipe : {"rtn", "rotation,smooth-attention,smooth-outputs,reorder"}) {
    fs::remove_all(out());
    Program program(command({"--recipe", recipe}));
    const Ran ran = program.wait();
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_LT(program.peak_bytes(), 2 * layer + 30'000'000) << recipe;  // the program itself has some 15 MB
    EXPECT_GT(program.peak_bytes(), layer) << "or this measures nothing";
  }
  EXPECT_GT(16 * layer / 2, 2 * layer + 60'000'000) << "the whole checkpoint in memory would be seen";
}

class LongQuantize : public Quantize {
 protected:
  void SetUp() override {
    llama::Config config = small_config(12);
    config.intermediate = 1024;
    write_model(config);
  }
  void wait_for(Program& program, const fs::path& file) const {
    while (program.running() && !fs::exists(file)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ASSERT_TRUE(program.running()) << program.wait().err << "it ended before it could be interrupted";
  }
};

TEST_F(LongQuantize, InterruptedOrKilledItGoesOn) {
  for (const int number : {SIGINT, SIGTERM, SIGKILL}) {
    SCOPED_TRACE(number);
    fs::remove_all(out());
    Program program(command());
    wait_for(program, out() / "layer-00001.safetensors");
    program.signal(number);
    const Ran ran = program.wait();
    EXPECT_FALSE(fs::exists(out() / "quantization.json"));
    if (number != SIGKILL) {
      EXPECT_EQ(ran.code, 130);
      EXPECT_NE(ran.err.find("the same command goes on from here"), std::string::npos) << ran.err;
      expect_nothing_whole();
    }
    const Ran rest = run(command());
    EXPECT_EQ(rest.code, 0) << rest.err;
    EXPECT_EQ(rest.out.find(" 0 kept"), std::string::npos) << rest.out;
    EXPECT_EQ(run({"quantize", "--check", out(), "--quiet"}).code, 0);
  }
}

TEST_F(LongQuantize, AFolderThatAnotherRunWritesIsRefused) {
  Program program(command());
  wait_for(program, out() / "layer-00000.safetensors");
  EXPECT_SENTENCE(run(command()), 2, "another quantize writes there");
  program.signal(SIGINT);
  program.wait();
}

}  // namespace
}  // namespace qoq::cli
