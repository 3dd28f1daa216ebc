// Mutations of a small file: whatever the bytes are, the reader says tensors that lie in them, or throws Error.
#include <random>

#include "kernels/base/random.h"
#include "kernels/checkpoint/safetensors.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

const std::string header =
    R"({"__metadata__":{"format":"pt"},"model.norm.weight":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]},)"
    R"("q":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]},"z":{"dtype":"U8","shape":[5],"data_offsets":[40,45]}})";
const std::string whole = with_header(header, std::string(45, 'w'));

/// True when the bytes were taken. They are read from memory of exactly their size, so that a sanitizer sees a step
/// outside, and every byte of every tensor is touched.
bool accepted(std::string_view text) {
  const std::vector<std::byte> bytes(bytes_of(text).begin(), bytes_of(text).end());
  try {
    const SafetensorsContent content = read_safetensors("f", bytes);
    const std::byte* reached = content.tensors.empty() ? nullptr : content.tensors[0].bytes.data();
    for (const Tensor& tensor : content.tensors) {
      EXPECT_EQ(tensor.bytes.data(), reached);
      EXPECT_EQ(tensor_bytes(tensor.dtype, tensor.shape), tensor.bytes.size());
      for (const std::byte& byte : tensor.bytes)
        EXPECT_TRUE(&byte >= bytes.data() && &byte < bytes.data() + bytes.size());
      reached = tensor.bytes.data() + tensor.bytes.size();
    }
    if (reached != nullptr) {
      EXPECT_EQ(reached, bytes.data() + bytes.size());
    }
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    const std::string said = error.what();
    EXPECT_TRUE(said.starts_with("f: ")) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    return false;
  }
}

struct CheckpointFuzz : ScratchFolder {};

TEST_F(CheckpointFuzz, EveryTruncationIsRefused) {
  ASSERT_TRUE(accepted(whole));
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    EXPECT_FALSE(accepted(whole.substr(0, length)));
    const auto path = put("cut.safetensors", whole.substr(0, length));
    EXPECT_NE(complaint(Fault::Input, [&] { Safetensors::open(path); }), "");
  }
}

TEST_F(CheckpointFuzz, EveryBitOfLengthAndHeader) {
  int taken = 0;
  for (size_t bit = 0; bit < 8 * (8 + header.size()); ++bit) {
    std::string text = whole;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    taken += accepted(text);
    if (bit < 64) {
      EXPECT_FALSE(accepted(text)) << "bit " << bit << " of the length";
    }
  }
  EXPECT_GT(taken, 0);  // a letter of a name
}

TEST_F(CheckpointFuzz, HostileNumbers) {
  const char* numbers[] = {"-1",
                           "0",
                           "1",
                           "4294967295",
                           "4294967296",
                           "9223372036854775807",
                           "1e3",
                           "1e400",
                           "-0",
                           "18446744073709551615",
                           "18446744073709551616",
                           "4611686018427387904",
                           "[]",
                           "{}",
                           "\"",
                           "null"};
  for (size_t at = 0; at < header.size(); ++at) {
    const size_t end = header.find_first_not_of("0123456789", at);
    if (end == at) continue;
    for (const char* number : numbers) {
      SCOPED_TRACE(testing::Message() << number << " at " << at);
      std::string text = header;
      text.replace(at, end - at, number);
      if (text != header) accepted(with_header(text, whole.substr(8 + header.size())));
    }
  }
}

/// Byte tensors at random places whose shapes agree with them: taken exactly when every byte of the data has one owner.
TEST_F(CheckpointFuzz, RandomPlaces) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  Random random(seed);
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    const int data = random.between(0, 4);
    std::vector<int> owners(8);
    std::string text;
    for (int i = random.between(1, 3); i > 0; --i) {
      const int begin = random.between(0, 4), size = random.between(1, 3);
      for (int byte = begin; byte < begin + size; ++byte) ++owners[static_cast<size_t>(byte)];
      text += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}})", text.empty() ? "{" : ",", i,
                          size, begin, begin + size);
    }
    bool exact = true;
    for (int byte = 0; byte < 8; ++byte) exact = exact && owners[static_cast<size_t>(byte)] == (byte < data ? 1 : 0);
    ASSERT_EQ(accepted(with_header(text + "}", std::string(static_cast<size_t>(data), 'x'))), exact) << text << data;
    taken += exact;
  }
  EXPECT_GT(taken, 100);
}

/// A few changes of one kind each: a byte, a piece doubled, moved or dropped, a hostile length.
std::string mutated(Random& random, std::string text) {
  const auto position = [&] { return static_cast<size_t>(random.between(0, static_cast<int>(text.size()) - 1)); };
  for (int changes = random.between(1, 4); changes > 0 && !text.empty(); --changes) {
    const size_t at = position(), from = position();
    const auto length = static_cast<size_t>(random.between(1, 24));
    switch (random.between(0, 5)) {
      case 0:
        text[at] = static_cast<char>(random.next());
        break;
      case 1:
        text[at] = R"({}[],:"\0123456789-.eE)"[random.next() % 22];
        break;
      case 2:
        text.insert(at, text.substr(from, length));
        break;
      case 3:
        text.erase(at, length);
        break;
      case 4:
        text.replace(at, length, text.substr(from, length));
        break;
      default:
        text[at % 8 % text.size()] = static_cast<char>(random.next());
        break;
    }
  }
  return text;
}

/// Mutations of the whole file, and of the header alone under a length that is right: the former rarely get past it.
void fuzz(uint64_t seed, int rounds) {
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
    accepted(mutated(random, whole));
    accepted(with_header(mutated(random, header), whole.substr(8 + header.size())));
  }
}

TEST_F(CheckpointFuzz, FixedSeeds) {
  for (const uint64_t seed : {1, 2, 3, 4}) fuzz(seed, 10000);
}

TEST_F(CheckpointFuzz, FreshSeed) { fuzz(std::random_device()(), 10000); }

}  // namespace
}  // namespace qoq::test
