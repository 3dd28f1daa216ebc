#include "kernels/checkpoint/safetensors_writer.h"

#include <sys/resource.h>

#include <csignal>
#include <limits>
#include <random>

#include "kernels/base/random.h"
#include "kernels/checkpoint/safetensors.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

struct SafetensorsWriterTest : ScratchFolder {
  std::filesystem::path path = folder / "out.safetensors";
  const std::vector<TensorDeclaration> three = {
      {"odd", DType::I8, {3}}, {"wide", DType::F32, {2, 2}}, {"half", DType::F16, {1, 0}}};
};

TEST_F(SafetensorsWriterTest, RoundTrip) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<TensorDeclaration> tensors;
    std::map<std::string, std::string> data;
    for (int i = random.between(0, 12); i > 0; --i) {
      TensorDeclaration tensor{fmt::format("layer.{}.\"ü\n", i), static_cast<DType>(random.between(0, 14)), {}};
      for (int d = random.between(0, 3); d > 0; --d)
        tensor.shape.push_back(static_cast<uint64_t>(random.between(0, 9)));
      const auto raw = random.bytes<char>(*tensor_bytes(tensor.dtype, tensor.shape), [](uint8_t b) { return char(b); });
      data[tensor.name] = {raw.begin(), raw.end()};
      tensors.push_back(std::move(tensor));
    }
    const std::map<std::string, std::string> metadata = {{"producer", "tëst"}};
    SafetensorsWriter writer(path, tensors, metadata);
    // Two mixed passes: a part of every tensor, then the rest, names in another order than declared.
    for (const auto& [name, bytes] : data) writer.write(name, bytes_of(bytes).first(bytes.size() / 3));
    for (const auto& [name, bytes] : data) writer.write(name, bytes_of(bytes).subspan(bytes.size() / 3));
    writer.finish();
    EXPECT_EQ(files(), 1);

    const auto file = Safetensors::open(path);
    EXPECT_EQ(file.metadata(), metadata);
    ASSERT_EQ(file.tensors().size(), tensors.size());
    for (const auto& tensor : tensors) {
      const Tensor& found = file.tensor(tensor.name);
      EXPECT_EQ(found.dtype, tensor.dtype);
      EXPECT_EQ(found.shape, tensor.shape);
      EXPECT_EQ(text_of(found.bytes), data[tensor.name]);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(found.bytes.data()) % element_bytes(found.dtype), 0u);
    }
  }
}

TEST_F(SafetensorsWriterTest, IsAbsentUntilFinished) {
  {
    SafetensorsWriter writer(path, three);
    writer.write("wide", bytes_of("0123456789abcdef"));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_EQ(files(), 0);
  put("out.safetensors", "old");
  {
    SafetensorsWriter writer(path, three);
    writer.write("wide", bytes_of("0123456789abcdef"));
    writer.write("odd", bytes_of("ab"));
    EXPECT_NE(complaint(Fault::Work, [&] { writer.finish(); }).find("tensor \"odd\": 2 of its 3 bytes were written"),
              std::string::npos);
    EXPECT_NE(complaint(Fault::Work, [&] { writer.write("odd", {}); }).find("given up"), std::string::npos);
    EXPECT_NE(complaint(Fault::Work, [&] { writer.finish(); }).find("given up"), std::string::npos);
  }
  EXPECT_EQ(files(), 1);
  EXPECT_EQ(read_file(path), "old");
}

TEST_F(SafetensorsWriterTest, RefusesMoreThanDeclared) {
  SafetensorsWriter writer(path, three);
  writer.write("odd", bytes_of("ab"));
  EXPECT_NE(complaint(Fault::Work, [&] { writer.write("odd", bytes_of("cd")); }).find("more data than the 3 bytes"),
            std::string::npos);
  SafetensorsWriter other(path, three);
  EXPECT_NE(complaint(Fault::Work, [&] { other.write("even", {}); }).find("tensor \"even\" was not declared"),
            std::string::npos);
  EXPECT_EQ(files(), 0);
}

TEST_F(SafetensorsWriterTest, RefusesBadDeclarations) {
  const auto refusal = [&](const std::vector<TensorDeclaration>& tensors) {
    return complaint(Fault::Input, [&] { SafetensorsWriter(path, tensors); });
  };
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  EXPECT_NE(refusal({{"a", DType::U8, {1}}, {"a", DType::F32, {1}}}).find("\"a\": the name is taken"),
            std::string::npos);
  EXPECT_NE(refusal({{"__metadata__", DType::U8, {1}}}).find("the name is taken"), std::string::npos);
  EXPECT_NE(refusal({{"a", DType::F32, {most}}}).find("shape is too large"), std::string::npos);
  EXPECT_NE(refusal({{"a", DType::U8, {most}}}).find("shape is too large"), std::string::npos);
  EXPECT_NE(refusal({{"a", DType::U8, {most / 4}}, {"b", DType::U8, {most / 4}}}).find("\"b\": its shape is too large"),
            std::string::npos);
  EXPECT_NE(refusal({{"\xff", DType::U8, {1}}}).find("is no UTF-8"), std::string::npos);
  EXPECT_EQ(files(), 0);
  EXPECT_NE(complaint(Fault::Work, [&] { SafetensorsWriter(folder / "no" / "x", three); }).find("cannot be written"),
            std::string::npos);
}

/// While it lives, files of this process end at `bytes`, as on a disk that is full: a write stops short, the next
/// fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit small = before_;
    small.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(SafetensorsWriterTest, AFullDiskLeavesNothing) {
  const std::string data(4096, 'x');
  for (const rlim_t limit : {0, 4, 8, 20, 100, 4095, 4096}) {
    SCOPED_TRACE(limit);
    std::string said;
    {
      const FileSizeLimit full(limit);
      said = complaint(Fault::Work, [&] {
        SafetensorsWriter writer(path, {{"t", DType::U8, {4096}}});
        writer.write("t", bytes_of(data));
        writer.finish();
      });
    }
    EXPECT_NE(said.find("out.safetensors: cannot be written"), std::string::npos) << said;
    EXPECT_EQ(files(), 0);
  }
}

}  // namespace
}  // namespace qoq::test
