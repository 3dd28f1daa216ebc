#include "tests/kernels/checkpoint/corpus.h"

#include <fmt/format.h>

#include "kernels/base/file.h"
#include "kernels/base/random.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/packed.h"
#include "kernels/checkpoint/safetensors_writer.h"

namespace qoq::test {

namespace fs = std::filesystem;

namespace {

constexpr int n = 32, k = 128;

std::string with_length(std::string_view header, std::string_view data) {
  std::string bytes;
  for (size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes.append(header).append(data);
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

void write_qserve(const fs::path& path, bool groups) {
  const LinearWeights linear = corpus_linear(groups ? 128 : 0);
  const uint64_t rows = n;
  std::vector<TensorDeclaration> tensors{{"l.qweight", DType::I8, {rows, k / 2}}, {"l.s1_scales", DType::F16, {rows}}};
  if (groups) {
    tensors.push_back({"l.s2_scales", DType::I8, {1, rows}});
    tensors.push_back({"l.s2_zeros", DType::I8, {1, rows}});
  } else {
    tensors.push_back({"l.s1_szeros", DType::F16, {rows}});
  }
  SafetensorsWriter writer(path, tensors);
  const auto write_common = [&](const auto& form) {
    writer.write("l.qweight", bytes_of(pack_qserve_weights(form.q4, n, k)));
    writer.write("l.s1_scales", bytes_of(form.s1));
  };
  if (groups) {
    const auto& form = std::get<GroupWeights>(linear.form);
    write_common(form);
    writer.write("l.s2_scales", bytes_of(pack_qserve_metadata(form.metadata.scale, n)));
    writer.write("l.s2_zeros", bytes_of(pack_qserve_metadata(form.metadata.offset, n)));
  } else {
    const auto& form = std::get<ChannelWeights>(linear.form);
    write_common(form);
    writer.write("l.s1_szeros", bytes_of(form.szero));
  }
  writer.finish();
}

void write_taken(const fs::path& folder) {
  write_file_atomically(
      folder / "three.safetensors",
      with_length(R"({"__metadata__":{"format":"pt"},"model.norm.weight":{"dtype":"BF16","shape":[8],)"
                  R"("data_offsets":[0,16]},"q":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]},)"
                  R"("z":{"dtype":"U8","shape":[5],"data_offsets":[40,45]}})",
                  std::string(45, 'w')));
  write_file_atomically(folder / "empty.safetensors", with_length("{}", ""));
  write_file_atomically(folder / "scalars.safetensors",
                        with_length(R"({"s":{"dtype":"F16","shape":[],"data_offsets":[0,2]},)"
                                    R"("none":{"dtype":"I64","shape":[4,0],"data_offsets":[2,2]}})",
                                    "xy"));
  write_file_atomically(folder / "one-shard.index.json",
                        R"({"metadata":{"total_size":45},"weight_map":{"model.norm.weight":"a","q":"a","z":"a"}})");
  write_file_atomically(folder / "two-shards.index.json", R"({"weight_map":{"q":"a","s":"b"}})");
  const PackedFormat formats[] = {{"w4a8-g128", PackedLayout::QServe},
                                  {"w4a8-g128", PackedLayout::Fragment},
                                  {"w4a8-g32", PackedLayout::QServe},
                                  {"w4a8-channel", PackedLayout::QServe}};
  const std::vector<std::byte> gains = write_floats(std::vector<float>{1, -2, 0.5f}, DType::BF16);
  for (const PackedFormat& format : formats) {
    write_packed(folder / fmt::format("{}-{}.packed", format.scheme, layout_name(format.layout)), format,
                 {{"l", corpus_linear(format.group())}}, {{"norm", {DType::BF16, {3}, gains}}}, {{"note", "text"}});
  }
  write_qserve(folder / "groups.qserve", true);
  write_qserve(folder / "channels.qserve", false);
}

void write_refused(const fs::path& folder) {
  const auto one = [&](const std::string& name, std::string_view entry, std::string_view data) {
    write_file_atomically(folder / (name + ".safetensors"), with_length(fmt::format(R"({{"t":{}}})", entry), data));
  };
  one("beyond-the-end", R"({"dtype":"U8","shape":[3],"data_offsets":[0,3]})", "12");
  one("bytes-of-nobody", R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})", "12");
  one("overflow", R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", "");
  one("unknown-type", R"({"dtype":"F4","shape":[1],"data_offsets":[0,1]})", "1");
  one("backwards", R"({"dtype":"U8","shape":[],"data_offsets":[1,0]})", "1");
  write_file_atomically(folder / "overlap.safetensors",
                        with_length(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                    R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                                    "123"));
  write_file_atomically(folder / "huge-header.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}");
  write_file_atomically(folder / "no-length.safetensors", "\x02");
  write_file_atomically(folder / "deep.safetensors", with_length("{\"a\":" + std::string(500, '['), ""));
  write_file_atomically(folder / "no-map.index.json", R"({"weight_map":[]})");
  write_file_atomically(folder / "out-of-the-folder.index.json", R"({"weight_map":{"q":"./a"}})");
  write_file_atomically(folder / "missing-shard.index.json", R"({"weight_map":{"q":"c"}})");
  write_file_atomically(folder / "wrong-shard.index.json", R"({"weight_map":{"q":"b"}})");
  write_file_atomically(folder / "key-twice.index.json", R"({"weight_map":{"q":"a","q":"a"}})");
}

}  // namespace

LinearWeights corpus_linear(int group) {
  Random random(6);
  std::vector<float> w(static_cast<size_t>(n) * k);
  for (float& value : w) value = random.uniform(-1, 1) + random.uniform(-1, 1);
  if (group == 0) return {n, k, quantize_channels(w, n, k)};
  return {n, k, quantize_groups(w, n, k, group)};
}

void write_corpus(const fs::path& folder) {
  fs::create_directories(folder / "taken");
  fs::create_directories(folder / "refused");
  write_taken(folder / "taken");
  write_refused(folder / "refused");
}

}  // namespace qoq::test
