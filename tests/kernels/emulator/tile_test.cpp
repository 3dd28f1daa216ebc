// A whole main loop (the benchmark's) against a plain product, under every schedule and landing.
#include <random>
#include <thread>

#include "tests/bench/emulator/tile_kernel.h"
#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

QOQ_ENTRY(tile_test_entry, bench::tile_kernel, bench::TileArgs, 256, 1)

struct Tile {
  explicit Tile(u32 tiles, unsigned seed) : k(tiles * 64), a(size_t{128} * k), w(size_t{128} * k / 2), out(128 * 128) {
    std::mt19937 random(seed);
    for (auto& byte : a) byte = static_cast<u8>(random());
    for (auto& byte : w) byte = static_cast<u8>(random());
  }

  int weight(u32 n, u32 at_k) const {
    const u32 lane = n % 8 * 4 + at_k % 16 / 4;
    const u32 byte = at_k % 32 / 16 * 8 + n % 16 / 8 * 4 + at_k % 4;
    const u8 pair = w[(size_t{n / 32} * (k / 32) + at_k / 32) * 512 + lane * 16 + byte];
    const int q = n % 32 < 16 ? pair & 15 : pair >> 4;
    return static_cast<i8>((q * 3 + 0x6c) ^ 0x80);
  }

  std::vector<i32> reference() const {
    std::vector<i32> sums(128 * 128);
    for (u32 n = 0; n < 128; ++n) {
      for (u32 i = 0; i < k; ++i) {
        const int value = weight(n, i);
        for (u32 m = 0; m < 128; ++m) sums[m * 128 + n] += static_cast<i8>(a[size_t{m} * k + i]) * value;
      }
    }
    return sums;
  }

  Result run(const Options& options) {
    Memory memory;
    memory.add("a", a.data(), a.size());
    memory.add("w", w.data(), w.size());
    memory.add("out", out.data(), out.size() * 4, Access::Scratch);
    const bench::TileArgs args{a.data(), w.data(), out.data(), k};
    return emulator::launch(tile_test_entry, &args, {}, tile_test_entry_threads, bench::tile_shared_bytes, memory,
                            options);
  }

  u32 k;
  std::vector<u8> a, w;
  std::vector<i32> out;
};

TEST(Tile, EqualsReferenceUnderEverySchedule) {
  for (const Options& options : all_options()) {
    Tile tile(7, static_cast<unsigned>(options.seed));
    const Result result = tile.run(options);
    EXPECT_NO_FAULT(result);
    EXPECT_EQ(tile.out, tile.reference());
  }
}

TEST(Tile, CountersAreExact) {
  Tile tile(7, 1);
  const Counters counters = tile.run({}).counters;
  EXPECT_EQ(counters.bank_conflicts(), 0u);
  EXPECT_EQ(counters.matrix_loads.requests, 7u * 2 * 8 * 4);
  EXPECT_EQ(counters.shared_loads.requests, 7u * 2 * 8);
  EXPECT_EQ(counters.shared_loads.wavefronts, 7u * 2 * 8 * 4);
  EXPECT_EQ(counters.mmas, 7u * 2 * 8 * 16);
  EXPECT_EQ(counters.barriers, 7u);
  EXPECT_EQ(counters.buffers.at("w").bytes_read, tile.w.size());
  EXPECT_EQ(counters.buffers.at("w").sectors_read, tile.w.size() / 32);
  EXPECT_EQ(counters.buffers.at("a").bytes_read, tile.a.size());
  EXPECT_EQ(counters.buffers.at("a").sectors_read, tile.a.size() / 32);
  EXPECT_EQ(counters.buffers.at("out").bytes_written, tile.out.size() * 4);
  EXPECT_EQ(counters.buffers.at("out").sectors_written, tile.out.size() * 4 / 32);
}

TEST(Tile, RunsOnSeveralOsThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (size_t i = 0; i < good.size(); ++i) {
    threads.emplace_back([&, i] {
      Tile tile(3, static_cast<unsigned>(i));
      good[i] = !tile.run({.schedule = i % 2 == 0 ? Schedule::WarpFirst : Schedule::Random}).fault &&
                tile.out == tile.reference();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 1));
}

}  // namespace
}  // namespace qoq::tests
