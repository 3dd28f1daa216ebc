// Files of torch.save, from the corpus: write_pytorch.py made them with Python's own pickle and zip modules.
#include <fstream>

#include "kernels/checkpoint/pickle.h"
#include "kernels/checkpoint/qserve.h"
#include "tests/kernels/checkpoint/corpus.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

namespace fs = std::filesystem;

const fs::path corpus = fs::path(QOQ_SOURCE_DIR) / "tests/kernels/checkpoint/corpus";

struct PytorchTest : ScratchFolder {
  /// What the reader says of a file, without the path before it.
  static std::string refusal(const fs::path& path) {
    const std::string said = complaint(Fault::Input, [&] { PytorchFile::open(path); });
    EXPECT_TRUE(said.starts_with(path.string() + ": ")) << said;
    return said.substr(std::min(said.size(), path.string().size() + 2));
  }
  /// Of the whole file with a text in the place of another as long.
  std::string refusal_with(const std::string& from, const std::string& to) const {
    std::string text = read_file(corpus / "taken/groups.pt");
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(from.size(), to.size());
    return refusal(put("x.pt", text.replace(at, from.size(), to)));
  }
};

TEST_F(PytorchTest, TheTensorsAreThoseOfTheSafetensorsFile) {
  const auto expected = Safetensors::open(corpus / "taken/groups.qserve");
  const auto file = PytorchFile::open(corpus / "taken/groups.pt");
  ASSERT_EQ(file.tensors().size(), 4u);
  for (const Tensor& tensor : file.tensors()) {
    const Tensor& same = expected.tensor(tensor.name);
    EXPECT_EQ(tensor.dtype, same.dtype);
    EXPECT_EQ(tensor.shape, same.shape);
    EXPECT_EQ(read_values<uint8_t>(tensor), read_values<uint8_t>(same)) << tensor.name;
  }
}

TEST_F(PytorchTest, QServesConvertersWriteThem) {
  for (const char* name : {"quant_model.pt", "pytorch_model.bin"}) {
    fs::copy_file(corpus / "taken/groups.pt", folder / name);
    EXPECT_EQ(QServeCheckpoint::open(folder, GroupOrder::Quads).linear("l"), corpus_linear(128));
    fs::remove(folder / name);
  }
}

TEST_F(PytorchTest, WhatIsNoDictionaryOfTensorsIsRefused) {
  EXPECT_EQ(refusal(corpus / "refused/transposed.pt"),
            "tensor \"x\": its elements do not lie one after the other: save it with .contiguous()");
  EXPECT_EQ(refusal(corpus / "refused/beyond-storage.pt"), "tensor \"x\": it leaves its storage of 16 bytes");
  EXPECT_EQ(refusal(corpus / "refused/compressed.pt"), "its entry \"archive/data.pkl\" is compressed or encrypted");
  EXPECT_EQ(refusal(corpus / "refused/big-endian.pt"), "its numbers are not little-endian");
  EXPECT_EQ(refusal(corpus / "refused/list.pt"), "holds something else than a dictionary of tensors");
  EXPECT_EQ(refusal_with("HalfStorage", "HalfBorrage"), "tensor \"l.s1_scales\": its storage is \"torch HalfBorrage\"");
  EXPECT_EQ(refusal_with("_rebuild_tensor_v2", "_rebuild_tensor_v9"),
            "tensor \"l.qweight\": would be made by a call of \"torch._utils _rebuild_tensor_v9\", which is not done");
  EXPECT_EQ(refusal(put("old.pt", "\x80\x02\x8a\nl\xfc\x9c")),
            "is no zip archive, as torch.save makes since version 1.6");
}

/// The pickle of another program's call is told, not run.
TEST_F(PytorchTest, CodeIsNotRun) {
  EXPECT_EQ(refusal(corpus / "refused/code.pt"),
            "tensor \"x\": would be made by a call of \"posix system\", which is not done");
  EXPECT_FALSE(fs::exists("code-was-run"));
}

TEST_F(PytorchTest, EveryTruncationIsRefused) {
  const std::string whole = read_file(corpus / "taken/groups.pt");
  for (size_t length = 0; length < whole.size(); length += 7) {
    std::ofstream(folder / std::to_string(length), std::ios::binary) << whole.substr(0, length);
    EXPECT_NE(refusal(folder / std::to_string(length)), "") << length;
  }
}

/// With its zero bytes.
template <size_t size>
std::string_view program(const char (&text)[size]) {
  return {text, size - 1};
}

TEST(PickleTest, Protocols) {
  // {"a": (1, -2), "b": None} as protocol 2 says it, {"x": -256} as protocol 4 does.
  const Pickle two = Pickle::read("p", program("\x80\x02}q\x00(X\x01\x00\x00\x00"
                                               "aq\x01K\x01J\xfe\xff\xff\xff\x86q\x02X\x01\x00\x00\x00"
                                               "bq\x03Nu."));
  ASSERT_EQ(two.value().items.size(), 4u);
  EXPECT_EQ(two.value().items[0]->text, "a");
  EXPECT_EQ(two.value().items[1]->items[1]->number, -2);
  EXPECT_EQ(two.value().items[3]->kind, PickleValue::Kind::None);
  const Pickle four =
      Pickle::read("p", program("\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01x\x94\x8a\x02\x00\xffs."));
  EXPECT_EQ(four.value().items[1]->number, -256);
}

TEST(PickleTest, ProgramsThatAreNoneAreRefused) {
  const auto refusal = [](std::string_view program) {
    return complaint(Fault::Input, [&] { Pickle::read("p", program); });
  };
  EXPECT_EQ(refusal(""), "p at byte 0: the pickle ends in the middle of an operation");
  EXPECT_EQ(refusal("."), "p at byte 1: an operation finds too few values");
  EXPECT_EQ(refusal("}u."), "p at byte 2: an operation finds no mark");
  EXPECT_EQ(refusal("}(Nu."), "p at byte 4: a dictionary's key has no value");
  EXPECT_EQ(refusal("N(."), "p at byte 3: an operation finds too few values");
  EXPECT_EQ(refusal("h\x05."), "p at byte 2: a value is recalled that was not remembered");
  EXPECT_EQ(refusal("X\xff\xff\xff\xff"
                    "abc"),
            "p at byte 5: the pickle ends in the middle of an operation");
  EXPECT_EQ(refusal("NNR."), "p at byte 3: a call of something else than a name");
  EXPECT_EQ(refusal("i."), "p at byte 1: operation 0x69 is none that a dictionary of tensors takes");
  EXPECT_EQ(refusal("\x8a\x09"
                    "123456789."),
            "p at byte 2: a number of more than 64 bits");
}

/// A dictionary that holds itself ends nowhere but here.
TEST(PickleTest, AValueMayHoldItself) {
  const Pickle pickle = Pickle::read("p", program("}q\x00(K\x01h\x00u."));
  EXPECT_EQ(pickle.value().items[1], &pickle.value());
}

}  // namespace
}  // namespace qoq::test
