// Counters of small kernels, worked out by hand.
#include "tests/kernels/emulator/race_case.h"

namespace qoq::tests {
namespace {

constexpr Shape one_warp{.threads = 32, .shared_bytes = 16384};

template <class Kernel>
Counters count(Kernel kernel, const Shape& shape = one_warp, const Options& options = {}) {
  RaceMemory memory;
  const Result result = run_kernel(kernel, memory.args(), shape, memory.memory(), options);
  EXPECT_NO_FAULT(result);
  return result.counters;
}

void expect_shared(const SharedCounters& counters, u64 requests, u64 wavefronts, u64 ideal) {
  EXPECT_EQ(counters.requests, requests);
  EXPECT_EQ(counters.wavefronts, wavefronts);
  EXPECT_EQ(counters.ideal_wavefronts, ideal);
}

template <u32 Stride>
void expect_word_stride(u64 wavefronts) {
  const auto kernel = [](const RaceArgs&) { store_shared_u32(shared_base() + thread_index() * Stride * 4, 1); };
  expect_shared(count(kernel).shared_stores, 1, wavefronts, 1);
}

TEST(SharedCounter, ConflictsOfWordStrides) {
  expect_word_stride<1>(1);
  expect_word_stride<2>(2);
  expect_word_stride<3>(1);
  expect_word_stride<4>(4);
  expect_word_stride<8>(8);
  expect_word_stride<32>(32);
  expect_word_stride<33>(1);
}

TEST(SharedCounter, BroadcastIsOneWavefront) {
  const auto kernel = [](const RaceArgs&) {
    if (thread_index() == 0) store_shared_u32(shared_base(), 1);
    sync_warp();
    load_shared_u32(shared_base());
  };
  const Counters counters = count(kernel);
  expect_shared(counters.shared_stores, 1, 1, 1);
  expect_shared(counters.shared_loads, 1, 1, 1);
}

TEST(SharedCounter, WideAccessesGoInPhases) {
  const auto kernel = [](const RaceArgs&) {
    const u32 t = thread_index();
    store_shared_u32x4(shared_base() + t * 16, {});          // 4 phases
    store_shared_u32x4(shared_base() + 1024 + t * 32, {});   // each 2-way
    store_shared_u32x4(shared_base() + 4096 + t * 128, {});  // each 8-way
    sync_warp();
    load_shared_u32x2(shared_base() + t * 8);                          // 2 phases
    load_shared_u32x2(shared_base() + 1024 + t / 2 * 32 + t % 2 * 8);  // each half 2-way
    if (t < 16) load_shared_u32x4(shared_base() + t * 16);             // 2 phases have lanes
  };
  const Counters counters = count(kernel);
  expect_shared(counters.shared_stores, 3, 4 + 8 + 32, 12);
  expect_shared(counters.shared_loads, 3, 2 + 4 + 2, 6);
  EXPECT_EQ(counters.bank_conflicts(), 4u + 28 + 2);
}

template <u32 RowBytes>
void expect_ldmatrix(u64 wavefronts) {
  const auto kernel = [](const RaceArgs&) {
    const u32 row = shared_base() + thread_index() * RowBytes;
    store_shared_u32x4(row, {});
    sync_warp();
    u32 r[4];
    ldmatrix_x4(r, row);
    u32 two[2];
    ldmatrix_x2(two, row);
  };
  expect_shared(count(kernel).matrix_loads, 2, wavefronts, 6);
}

TEST(SharedCounter, LdmatrixTakesAPhasePerMatrix) {
  expect_ldmatrix<16>(6);
  expect_ldmatrix<64>(6 * 4);  // rows 64 bytes apart: chunks meet every second row
  expect_ldmatrix<128>(6 * 8);
  expect_ldmatrix<144>(6);  // padded by a chunk
}

TEST(SharedCounter, CopiesCountLikeStores) {
  const auto kernel = [](const RaceArgs& a) {
    const u32 t = thread_index();
    cp_async_16(shared_base() + t * 16, a.source + t * 4);
    cp_async_16(shared_base() + 4096 + t * 64, a.source, t % 2 == 0);
  };
  const Counters counters = count(kernel);
  expect_shared(counters.async_copies, 2, 4 + 16, 8);
  EXPECT_EQ(counters.buffers.at("source").bytes_read, 32u * 16 + 16 * 16);
  EXPECT_EQ(counters.buffers.at("source").sectors_read, 16u + 1);
}

TEST(SharedCounter, LanesAreOneRequestUnderEverySchedule) {
  const auto kernel = [](const RaceArgs&) {
    const u32 t = thread_index();
    for (u32 i = 0; i < 5; ++i) store_shared_u32(shared_base() + i * 256 + t * 4, 1);
    if (t / 32 == 0) store_shared_u32(shared_base() + 2048 + t * 4, 1);
    sync_threads();
    if (t % 2 == 0) {
      load_shared_u32(shared_base() + t * 4);  // half of the lanes: one request
    }
    load_shared_u32(shared_base() + 256 + t * 4);
    for (u32 i = 0; i < t % 3; ++i) load_shared_u32(shared_base() + 512 + t * 4);  // 0, 1 or 2 times: two requests
  };
  for (const Options& options : all_options()) {
    const Counters counters = count(kernel, {.threads = 64, .shared_bytes = 16384}, options);
    expect_shared(counters.shared_stores, 11, 11, 11);
    expect_shared(counters.shared_loads, 8, 8, 8);
    EXPECT_EQ(counters.barriers, 1u);
  }
}

/// A place in the code of its own.
[[gnu::noinline]] u32 load_elsewhere(u32 at) { return load_shared_u32(at) + 1; }

TEST(SharedCounter, BranchesAreRequestsOfTheirOwn) {
  const auto kernel = [](const RaceArgs&) {
    const u32 at = shared_base() + thread_index() * 4;
    store_shared_u32(at, 1);
    store_shared_u32(at, thread_index() < 16 ? load_shared_u32(at) : load_elsewhere(at));
  };
  expect_shared(count(kernel).shared_loads, 2, 2, 2);
}

TEST(GlobalCounter, SectorsAndBytes) {
  const auto kernel = [](const RaceArgs& a) {
    const u32 t = thread_index();
    load_global(a.source + t);                                              // 128 bytes: 4 sectors
    load_global(a.source + t * 8);                                          // 32 sectors
    load_readonly(reinterpret_cast<const u32x4*>(a.source) + t);            // 512 bytes: 16 sectors
    load_global(a.source + 31 - t);                                         // backwards: 4
    load_global(a.source + 4 + t / 2);                                      // 16 words from byte 16: 3 sectors
    load_global(a.source + t % 2 * 64 + t / 2);                             // two runs by turns: 2 each
    store_global(reinterpret_cast<u16*>(a.data) + t, static_cast<u16>(1));  // 64 bytes: 2
    if (t < 3) store_global(a.data + 100 + t * 100, 1u);                    // 3
  };
  const Counters counters = count(kernel);
  const BufferCounters& source = counters.buffers.at("source");
  EXPECT_EQ(source.bytes_read, 128u + 128 + 512 + 128 + 128 + 128);
  EXPECT_EQ(source.sectors_read, 4u + 32 + 16 + 4 + 3 + 4);
  EXPECT_EQ(source.bytes_written, 0u);
  const BufferCounters& data = counters.buffers.at("data");
  EXPECT_EQ(data.bytes_written, 64u + 12);
  EXPECT_EQ(data.sectors_written, 2u + 3);
  EXPECT_EQ(data.bytes_read, 0u);
}

TEST(GlobalCounter, Atomics) {
  const auto kernel = [](const RaceArgs& a) {
    atomic_add_relaxed(a.flags, 1);
    atomic_add_acq_rel(a.flags + 1, 1);
    load_acquire(a.flags + 2);
    store_release(a.flags + 3, 1);
  };
  const BufferCounters flags = count(kernel).buffers.at("flags");
  EXPECT_EQ(flags.atomics, 64u);
  EXPECT_EQ(flags.bytes_read, 128u);
  EXPECT_EQ(flags.sectors_read, 1u);
  EXPECT_EQ(flags.bytes_written, 128u);
  EXPECT_EQ(flags.sectors_written, 1u);
}

TEST(GlobalCounter, ReadsOnceMeansOnce) {
  // Two CTAs read the same bytes: each read counts.
  const auto kernel = [](const RaceArgs& a) { load_global(a.source + thread_index()); };
  const Counters counters = count(kernel, {.grid = {2, 1, 1}, .threads = 64});
  EXPECT_EQ(counters.buffers.at("source").bytes_read, 512u);
  EXPECT_EQ(counters.buffers.at("source").sectors_read, 16u);
}

TEST(Counter, Collectives) {
  const auto kernel = [](const RaceArgs&) {
    sync_warp();
    shuffle_xor(1, 1);
    i32 d[2][3][4] = {};
    const u32 a[2][4] = {};
    const u32 b[3][2] = {};
    mma_tile_s8s8(d, a, b);
    mma_s8s8(d[0][0], a[0], b[0]);
    sync_threads();
    sync_named(1, 64);
  };
  const Counters counters = count(kernel, {.grid = {3, 1, 1}, .threads = 64});
  EXPECT_EQ(counters.ctas, 3u);
  EXPECT_EQ(counters.collectives, 3u * 2 * 4);
  EXPECT_EQ(counters.mmas, 3u * 2 * 7);
  EXPECT_EQ(counters.barriers, 3u * 2);
}

TEST(Counter, LaunchesAddUp) {
  const auto kernel = [](const RaceArgs& a) {
    load_global(a.source + thread_index());
    store_shared_u32(shared_base() + thread_index() * 8, 1);
  };
  Counters sum = count(kernel);
  sum += count(kernel);
  EXPECT_EQ(sum.buffers.at("source").bytes_read, 256u);
  EXPECT_EQ(sum.bank_conflicts(), 2u);
  EXPECT_EQ(sum.ctas, 2u);
}

}  // namespace
}  // namespace qoq::tests
