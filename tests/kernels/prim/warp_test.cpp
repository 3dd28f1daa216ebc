// Warp-wide operations of the vocabulary: where am I, shuffles, ldmatrix.
#include <random>
#include <vector>

#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

struct Args {
  u32* out;
};

template <class Kernel>
std::vector<u32> run(Kernel kernel, size_t words, const Shape& shape, const Options& options = {}) {
  std::vector<u32> out(words, 0xdeadbeef);
  Memory memory;
  memory.add("out", out.data(), out.size() * 4, Access::ReadWrite);
  EXPECT_NO_FAULT(run_kernel(kernel, Args{out.data()}, shape, memory, options));
  return out;
}

TEST(Position, EveryThreadKnowsItsPlace) {
  const auto out = run(
      [](const Args& a) {
        const u32 cta = (block_index_z() * grid_size_y() + block_index_y()) * grid_size_x() + block_index_x();
        store_global(a.out + cta * 64 + thread_index(), cta * 1000 + thread_index() + grid_size_z() * 100000);
      },
      2 * 3 * 4 * 64, {.grid = {2, 3, 4}, .threads = 64});
  for (u32 i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], i / 64 * 1000 + i % 64 + 400000);
}

TEST(Position, SharedMemoryBeginsOnAKilobyte) {
  const auto out = run([](const Args& a) { store_global(a.out + thread_index(), shared_base() % 1024); }, 32, {});
  EXPECT_EQ(out, std::vector<u32>(32, 0));
}

TEST(Shuffle, XorAndIndexOfEveryLane) {
  for (const Options& options : all_options()) {
    const auto out = run(
        [](const Args& a) {
          const u32 t = thread_index();
          for (u32 mask = 0; mask < 32; ++mask) store_global(a.out + mask * 64 + t, shuffle_xor(t * 3, mask));
          store_global(a.out + 32 * 64 + t, shuffle(t * 5, (t * 7 + 3) % 32));  // each lane asks another one
          store_global(a.out + 33 * 64 + t, shuffle(t, t + 33));                // only five bits count
        },
        34 * 64, {.threads = 64}, options);
    for (u32 t = 0; t < 64; ++t) {
      const u32 warp = t / 32 * 32;
      for (u32 mask = 0; mask < 32; ++mask) ASSERT_EQ(out[mask * 64 + t], (t ^ mask) * 3);
      ASSERT_EQ(out[32 * 64 + t], (warp + (t * 7 + 3) % 32) * 5);
      ASSERT_EQ(out[33 * 64 + t], warp + (t + 1) % 32);
    }
  }
}

/// Fills 32 scattered rows of eight b16 (element value: row · 8 + column), loads them in all ways.
void matrices(const Args& a) {
  const u32 t = thread_index();
  const u32 row = shared_base() + (t * 5 % 32) * 16;
  const auto pair = [&](u32 c) { return (t * 8 + c) | (t * 8 + c + 1) << 16; };
  store_shared_u32x4(row, {pair(0), pair(2), pair(4), pair(6)});
  sync_warp();
  u32 r1[1], r2[2], r4[4], t2[2], t4[4];
  const u32 nowhere = 4;  // misaligned and outside: the upper lanes' addresses of x1 and x2 do not count
  ldmatrix_x1(r1, t < 8 ? row : nowhere);
  ldmatrix_x2(r2, t < 16 ? row : nowhere);
  ldmatrix_x4(r4, row);
  ldmatrix_x2_trans(t2, t < 16 ? row : nowhere);
  ldmatrix_x4_trans(t4, row);
  u32* to = a.out + t * 13;
  store_global(to, r1[0]);
  for (u32 i = 0; i < 2; ++i) store_global(to + 1 + i, r2[i]);
  for (u32 i = 0; i < 4; ++i) store_global(to + 3 + i, r4[i]);
  for (u32 i = 0; i < 2; ++i) store_global(to + 7 + i, t2[i]);
  for (u32 i = 0; i < 4; ++i) store_global(to + 9 + i, t4[i]);
}

TEST(Ldmatrix, EveryLaneHoldsItsPair) {
  const auto out = run([](const Args& a) { matrices(a); }, 32 * 13, {.shared_bytes = 512});
  for (u32 t = 0; t < 32; ++t) {
    // PTX: lane t holds row t / 4, columns 2·(t % 4) and the next; with .trans row and column change places.
    const auto plain = [&](u32 matrix) {
      const u32 first = (matrix * 8 + t / 4) * 8 + t % 4 * 2;
      return first | (first + 1) << 16;
    };
    const auto transposed = [&](u32 matrix) {
      const u32 first = (matrix * 8 + t % 4 * 2) * 8 + t / 4;
      return first | (first + 8) << 16;
    };
    const u32* found = &out[t * 13];
    EXPECT_EQ(found[0], plain(0));
    for (u32 i = 0; i < 2; ++i) EXPECT_EQ(found[1 + i], plain(i));
    for (u32 i = 0; i < 4; ++i) EXPECT_EQ(found[3 + i], plain(i));
    for (u32 i = 0; i < 2; ++i) EXPECT_EQ(found[7 + i], transposed(i));
    for (u32 i = 0; i < 4; ++i) EXPECT_EQ(found[9 + i], transposed(i));
  }
}

}  // namespace
}  // namespace qoq::tests
