#include "kernels/checkpoint/checkpoint.h"

#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

struct CheckpointTest : ScratchFolder {
  /// A file of one-byte tensors, each holding its name's first letter.
  void put_tensors(const std::string& file, const std::vector<std::string>& names) const {
    std::string header, data;
    for (const std::string& name : names) {
      header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", data.empty() ? "{" : ",",
                            name, data.size(), data.size() + 1);
      data += name[0];
    }
    put(file, with_header(header + "}", data));
  }
  void put_index(std::string_view text) const { put("model.safetensors.index.json", text); }
  std::string refusal() const {
    const std::string said = complaint(Fault::Input, [&] { Checkpoint::open(folder); });
    EXPECT_TRUE(said.starts_with(folder.string())) << said;
    return said;
  }
  void expect_refusal(const std::string& words) const {
    const std::string said = refusal();
    EXPECT_NE(said.find(words), std::string::npos) << said;
  }
};

TEST_F(CheckpointTest, OneFile) {
  put_tensors("model.safetensors", {"b", "a"});
  const auto checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(text_of(checkpoint.tensor("a").bytes), "a");
  EXPECT_TRUE(checkpoint.contains("b"));
  EXPECT_FALSE(checkpoint.contains("c"));
  const std::string said = complaint(Fault::Input, [&] { checkpoint.tensor("c"); });
  EXPECT_EQ(said, folder.string() + ": has no tensor \"c\"");
}

TEST_F(CheckpointTest, Shards) {
  // Enough of them that the list of files grows, and so moves, after tensors were taken from it.
  std::string map;
  for (char c = 'a'; c <= 'z'; ++c) {
    put_tensors(fmt::format("s-{}.safetensors", c), {std::string(1, c), "other"});
    map += fmt::format(R"({}"{}":"s-{}.safetensors")", map.empty() ? "" : ",", c, c);
  }
  put_index(R"({"metadata":{"total_size":1},"weight_map":{)" + map + "}}");
  const auto checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.files().size(), 26u);
  EXPECT_EQ(checkpoint.names().size(), 26u);
  for (char c = 'a'; c <= 'z'; ++c) EXPECT_EQ(text_of(checkpoint.tensor(std::string(1, c)).bytes), std::string(1, c));
  EXPECT_FALSE(checkpoint.contains("other"));
}

TEST_F(CheckpointTest, RefusesFoldersWithoutOne) {
  expect_refusal("has neither model.safetensors nor model.safetensors.index.json");
  std::filesystem::remove_all(folder);
  expect_refusal("is no folder");
}

TEST_F(CheckpointTest, RefusesMissingShardsAndTensors) {
  put_tensors("one", {"a"});
  put_index(R"({"weight_map":{"a":"one","b":"two","c":"two"}})");
  expect_refusal("index.json: the shard \"two\" is missing (2 tensors, the first \"b\")");
  put_tensors("two", {"b"});
  expect_refusal("index.json: tensor \"c\" is not in its shard \"two\"");
  put("two", "short");
  EXPECT_TRUE(refusal().starts_with((folder / "two").string()));
}

TEST_F(CheckpointTest, RefusesBadIndexes) {
  put_tensors("one", {"a"});
  put_index("");
  expect_refusal("the index is not valid JSON at byte 1");
  put_index("[]");
  expect_refusal("has no weight_map of tensors to files");
  put_index(R"({"weight_map":["one"]})");
  expect_refusal("has no weight_map of tensors to files");
  put_index(R"({"weight_map":{"a":"one","a":"one"}})");
  expect_refusal("the index names \"a\" twice");
  for (const char* shard : {"7", R"("")", R"("..")", R"("../one")", R"("/etc/passwd")", R"("one\u0000")"}) {
    put_index(fmt::format(R"({{"weight_map":{{"a":{}}}}})", shard));
    expect_refusal("tensor \"a\": its shard is no file name but ");
  }
}

}  // namespace
}  // namespace qoq::test
