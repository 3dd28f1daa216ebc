// Targets, per core: elements read as floats and packed files written and read ≥ 1 GB/s, counted in bytes of fp16
// weights (two a weight) for the former, of codes (one a weight, as in qoq_bench) for the latter.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "kernels/base/random.h"
#include "kernels/checkpoint/floats.h"
#include "kernels/checkpoint/packed.h"
#include "kernels/checkpoint/packed_content.h"
#include "kernels/checkpoint/safetensors_writer.h"

namespace qoq {
namespace {

namespace fs = std::filesystem;

constexpr int n = 1024, k = 4096;
constexpr size_t weights = size_t{n} * k;

/// A file of this process, gone with it.
struct Scratch {
  fs::path path = fs::temp_directory_path() / fmt::format("checkpoint_bench.{}.safetensors", ::getpid());
  ~Scratch() { fs::remove(path); }
};

std::vector<float> random_weights() {
  Random random(1);
  std::vector<float> w(weights);
  for (float& value : w) value = random.uniform(-1.0f, 1.0f) * random.uniform(0.0f, 0.1f);
  return w;
}

/// dtype: as the enumeration counts.
void read_elements(benchmark::State& state) {
  const auto dtype = static_cast<DType>(state.range(0));
  const Scratch scratch;
  SafetensorsWriter writer(scratch.path, {{"w", dtype, {n, k}}});
  writer.write("w", write_floats(random_weights(), dtype));
  writer.finish();
  const auto file = Safetensors::open(scratch.path);
  std::vector<float> values(weights);
  for (auto _ : state) {
    read_floats(file.tensor("w"), values);
    benchmark::DoNotOptimize(values.data());
  }
  state.SetLabel(std::string(dtype_name(dtype)));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(weights * element_bytes(dtype)));
}
BENCHMARK(read_elements)
    ->Arg(static_cast<int>(DType::F16))
    ->Arg(static_cast<int>(DType::BF16))
    ->Arg(static_cast<int>(DType::F32))
    ->Unit(benchmark::kMillisecond);

void write_elements(benchmark::State& state) {
  const auto dtype = static_cast<DType>(state.range(0));
  const std::vector<float> w = random_weights();
  std::vector<std::byte> bytes(weights * element_bytes(dtype));
  for (auto _ : state) {
    write_floats(w, dtype, bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
  state.SetLabel(std::string(dtype_name(dtype)));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(write_elements)
    ->Arg(static_cast<int>(DType::F16))
    ->Arg(static_cast<int>(DType::BF16))
    ->Unit(benchmark::kMillisecond);

PackedFormat format_of(int64_t index) {
  constexpr PackedLayout layouts[] = {PackedLayout::QServe, PackedLayout::Fragment, PackedLayout::QServe};
  return {index == 2 ? "w4a8-channel" : "w4a8-g128", layouts[index]};
}

LinearWeights linear_of(const PackedFormat& format) {
  const std::vector<float> w = random_weights();
  if (format.group() == 0) return {n, k, quantize_channels(w, n, k)};
  return {n, k, quantize_groups(w, n, k, format.group())};
}

void label(benchmark::State& state, const PackedFormat& format) {
  state.SetLabel(fmt::format("{} {}", format.scheme, layout_name(format.layout)));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(weights));
}

/// Checks, packs, digests, writes, syncs and renames: the disk is in it.
void write_packed_file(benchmark::State& state) {
  const PackedFormat format = format_of(state.range(0));
  const std::map<std::string, LinearWeights> linears{{"x", linear_of(format)}};
  const Scratch scratch;
  for (auto _ : state) write_packed(scratch.path, format, linears, {});
  label(state, format);
}
BENCHMARK(write_packed_file)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);

/// Opens, digests, unpacks and checks a file that the system still holds in memory.
void read_packed_file(benchmark::State& state) {
  const PackedFormat format = format_of(state.range(0));
  const Scratch scratch;
  write_packed(scratch.path, format, {{"x", linear_of(format)}}, {});
  for (auto _ : state) benchmark::DoNotOptimize(PackedFile::open(scratch.path).linear("x"));
  label(state, format);
}
BENCHMARK(read_packed_file)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);

void check_ranges(benchmark::State& state) {
  const PackedFormat format = format_of(state.range(0));
  const LinearWeights linear = linear_of(format);
  for (auto _ : state) check_weights("x", format, linear);
  label(state, format);
}
BENCHMARK(check_ranges)->Arg(0)->Arg(2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq
