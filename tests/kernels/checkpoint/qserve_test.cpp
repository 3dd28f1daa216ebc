#include "kernels/checkpoint/qserve.h"

#include <cmath>

#include "kernels/base/float16.h"
#include "kernels/base/random.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

/// Sums of uniforms, cubed for heavier tails, each row with a size of its own.
std::vector<float> random_weights(uint64_t seed, int n, int k, bool heavy) {
  Random random(seed);
  std::vector<float> w;
  for (int row = 0; row < n; ++row) {
    const float size = random.uniform(0.01f, 0.1f);
    for (int i = 0; i < k; ++i) {
      const float x = random.uniform(-1, 1) + random.uniform(-1, 1) + random.uniform(-1, 1);
      w.push_back(size * (heavy ? x * x * x : x));
    }
  }
  return w;
}

/// What a converter's nested view and permute do to [N][groups] metadata: the dimensions of n from the outside in, then
/// their order from the outside in.
std::vector<int8_t> permuted(const std::vector<int8_t>& natural, int n, const std::vector<int>& extents,
                             const std::vector<size_t>& order) {
  const size_t columns = static_cast<size_t>(n);
  std::vector<int8_t> packed(natural.size());
  for (size_t group = 0; group < natural.size() / columns; ++group) {
    for (size_t column = 0; column < columns; ++column) {
      std::vector<size_t> at(extents.size());
      size_t rest = column;
      for (size_t i = extents.size(); i-- > 0; rest /= static_cast<size_t>(extents[i])) {
        at[i] = rest % static_cast<size_t>(extents[i]);
      }
      size_t place = 0;
      for (const size_t i : order) place = place * static_cast<size_t>(extents[i]) + at[i];
      packed[group * columns + place] = natural[group * columns + column];
    }
  }
  return packed;
}

/// QServe: view (N/32, 4, 8) and its last two swapped. DeepCompressor's packs: view (N/32, 2, 2, 8), and the last two
/// swapped.
std::vector<int8_t> pack(const std::vector<int8_t>& natural, int n, GroupOrder order) {
  if (order == GroupOrder::Quads) return permuted(natural, n, {n / 32, 4, 8}, {0, 2, 1});
  return permuted(natural, n, {n / 32, 2, 2, 8}, {0, 1, 3, 2});
}

struct QServeTest : ScratchFolder {
  struct Piece {
    TensorDeclaration declaration;
    std::string bytes;
  };
  std::vector<Piece> pieces;

  template <class T>
  void add(const std::string& name, DType dtype, std::vector<uint64_t> shape, const std::vector<T>& values) {
    pieces.push_back({{name, dtype, std::move(shape)}, text_of(std::as_bytes(std::span(values)))});
  }
  void add(const std::string& name, const LinearWeights& linear, GroupOrder order) {
    const auto n = static_cast<uint64_t>(linear.n), k = static_cast<uint64_t>(linear.k);
    if (const auto* groups = std::get_if<GroupWeights>(&linear.form)) {
      const uint64_t count = k / static_cast<uint64_t>(groups->group);
      add(name + ".qweight", DType::I8, {n, k / 2}, pack_qserve_weights(groups->q4, linear.n, linear.k));
      add(name + ".s1_scales", DType::F16, {n}, groups->s1);
      add(name + ".s2_scales", DType::I8, {count, n}, pack(groups->metadata.scale, linear.n, order));
      add(name + ".s2_zeros", DType::I8, {count, n}, pack(groups->metadata.offset, linear.n, order));
    } else {
      const auto& channels = std::get<ChannelWeights>(linear.form);
      add(name + ".qweight", DType::I8, {n, k / 2}, pack_qserve_weights(channels.q4, linear.n, linear.k));
      add(name + ".s1_scales", DType::F16, {n}, channels.s1);
      add(name + ".s1_szeros", DType::F16, {n}, channels.szero);
    }
  }
  void save() {
    std::vector<TensorDeclaration> declarations;
    for (const Piece& piece : pieces) declarations.push_back(piece.declaration);
    SafetensorsWriter writer(folder / "model.safetensors", declarations);
    for (const Piece& piece : pieces) writer.write(piece.declaration.name, bytes_of(piece.bytes));
    writer.finish();
  }
  Piece& piece(const std::string& name) {
    return *std::find_if(pieces.begin(), pieces.end(), [&](const Piece& p) { return p.declaration.name == name; });
  }
  std::string refusal() {
    save();
    return complaint(Fault::Input, [&] {
      const auto checkpoint = QServeCheckpoint::open(folder);
      for (const std::string& name : checkpoint.linears()) checkpoint.linear(name);
    });
  }
};

TEST_F(QServeTest, QuadsAreThePackersOrder) {
  std::vector<int8_t> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int8_t>(i);
  EXPECT_EQ(pack(values, 64, GroupOrder::Quads), pack_qserve_metadata(values, 64));
  EXPECT_NE(pack(values, 64, GroupOrder::Pairs), pack_qserve_metadata(values, 64));
}

/// Both orders, groups of every size, light and heavy tails: the weights come back as they were quantised.
TEST_F(QServeTest, TheOrderIsToldFromTheNumbers) {
  for (const GroupOrder order : {GroupOrder::Quads, GroupOrder::Pairs}) {
    for (const int group : {128, 64, 32}) {
      for (const bool heavy : {false, true}) {
        SCOPED_TRACE(testing::Message() << group_order_name(order) << " g" << group << (heavy ? " heavy" : " light"));
        pieces.clear();
        const int n = 256, k = 1024;
        const LinearWeights linear{n, k, quantize_groups(random_weights(3, n, k, heavy), n, k, group)};
        add("model.layers.0.mlp.down_proj", linear, order);
        save();
        const auto checkpoint = QServeCheckpoint::open(folder);
        EXPECT_EQ(checkpoint.order(), order);
        EXPECT_EQ(checkpoint.linear("model.layers.0.mlp.down_proj"), linear);
      }
    }
  }
}

TEST_F(QServeTest, ChannelsHaveNoOrder) {
  const LinearWeights linear{64, 96, quantize_channels(random_weights(4, 64, 96, true), 64, 96)};
  add("lm", linear, GroupOrder::Quads);
  add("norm", DType::F16, {2}, std::vector<uint16_t>{0x3c00, 0});
  save();
  const auto checkpoint = QServeCheckpoint::open(folder);
  EXPECT_EQ(checkpoint.order(), std::nullopt);
  EXPECT_EQ(checkpoint.linears(), std::vector<std::string>{"lm"});
  EXPECT_EQ(checkpoint.linear("lm"), linear);
  EXPECT_TRUE(checkpoint.tensors().contains("norm"));
}

/// Zero points all alike speak for no order. A producer known otherwise decides.
TEST_F(QServeTest, NumbersThatDoNotTellAreRefused) {
  LinearWeights linear{64, 128, quantize_groups(random_weights(5, 64, 128, false), 64, 128)};
  auto& metadata = std::get<GroupWeights>(linear.form).metadata;
  for (size_t i = 0; i < metadata.scale.size(); ++i) metadata.offset[i] = static_cast<int8_t>(-7 * metadata.scale[i]);
  add("x", linear, GroupOrder::Pairs);
  const std::string said = refusal();
  EXPECT_NE(said.find("cannot tell which converter ordered its group scales: over 56 groups, codes are off"),
            std::string::npos)
      << said;
  EXPECT_EQ(QServeCheckpoint::open(folder, GroupOrder::Pairs).linear("x"), linear);
  EXPECT_NE(QServeCheckpoint::open(folder, GroupOrder::Quads).linear("x"), linear);
}

/// Few groups are no evidence, however clear.
TEST_F(QServeTest, FewGroupsAreNoEvidence) {
  EXPECT_EQ((OrderEvidence{31, 0.1, 9}.verdict()), std::nullopt);
  EXPECT_EQ((OrderEvidence{32, 0.1, 9}.verdict()), GroupOrder::Quads);
  EXPECT_EQ((OrderEvidence{32, 9, 4.4}.verdict()), GroupOrder::Pairs);
  EXPECT_EQ((OrderEvidence{32, 9, 4.5}.verdict()), std::nullopt);
  EXPECT_EQ((OrderEvidence{32, 0, 0}.verdict()), std::nullopt);
}

TEST_F(QServeTest, NoiseIsRefused) {
  LinearWeights linear{256, 512, quantize_groups(random_weights(6, 256, 512, true), 256, 512)};
  Random random(1);
  for (int8_t& scale : std::get<GroupWeights>(linear.form).metadata.scale) {
    scale = static_cast<int8_t>(random.between(0, 17));
  }
  add("x", linear, GroupOrder::Quads);
  EXPECT_NE(refusal().find("cannot tell which converter"), std::string::npos);
}

TEST_F(QServeTest, WhatKernelsCannotReadIsRefused) {
  const LinearWeights groups{256, 512, quantize_groups(random_weights(7, 256, 512, true), 256, 512)};
  const auto refusal_of = [&](const auto& change) {
    pieces.clear();
    add("x", groups, GroupOrder::Quads);
    change();
    return refusal();
  };
  const std::string file = (folder / "model.safetensors").string();
  EXPECT_EQ(refusal_of([&] { piece("x.s2_scales").bytes[0] = 18; }),
            file + ": tensor \"x.s2_scales\": group 0 of column 0 has scale 18: 15·scale must fit a byte, so 0 to 17");
  EXPECT_EQ(
      refusal_of([&] { piece("x.s1_scales").bytes[7] = '\x7c', piece("x.s1_scales").bytes[6] = 0; }),
      file + ": tensor \"x.s1_scales\": row 3 has inf, a scale and a scaled zero point are finite and not negative");
  EXPECT_EQ(refusal_of([&] { piece("x.s1_scales").declaration.dtype = DType::BF16; }),
            file + ": tensor \"x.s1_scales\": is BF16 [256], expected F16 [256]");
  EXPECT_EQ(
      refusal_of([&] {
        piece("x.s2_scales").declaration.shape = {2, 512};
      }),
      file + ": tensor \"x.s2_scales\": is I8 [2, 512], expected I8 [512 / group, 256] with a group of 128, 64 or 32");
  EXPECT_EQ(refusal_of([&] { piece("x.s2_zeros").declaration.shape = {1024}; }),
            file + ": tensor \"x.s2_zeros\": is I8 [1024], expected I8 [4, 256]");
  EXPECT_EQ(refusal_of([&] {
              piece("x.qweight").declaration.shape = {128, 512};
            }),
            file + ": tensor \"x.s1_scales\": is F16 [256], expected F16 [128]");
  EXPECT_EQ(refusal_of([&] {
              piece("x.qweight").declaration.shape = {8, 8192};
            }),
            file + ": tensor \"x.qweight\": is I8 [8, 8192], expected I8 [N, K/2] with N and K multiples of 32");
  EXPECT_EQ(refusal_of([&] { add("x.s1_szeros", DType::F16, {256}, std::vector<uint16_t>(256)); }),
            file + ": tensor \"x.qweight\": has s1_szeros and s2_scales, expected one");
  EXPECT_NE(refusal_of([&] { pieces.pop_back(); }).find("has no tensor \"x.s2_zeros\""), std::string::npos);
}

TEST_F(QServeTest, OtherFoldersAreRefused) {
  add("norm", DType::F16, {2}, std::vector<uint16_t>(2));
  EXPECT_NE(refusal().find("has no NAME.qweight"), std::string::npos);
  std::filesystem::remove(folder / "model.safetensors");
  EXPECT_NE(complaint(Fault::Input, [&] { QServeCheckpoint::open(folder); }).find("has neither model.safetensors nor"),
            std::string::npos);
}

}  // namespace
}  // namespace qoq::test
