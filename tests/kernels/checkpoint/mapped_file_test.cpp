// A file that shrinks under its readers: one sentence, where touching its mapped pages would end the program (SIGBUS).
#include "kernels/checkpoint/mapped_file.h"

#include "kernels/checkpoint/checkpoint.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/packed.h"
#include "kernels/checkpoint/safetensors_writer.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

namespace fs = std::filesystem;

struct MappedFileTest : ScratchFolder {
  /// Two tensors of 64 KiB.
  fs::path write_two() const {
    const fs::path path = folder / "model.safetensors";
    const std::vector<float> values(16384, 1.0f);
    SafetensorsWriter writer(path, {{"a", DType::F32, {16384}}, {"b", DType::F32, {128, 128}}});
    for (const char* name : {"a", "b"}) writer.write(name, std::as_bytes(std::span(values)));
    writer.finish();
    return path;
  }
};

TEST_F(MappedFileTest, ReadsWhatItMaps) {
  const MappedFile file(put("f", "0123456789"));
  std::string text(4, ' ');
  file.read(3, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(text, "3456");
  EXPECT_EQ(text_of(file.bytes()), "0123456789");
  const std::string said = complaint(Fault::Input, [&] { file.read(8, std::as_writable_bytes(std::span(text))); });
  EXPECT_NE(said.find("was cut short while it was read: 10 bytes at first, now it ends before byte 10"),
            std::string::npos)
      << said;
  EXPECT_EQ(text_of(MappedFile(put("empty", "")).bytes()), "");
}

TEST_F(MappedFileTest, MovingKeepsTheBytes) {
  MappedFile one(put("one", "1")), two(put("two", "22"));
  const MappedFile moved(std::move(one));
  two = MappedFile(put("three", "333"));
  std::string text(3, ' ');
  two.read(0, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(text, "333");
  EXPECT_EQ(text_of(moved.bytes()), "1");
}

/// Elements that are gone are a sentence with the file's name; those still there are read.
TEST_F(MappedFileTest, AShrunkenFileIsASentence) {
  const fs::path path = write_two();
  const auto checkpoint = Checkpoint::open(folder);
  fs::resize_file(path, 3 * 32768);
  EXPECT_EQ(read_floats(checkpoint.tensor("a"))[16383], 1.0f);
  const std::string said = complaint(Fault::Input, [&] { read_floats(checkpoint.tensor("b")); });
  EXPECT_NE(said.find("model.safetensors: was cut short while it was read"), std::string::npos) << said;
  fs::resize_file(path, 0);
  EXPECT_NE(complaint(Fault::Input, [&] { read_floats(checkpoint.tensor("a")); }), "");
}

TEST_F(MappedFileTest, AHeaderThatIsGoneIsASentence) {
  const fs::path path = write_two();
  const MappedFile file(path);
  for (const int size : {100, 4, 0}) {
    fs::resize_file(path, static_cast<uintmax_t>(size));
    EXPECT_NE(complaint(Fault::Input, [&] { read_safetensors("f", file); }).find("was cut short"), std::string::npos);
  }
}

TEST_F(MappedFileTest, APackedFileThatShrinksIsASentence) {
  const fs::path path = folder / "layer-00000.safetensors";
  const std::vector<float> w(256 * 256, 0.5f);
  const LinearWeights linear{256, 256, quantize_groups(w, 256, 256)};
  write_packed(path, {}, {{"x", linear}}, {});
  const auto file = PackedFile::open(path);
  EXPECT_EQ(file.linear("x"), linear);
  fs::resize_file(path, 8192);
  EXPECT_NE(complaint(Fault::Input, [&] { file.linear("x"); }).find("was cut short"), std::string::npos);
}

}  // namespace
}  // namespace qoq::test
