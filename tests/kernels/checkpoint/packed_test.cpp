#include "kernels/checkpoint/packed.h"

#include <fstream>

#include "kernels/base/float16.h"
#include "kernels/base/random.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

namespace fs = std::filesystem;

std::vector<float> random_weights(uint64_t seed, int n, int k) {
  Random random(seed);
  std::vector<float> w(static_cast<size_t>(n) * static_cast<size_t>(k));
  for (float& value : w) value = random.uniform(-1, 1) * random.uniform(0, 1);
  return w;
}

LinearWeights quantised(const PackedFormat& format, int n, int k, uint64_t seed = 1) {
  const std::vector<float> w = random_weights(seed, n, k);
  if (format.group() == 0) return {n, k, quantize_channels(w, n, k)};
  return {n, k, quantize_groups(w, n, k, format.group())};
}

const PackedFormat every_format[] = {{"w4a8-g128", PackedLayout::QServe},
                                     {"w4a8-g128", PackedLayout::Fragment},
                                     {"w4a8-g64", PackedLayout::QServe},
                                     {"w4a8-g32", PackedLayout::QServe},
                                     {"w4a8-channel", PackedLayout::QServe}};

struct PackedTest : ScratchFolder {
  fs::path path = folder / "layer-00000.safetensors";

  /// A small file and what is in it.
  std::map<std::string, LinearWeights> write(const PackedFormat& format) const {
    const std::map<std::string, LinearWeights> linears{{"down", quantised(format, 32, 256, 3)},
                                                       {"qkv", quantised(format, 96, 128, 2)}};
    const std::vector<std::byte> gains = write_floats(std::vector<float>{1, -2, 0.5f}, DType::BF16);
    write_packed(path, format, linears, {{"norm", {DType::BF16, {3}, gains}}}, {{"recipe", "\"none\"\n"}});
    return linears;
  }
  std::string refusal() const {
    const std::string said = complaint(Fault::Input, [&] { PackedFile::open(path); });
    EXPECT_TRUE(said.starts_with(path.string() + ": ")) << said;
    return said.substr(std::min(said.size(), path.string().size() + 2));
  }
};

TEST_F(PackedTest, EveryFormatComesBackAsItWas) {
  for (const PackedFormat& format : every_format) {
    SCOPED_TRACE(format.scheme + " " + std::string(layout_name(format.layout)));
    const auto linears = write(format);
    const PackedFile file = PackedFile::open(path);
    EXPECT_EQ(file.format(), format);
    EXPECT_EQ(file.linears(), (std::vector<std::string>{"down", "qkv"}));
    EXPECT_EQ(file.plain(), std::vector<std::string>{"norm"});
    EXPECT_EQ(file.floats("norm"), (std::vector<float>{1, -2, 0.5f}));
    EXPECT_EQ(file.notes(), (std::map<std::string, std::string>{{"recipe", "\"none\"\n"}}));
    for (const auto& [name, weights] : linears) EXPECT_EQ(file.linear(name), weights) << name;
  }
}

/// The bytes are those that kernels take: the packers' own.
TEST_F(PackedTest, TheBytesAreTheLayouts) {
  write({"w4a8-g128", PackedLayout::QServe});
  const PackedFile qserve = PackedFile::open(path);
  const LinearWeights weights = qserve.linear("qkv");
  const auto& groups = std::get<GroupWeights>(weights.form);
  const auto text = [](const auto& values) { return text_of(std::as_bytes(std::span(values))); };
  EXPECT_EQ(text_of(qserve.tensor("qkv.qweight").bytes), text(pack_qserve_weights(groups.q4, 96, 128)));
  EXPECT_EQ(text_of(qserve.tensor("qkv.s2_scales").bytes), text(pack_qserve_metadata(groups.metadata.scale, 96)));
  EXPECT_EQ(text_of(qserve.tensor("qkv.s2_zeros").bytes), text(pack_qserve_metadata(groups.metadata.offset, 96)));
  EXPECT_EQ(text_of(qserve.tensor("qkv.s1_scales").bytes), text(groups.s1));
  write({"w4a8-g128", PackedLayout::Fragment});
  EXPECT_EQ(text_of(PackedFile::open(path).tensor("qkv.s2_metadata").bytes),
            text(pack_fragment_metadata(groups.metadata, 96)));
}

TEST_F(PackedTest, TheSameContentIsTheSameFile) {
  write(every_format[0]);
  const std::string first = read_file(path);
  const std::string digest = PackedFile::open(path).digest();
  write(every_format[0]);
  EXPECT_EQ(read_file(path), first);
  write(every_format[1]);
  EXPECT_NE(PackedFile::open(path).digest(), digest);
  EXPECT_EQ(files(), 1);
}

/// The exact rule of z: every zero point and scale that fp16 holds, subnormal scales among them.
TEST_F(PackedTest, EveryChannelZeroComesBack) {
  Random random(5);
  ChannelWeights channels;
  for (int i = 0; i < 32 * 400; ++i) {
    const uint16_t s1 = i < 2000 ? static_cast<uint16_t>(i + 1) : static_cast<uint16_t>(random.between(1, 0x6bff));
    const auto zero = static_cast<uint8_t>(random.between(0, 15));
    channels.s1.push_back(s1);
    channels.zero.push_back(zero);
    channels.szero.push_back(float_to_half(half_to_float(s1) * zero));
  }
  const int n = static_cast<int>(channels.s1.size());
  channels.q4.resize(channels.s1.size() * 32);
  const LinearWeights weights{n, 32, channels};
  write_packed(path, {"w4a8-channel", PackedLayout::QServe}, {{"x", weights}}, {});
  EXPECT_EQ(PackedFile::open(path).linear("x"), weights);
}

/// No byte of the file can change unnoticed: not of the metadata's texts, the names, the shapes or the data.
TEST_F(PackedTest, EveryByteThatChangesIsRefused) {
  write_packed(path, every_format[1], {{"x", quantised(every_format[1], 32, 128)}}, {}, {{"note", "text"}});
  const std::string whole = read_file(path);
  const size_t header = 8 + static_cast<uint8_t>(whole[0]) + 256 * static_cast<size_t>(static_cast<uint8_t>(whole[1]));
  int spaces = 0;
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put_byte = [&](size_t at, int byte) {
    file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(byte)).flush();
  };
  for (size_t at = 0; at < whole.size(); ++at) {
    put_byte(at, whole[at] ^ (1 << at % 7));
    try {
      PackedFile::open(path);
      // JSON's white space is the only freedom: the padding before the data.
      ASSERT_TRUE(whole[at] == ' ' && at < header) << "byte " << at;
      ++spaces;
    } catch (const Error& error) {
      ASSERT_EQ(error.fault(), Fault::Input) << error.what();
    }
    put_byte(at, whole[at]);
  }
  EXPECT_NO_THROW(PackedFile::open(path));
  EXPECT_LT(spaces, 8);
}

TEST_F(PackedTest, RefusesWhatItDoesNotKnow) {
  write(every_format[0]);
  const std::string whole = read_file(path);
  // Replacements of one length, so that only the metadata changes.
  const auto with = [&](const std::string& from, const std::string& to) {
    EXPECT_EQ(from.size(), to.size());
    std::string text = whole;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    std::ofstream(path, std::ios::binary) << text.replace(at, from.size(), to);
    return refusal();
  };
  EXPECT_EQ(with("qoqtune-packed", "other--packing"),
            "is no packed file: its metadata has no format \"qoqtune-packed\"");
  EXPECT_EQ(with(R"("version":"1")", R"("version":"2")"), "is of version 2, this program reads version 1");
  EXPECT_EQ(with(R"("version":"1")", R"("version":"0")"), "its version \"0\" is no number from 1 on");
  EXPECT_EQ(with("w4a8-g128", "w4a8-g256"),
            "unknown scheme \"w4a8-g256\": known are w4a8-g128, w4a8-g64, w4a8-g32 and w4a8-channel");
  EXPECT_EQ(with(R"("group":"128")", R"("group":"064")"), "says a group of \"064\", but w4a8-g128 has 128");
  EXPECT_EQ(with(R"("qserve")", R"("marlin")"), "unknown layout \"marlin\": known are qserve and fragment");
  EXPECT_EQ(with(R"("producer")", R"("produced")"), "its metadata has no producer");
  EXPECT_EQ(with(R"(qkv\":[96,)", R"(qkv\":[64,)"),
            "tensor \"qkv.qweight\": is U8 [96, 64], its linear's shape asks for U8 [64, 64]");
  EXPECT_EQ(with(R"(qkv\":[96,)", R"(qkv\":[95,)"),
            "linear \"qkv\": n=95 k=128: w4a8-g128 takes n in multiples of 32 and k in multiples of 128");
  EXPECT_EQ(with(R"(qkv\":[96,128])", R"(qkv\":[96,8e99)"), "its metadata's linears is not valid JSON at byte 32");
  EXPECT_EQ(with(R"(\"qkv\":)", R"(\"qkw\":)"), "has no tensor \"qkw.qweight\"");
}

/// The same tensors under metadata with one thing more or less.
TEST_F(PackedTest, RefusesKeysAndTensorsThatItDoesNotKnow) {
  write(every_format[0]);
  const auto whole = Safetensors::open(path);
  const auto rewritten = [&](const auto& change, const std::string& left_out) {
    std::map<std::string, std::string> metadata = whole.metadata();
    change(metadata);
    std::vector<TensorDeclaration> declarations;
    for (const Tensor& tensor : whole.tensors()) {
      if (tensor.name != left_out) declarations.push_back({tensor.name, tensor.dtype, tensor.shape});
    }
    SafetensorsWriter writer(path, declarations, metadata);
    for (const TensorDeclaration& each : declarations) writer.write(each.name, whole.tensor(each.name).bytes);
    writer.finish();
    return refusal();
  };
  EXPECT_EQ(rewritten([](auto& metadata) { metadata["rotation"] = "none"; }, ""),
            "its metadata has a key that version 1 does not know: \"rotation\"");
  EXPECT_EQ(rewritten([](auto& metadata) { metadata.erase("notes"); }, ""), "its metadata has no notes");
  EXPECT_EQ(rewritten([](auto&) {}, "down.s2_zeros"), "has no tensor \"down.s2_zeros\"");
  EXPECT_TRUE(rewritten([](auto&) {}, "norm").starts_with("its content is not what was written"));
  EXPECT_EQ(rewritten([](auto& metadata) { metadata["notes"] = "{\"a\":1}"; }, ""), "its note \"a\" is no text");
  EXPECT_EQ(rewritten([](auto& metadata) { metadata["linears"] = "[]"; }, ""),
            "its metadata's linears is no JSON object");
}

TEST_F(PackedTest, AnotherSafetensorsFileIsNoPackedOne) {
  put(path.filename(), with_header(R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "hi"));
  EXPECT_EQ(refusal(), "is no packed file: its metadata has no format \"qoqtune-packed\"");
}

TEST_F(PackedTest, WeightsOutOfTheirRangesAreRefused) {
  const PackedFormat g128 = every_format[0], channel = every_format[4];
  const auto refusal_of = [&](const PackedFormat& format, const auto& change) {
    LinearWeights weights = quantised(format, 32, 256);
    change(weights);
    const std::string said = complaint(Fault::Input, [&] { write_packed(path, format, {{"x", weights}}, {}); });
    EXPECT_EQ(files(), 0);
    const std::string before = path.string() + ": linear \"x\": ";
    EXPECT_TRUE(said.starts_with(before)) << said;
    return said.substr(std::min(said.size(), before.size()));
  };
  const auto group = [](LinearWeights& w) -> GroupWeights& { return std::get<GroupWeights>(w.form); };
  const auto row = [](LinearWeights& w) -> ChannelWeights& { return std::get<ChannelWeights>(w.form); };
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { group(w).q4[256 + 3] = 16; }),
            "weight n=1 k=3 is 16, a 4-bit code is 0 to 15");
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { group(w).metadata.scale[32 + 5] = 17; }),
            "group 1 of row n=5 has the scale 17, which is 1 to 16");
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { group(w).metadata.scale[0] = 0; }),
            "group 0 of row n=0 has the scale 0, which is 1 to 16");
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { group(w).metadata.offset[0] = 1; }).find("has the offset 1, which is"),
            19u);
  EXPECT_EQ(refusal_of(g128,
                       [&](auto& w) {
                         group(w).metadata.scale[0] = 16;
                         group(w).metadata.offset[0] = -96;
                         group(w).q4[7] = 14;
                         std::replace_if(
                             group(w).q4.begin(), group(w).q4.begin() + 128, [](int q) { return q > 14; }, 0);
                       }),
            "group 0 of row n=0 has a weight of (14 − 6)·16 = 128, which leaves int8");
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { group(w).s1[9] = 0x7c00; }),
            "row n=9 has the scale inf, a scale is positive and finite");
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { group(w).group = 64; }),
            "is quantised in groups of 64, the file's scheme has groups of 128");
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { w.k = 128; }), "has 8192 codes, its shape takes 4096");
  EXPECT_EQ(refusal_of(g128, [&](auto& w) { w.n = 16; }),
            "n=16 k=256: w4a8-g128 takes n in multiples of 32 and k in multiples of 128");
  EXPECT_EQ(refusal_of(channel, [&](auto& w) { row(w).zero[1] = 16; }),
            "row n=1 has the zero point 16, which is 0 to 15");
  EXPECT_NE(refusal_of(channel, [&](auto& w) { row(w).szero[1] ^= 1; }).find("which is not fp16("), std::string::npos);
  EXPECT_EQ(refusal_of(channel, [&](auto& w) { w.form = quantize_groups(random_weights(1, 32, 256), 32, 256); }),
            "is quantised in groups of 128, the file's scheme has a scale a channel");
}

TEST_F(PackedTest, ArgumentsThatMakeNoFile) {
  const LinearWeights weights = quantised(every_format[0], 32, 128);
  const std::vector<std::byte> bytes(4);
  const auto refusal_of = [&](const PackedFormat& format, const std::map<std::string, PlainTensor>& plain) {
    const std::string said = complaint(Fault::Input, [&] { write_packed(path, format, {{"x", weights}}, plain); });
    EXPECT_EQ(files(), 0);
    return said;
  };
  EXPECT_NE(refusal_of(every_format[0], {{"x.qweight", {DType::U8, {4}, bytes}}}).find("the name is taken"),
            std::string::npos);
  EXPECT_NE(refusal_of(every_format[0], {{"y", {DType::U8, {5}, bytes}}}).find("4 bytes do not fill its shape"),
            std::string::npos);
  EXPECT_EQ(refusal_of({"w4a8-g64", PackedLayout::Fragment}, {}),
            "the fragment layout is one of group metadata of 128: w4a8-g64 has the qserve layout only");
  EXPECT_NE(refusal_of({"w4a8", PackedLayout::QServe}, {}).find("unknown scheme \"w4a8\""), std::string::npos);
  EXPECT_NE(refusal_of(every_format[0], {{"\xff", {DType::U8, {4}, bytes}}}), "");
}

}  // namespace
}  // namespace qoq::test
