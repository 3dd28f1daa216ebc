// The kept corpus, file by file, and mutations of it: whatever bytes a reader is given, it takes them and everything it
// tells of lies in them, or it throws one sentence. Made for the sanitizers, which see a step outside.
#include <algorithm>
#include <fstream>

#include "kernels/checkpoint/checkpoint.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/checkpoint/packed_content.h"
#include "kernels/checkpoint/pickle.h"
#include "kernels/checkpoint/qserve.h"
#include "tests/kernels/checkpoint/corpus.h"
#include "tests/kernels/checkpoint/fuzzing.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

namespace fs = std::filesystem;

const fs::path corpus = fs::path(QOQ_SOURCE_DIR) / "tests/kernels/checkpoint/corpus";
/// Tests that search, among which the seconds are divided.
constexpr int searches = 8;

std::vector<fs::path> files_of(const fs::path& folder, const std::string& ending) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().ends_with(ending)) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Of both folders: damaged files are as good a start as whole ones.
std::vector<std::string> texts_of(const std::string& ending) {
  std::vector<std::string> texts;
  for (const char* folder : {"taken", "refused"}) {
    for (const fs::path& path : files_of(corpus / folder, ending)) texts.push_back(read_file(path));
  }
  return texts;
}

void read_tensors(const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors) {
    const std::vector<uint8_t> bytes = read_values<uint8_t>(tensor);
    ASSERT_EQ(tensor_bytes(tensor.dtype, tensor.shape), bytes.size());
    try {
      read_floats(tensor);
    } catch (const Error&) {  // of another type, or not finite
    }
  }
}

/// From memory of exactly the file's size.
void read_as_safetensors(std::string_view text) {
  const std::vector<std::byte> bytes(bytes_of(text).begin(), bytes_of(text).end());
  read_tensors(read_safetensors("f", bytes).tensors);
}

/// Gives a changed file the digest of what it holds now, where it is still told where to: what lies behind the digest's
/// check is searched too.
std::string with_digest(std::string text) {
  constexpr std::string_view key = R"("digest":")";
  const size_t at = text.find(key);
  if (at == std::string::npos || text.size() - at < key.size() + 32) return text;
  try {
    const SafetensorsContent content = read_safetensors("f", bytes_of(text));
    std::map<std::string, const Tensor*> tensors;
    for (const Tensor& tensor : content.tensors) tensors[tensor.name] = &tensor;
    ContentDigest digest(content.metadata);
    for (const auto& [name, tensor] : tensors) {
      digest.begin_tensor(name, tensor->dtype, tensor->shape);
      digest.add(tensor->bytes);
    }
    return text.replace(at + key.size(), 32, digest.text());
  } catch (const Error&) {
    return text;
  }
}

struct CorpusTest : ScratchFolder {
  /// write_file_atomically syncs, and file systems sync a file that is cut to nothing and written again: a new one
  /// each time takes neither.
  fs::path put_quickly(const std::string& name, std::string_view text) const {
    fs::remove(folder / name);
    std::ofstream(folder / name, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
    return folder / name;
  }
  void read_as_packed(std::string_view text) const {
    const auto file = PackedFile::open(put_quickly("layer.safetensors", text));
    for (const std::string& name : file.linears()) file.linear(name);
    for (const std::string& name : file.plain()) file.floats(name);
  }
  void read_as_qserve(std::string_view text) const {
    put_quickly("model.safetensors", text);
    const auto checkpoint = QServeCheckpoint::open(folder, GroupOrder::Quads);
    for (const std::string& name : checkpoint.linears()) checkpoint.linear(name);
    QServeCheckpoint::open(folder);  // refused unless the numbers tell
  }
  void read_as_index(std::string_view text) const {
    put_quickly("model.safetensors.index.json", text);
    const auto checkpoint = Checkpoint::open(folder);
    for (const std::string& name : checkpoint.names()) read_values<uint8_t>(checkpoint.tensor(name));
  }
  void read_as_pytorch(std::string_view text) const {
    const auto file = PytorchFile::open(put_quickly("model.pt", text));
    read_tensors(file.tensors());
  }
  void put_shards() const {
    fs::copy_file(corpus / "taken/three.safetensors", folder / "a");
    fs::copy_file(corpus / "taken/scalars.safetensors", folder / "b");
  }
  /// By the file's ending.
  void read(const fs::path& path) const {
    const std::string text = read_file(path), name = path.filename().string();
    if (name.ends_with(".safetensors")) read_as_safetensors(text);
    if (name.ends_with(".packed")) read_as_packed(text);
    if (name.ends_with(".pt")) read_as_pytorch(text);
    if (name.ends_with(".index.json")) read_as_index(text);
    if (name.ends_with(".qserve")) {
      put_quickly("model.safetensors", text);
      QServeCheckpoint::open(folder, GroupOrder::Quads).linear("l");
      fs::remove(folder / "model.safetensors");
    }
  }
};

TEST_F(CorpusTest, WholeFilesAreTaken) {
  put_shards();
  const auto paths = files_of(corpus / "taken", "");
  EXPECT_GE(paths.size(), 12u);
  for (const fs::path& path : paths) EXPECT_NO_THROW(read(path)) << path;
}

TEST_F(CorpusTest, DamagedFilesAreRefused) {
  put_shards();
  const auto paths = files_of(corpus / "refused", "");
  EXPECT_GE(paths.size(), 20u);
  for (const fs::path& path : paths) {
    SCOPED_TRACE(path);
    EXPECT_NE(complaint(Fault::Input, [&] { read(path); }), "");
  }
}

/// Written by one machine, quantised again by this one.
TEST_F(CorpusTest, PackedWeightsAreTheSameOnEveryMachine) {
  const auto paths = files_of(corpus / "taken", ".packed");
  ASSERT_EQ(paths.size(), 4u);
  for (const fs::path& path : paths) {
    const auto file = PackedFile::open(path);
    EXPECT_EQ(file.linear("l"), corpus_linear(file.format().group())) << path;
  }
}

TEST_F(CorpusTest, SearchSafetensors) { fuzz(texts_of(".safetensors"), fuzz_seconds(searches), read_as_safetensors); }

TEST_F(CorpusTest, SearchPacked) {
  fuzz(texts_of(".packed"), fuzz_seconds(searches),
       [&](const std::string& text) { read_as_packed(with_digest(text)); });
}

/// The metadata alone, in memory: deeper and faster than through files.
TEST_F(CorpusTest, SearchPackedMetadata) {
  const auto whole = Safetensors::open(corpus / "taken/w4a8-g32-qserve.packed").metadata();
  std::vector<std::string> lines;
  for (const auto& [key, value] : whole) lines.push_back(key + "=" + value);
  fuzz(lines, fuzz_seconds(searches), [&](const std::string& line) {
    auto metadata = whole;
    const size_t at = std::min(line.find('='), line.size());
    metadata[line.substr(0, at)] = line.substr(std::min(at + 1, line.size()));
    PackedContent::parse("f", metadata);
  });
}

TEST_F(CorpusTest, SearchPickle) {
  const std::string archive = read_file(corpus / "taken/groups.pt");
  const size_t begin = archive.find("\x80\x02"), end = archive.find("PK\x03\x04", begin);
  ASSERT_LT(end, archive.size());
  fuzz({archive.substr(begin, end - begin)}, fuzz_seconds(searches),
       [](const std::string& program) { Pickle::read("f", program); });
}

TEST_F(CorpusTest, SearchQServe) {
  fuzz(texts_of(".qserve"), fuzz_seconds(searches), [&](const std::string& text) { read_as_qserve(text); });
}

TEST_F(CorpusTest, SearchPytorch) {
  fuzz(texts_of(".pt"), fuzz_seconds(searches), [&](const std::string& text) { read_as_pytorch(text); });
}

TEST_F(CorpusTest, SearchIndex) {
  put_shards();
  fuzz(texts_of(".index.json"), fuzz_seconds(searches), [&](const std::string& text) { read_as_index(text); });
}

TEST_F(CorpusTest, SearchJson) {
  const std::string config =
      R"({"architectures":["LlamaForCausalLM"],"hidden_size":4096,"rope_theta":500000.0,"rope_scaling":{"factor":8.0},)"
      R"("tie_word_embeddings":false,"model_type":"llama","eos_token_id":[1,2]})";
  fuzz({config, "[1,-2.5e3,\"\\u00e9\"]"}, fuzz_seconds(searches),
       [](const std::string& text) { parse_json("config.json", text).dump(-1, ' ', true); });
}

}  // namespace
}  // namespace qoq::test
