#include "kernels/checkpoint/safetensors.h"

#include <sys/stat.h>

#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

namespace fs = std::filesystem;

struct SafetensorsTest : ScratchFolder {
  /// What the reader says of these bytes, without the path before it.
  std::string refusal(std::string_view bytes) const {
    const fs::path path = put("bad.safetensors", bytes);
    const std::string said = complaint(Fault::Input, [&] { Safetensors::open(path); });
    const std::string before = path.string() + ": ";
    EXPECT_TRUE(said.starts_with(before)) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    return said.substr(std::min(said.size(), before.size()));
  }
  /// Of a header with one tensor "t" of this text.
  std::string refusal_of_entry(std::string_view entry, std::string_view data = "") const {
    return refusal(with_header("{\"t\":" + std::string(entry) + "}", data));
  }
};

TEST_F(SafetensorsTest, ReadsAFileWrittenByHand) {
  const auto file = Safetensors::open(put("a.safetensors", with_header(R"({"__metadata__":{"format":"pt"},
      "b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}, "none":{"dtype":"I64","shape":[2,0],"data_offsets":[4,4]},
      "a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},"s":{"data_offsets":[7,9],"shape":[],"dtype":"F16"}}   )",
                                                                       "0123456xy")));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a", "b", "none", "s"}));
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[3].name, "s");
  EXPECT_EQ(file.tensor("a").dtype, DType::BF16);
  EXPECT_EQ(file.tensor("a").shape, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(text_of(file.tensor("a").bytes), "0123");
  EXPECT_EQ(text_of(file.tensor("b").bytes), "456");
  EXPECT_EQ(text_of(file.tensor("s").bytes), "xy");
  EXPECT_TRUE(file.tensor("s").shape.empty());
  EXPECT_TRUE(file.tensor("none").bytes.empty());
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_NE(complaint(Fault::Input, [&] { file.tensor("c\n"); }).find("has no tensor \"c\\n\""), std::string::npos);
}

TEST_F(SafetensorsTest, ViewsSurviveAMove) {
  auto file = Safetensors::open(
      put("a.safetensors", with_header(R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "hi")));
  const Tensor& tensor = file.tensor("t");
  const Safetensors moved = std::move(file);
  EXPECT_EQ(&moved.tensor("t"), &tensor);
  EXPECT_EQ(text_of(tensor.bytes), "hi");
}

TEST_F(SafetensorsTest, EveryDTypeHasItsSize) {
  const std::pair<const char*, size_t> sizes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
                                                  {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
                                                  {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};
  for (const auto& [name, bytes] : sizes) {
    const auto dtype = find_dtype(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(dtype_name(*dtype), name);
    EXPECT_EQ(element_bytes(*dtype), bytes) << name;
  }
}

TEST_F(SafetensorsTest, RefusesWhatIsNoFile) {
  EXPECT_NE(complaint(Fault::Input, [&] { Safetensors::open(folder / "none"); }).find("none: cannot be read: No such"),
            std::string::npos);
  EXPECT_NE(complaint(Fault::Input, [&] { Safetensors::open(folder); }).find("is no regular file"), std::string::npos);
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(complaint(Fault::Input, [&] { Safetensors::open(pipe); }).find("is no regular file"), std::string::npos);
}

TEST_F(SafetensorsTest, RefusesBadLengths) {
  using namespace std::string_literals;
  EXPECT_EQ(refusal(""), "0 bytes long, a safetensors file has 8 bytes of header length at least");
  EXPECT_EQ(refusal("1234567"), "7 bytes long, a safetensors file has 8 bytes of header length at least");
  EXPECT_EQ(refusal("\3\0\0\0\0\0\0\0{}"s), "says its header is 3 bytes long, but only 2 follow (cut short?)");
  EXPECT_EQ(refusal("\xff\xff\xff\xff\xff\xff\xff\xff{}"s),
            "says its header is 18446744073709551615 bytes long, at most 100000000 are allowed");
  EXPECT_EQ(refusal("\x01\xe1\xf5\x05\0\0\0\0{}"s),
            "says its header is 100000001 bytes long, at most 100000000 are allowed");
  EXPECT_EQ(refusal(with_header("")), "the header does not begin with {");
}

TEST_F(SafetensorsTest, RefusesBadJson) {
  EXPECT_EQ(refusal(with_header(" {}")), "the header does not begin with {");
  EXPECT_EQ(refusal(with_header("{]")), "the header is not valid JSON at byte 2");
  EXPECT_EQ(refusal(with_header("{\"\xff\":1}")), "the header is not valid JSON at byte 3");
  EXPECT_EQ(refusal(with_header("{} x")), "the header is not valid JSON at byte 4");
  EXPECT_EQ(refusal(with_header("{\"t\":1e999}")), "the header is not valid JSON: a number is too large");
  EXPECT_EQ(refusal(with_header("{\"t\":" + std::string(100000, '['))), "the header nests deeper than 4 levels");
  EXPECT_EQ(refusal(with_header(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},
                                    "t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})")),
            "the header names \"t\" twice");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]})"),
            "the header names \"shape\" twice");
  EXPECT_EQ(refusal(with_header(R"({"__metadata__":[]})")), "__metadata__ is no object");
  EXPECT_EQ(refusal(with_header(R"({"__metadata__":{"a":1}})")), "__metadata__'s \"a\" is no string");
}

TEST_F(SafetensorsTest, RefusesBadEntries) {
  EXPECT_EQ(refusal_of_entry("7"), "tensor \"t\": is no object");
  EXPECT_EQ(refusal_of_entry(R"({"shape":[],"data_offsets":[0,1]})"), "tensor \"t\": has no dtype");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","data_offsets":[0,1]})"), "tensor \"t\": has no shape");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[]})"), "tensor \"t\": has no data_offsets");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[],"data_offsets":[0,1],"x":0})"),
            "tensor \"t\": has more than dtype, shape and data_offsets");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":8,"shape":[],"data_offsets":[0,1]})"), "tensor \"t\": its dtype is no string");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F4","shape":[],"data_offsets":[0,1]})"),
            "tensor \"t\": unknown dtype \"F4\"");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":3,"data_offsets":[0,3]})"), "tensor \"t\": its shape is no list");
  for (const char* shape : {"-1", "1.0", "\"1\"", "null", "18446744073709551616"}) {
    EXPECT_EQ(refusal_of_entry(fmt::format(R"({{"dtype":"U8","shape":[1,{}],"data_offsets":[0,1]}})", shape), "x"),
              "tensor \"t\": its shape holds something else than integers from 0 on");
  }
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[1],"data_offsets":[0]})"),
            "tensor \"t\": its data_offsets hold 1 numbers, expected 2");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[1],"data_offsets":[-1,0]})"),
            "tensor \"t\": its data_offsets holds something else than integers from 0 on");
}

TEST_F(SafetensorsTest, RefusesSizesThatOverflow) {
  const std::string words = "tensor \"t\": its shape has more elements than 64 bits can count";
  // 2^32 · 2^32 is 0 in 64 bits, 2^62 · 4 bytes too: both would seem to fit into no data.
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]})"), words);
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]})"), words);
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]})"), words);
}

TEST_F(SafetensorsTest, RefusesOffsetsThatLie) {
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[1],"data_offsets":[1,0]})", "x"),
            "tensor \"t\": its data ends (0) before it begins (1)");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,7]})", "1234567"),
            "tensor \"t\": its data_offsets span 7 bytes, its F32 shape takes 8");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", "1234567"),
            "tensor \"t\": its data ends at 8, the file's at 7 (cut short?)");
  EXPECT_EQ(
      refusal_of_entry(R"({"dtype":"U8","shape":[2],"data_offsets":[18446744073709551613,18446744073709551615]})"),
      "tensor \"t\": its data ends at 18446744073709551615, the file's at 0 (cut short?)");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[2],"data_offsets":[1,3]})", "123"),
            "1 bytes before tensor \"t\" belong to no tensor");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})", "123"),
            "its last 1 bytes belong to no tensor");
  EXPECT_EQ(refusal(with_header(R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                                    "u":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                                "123")),
            "tensor \"u\": its data overlaps another tensor's");
  EXPECT_EQ(refusal(with_header(R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                                    "u":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})",
                                "12")),
            "tensor \"u\": its data overlaps another tensor's");
  EXPECT_EQ(refusal(with_header(R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                                    "u":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
                                "1234")),
            "1 bytes before tensor \"u\" belong to no tensor");
}

TEST_F(SafetensorsTest, SaysHostileNamesInShort) {
  const std::string said = refusal(with_header("{\"" + std::string(100000, 'n') + "\\u001b[2J\":7}"));
  EXPECT_LT(said.size(), 200u);
}

}  // namespace
}  // namespace qoq::test
