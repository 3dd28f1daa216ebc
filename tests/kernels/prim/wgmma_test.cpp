// wgmma of every width and signedness against a naive product. Fragments by the figures of the PTX ISA for
// wgmma.m64nNk32 (A in registers, D), written down here a second time, element by element.
#include <random>
#include <utility>
#include <vector>

#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

constexpr u32 steps = 3;  // of 32 along k

struct Args {
  const u8* a;  // [64][k]
  const u8* b;  // as it lies in shared memory
  i32* d;       // [64][n]
  u32 b_bytes;
};

enum class Types { s8s8, s8u8, u8s8 };
enum class Layout { Plain, Swizzled };

constexpr u32 k_bytes(Layout layout) { return layout == Layout::Plain ? 32 * steps : 128; }

/// Plain: core matrices of 8 × 16 bytes, those along n adjacent. Swizzled: rows of 128 bytes.
u32 place(Layout layout, u32 n, u32 row, u32 k) {
  if (layout == Layout::Plain) return k / 16 * (n * 16) + row / 8 * 128 + row % 8 * 16 + k % 16;
  return row * 128 + ((k / 16 ^ row % 8) * 16) + k % 16;
}

template <Layout layout, int N>
QOQ_DEVICE u64 descriptor(u32 step) {
  if constexpr (layout == Layout::Plain) return wgmma_descriptor(shared_base() + step * 2 * N * 16, N * 16, 128);
  return wgmma_descriptor_swizzled(shared_base() + step * 32, 1024);
}

template <int N, Types types, Layout layout>
void kernel(const Args& args) {
  for (u32 i = thread_index() * 16; i < args.b_bytes; i += 128 * 16) {
    store_shared_u32x4(shared_base() + i, load_global(reinterpret_cast<const u32x4*>(args.b + i)));
  }
  fence_proxy_async();
  sync_threads();
  const u32 warp = thread_index() / 32;
  const u32 group = thread_index() % 32 / 4;
  const u32 in_group = thread_index() % 4;
  u32 a[steps][4] = {};
  for (u32 step = 0; step < steps; ++step) {
    for (u32 e = 0; e < 16; ++e) {
      const u32 row = warp * 16 + group + (e < 4 || (e >= 8 && e < 12) ? 0 : 8);
      const u32 column = step * 32 + in_group * 4 + (e & 3) + (e >= 8 ? 16 : 0);
      a[step][e / 4] |= u32{load_global(args.a + row * (32 * steps) + column)} << (e % 4 * 8);
    }
  }
  i32 d[N / 2];
  const auto each = [&](auto&& visit) {
    for (u32 i = 0; i < N / 2; ++i) {
      const u32 row = warp * 16 + group + (i % 4 >= 2 ? 8 : 0);
      visit(d[i], args.d + row * N + i / 4 * 8 + in_group * 2 + i % 2);
    }
  };
  each([](i32& mine, i32* at) { mine = load_global(at); });
  for (u32 step = 0; step < steps; ++step) {
    wgmma_fence();
    // The second step replaces what the first has left: only it and the third count.
    if constexpr (types == Types::s8s8) wgmma_s8s8(d, a[step], descriptor<layout, N>(step), step != 1 || N % 16 == 0);
    if constexpr (types == Types::s8u8) wgmma_s8u8(d, a[step], descriptor<layout, N>(step), step != 1 || N % 16 == 0);
    if constexpr (types == Types::u8s8) wgmma_u8s8(d, a[step], descriptor<layout, N>(step), step != 1 || N % 16 == 0);
    if (step != 1) wgmma_commit();
  }
  wgmma_wait<0>();
  each([](i32& mine, i32* at) { store_global(at, mine); });
}

template <int N, Types types, Layout layout>
void check(unsigned seed, const Options& options) {
  std::mt19937 random(seed);
  constexpr u32 k = 32 * steps;
  constexpr u32 b_bytes = N * k_bytes(layout);
  std::vector<u8> a(64 * k);
  std::vector<u8> b_plain(N * k);
  std::vector<u8> b(b_bytes);
  std::vector<i32> d(64 * N);
  for (u8& x : a) x = static_cast<u8>(random());
  for (u8& x : b_plain) x = static_cast<u8>(random());
  for (u8& x : b) x = static_cast<u8>(random());
  for (i32& x : d) x = static_cast<i32>(random());  // sums wrap
  for (u32 row = 0; row < N; ++row) {
    for (u32 i = 0; i < k; ++i) b[place(layout, N, row, i)] = b_plain[row * k + i];
  }
  std::vector<i32> expected(64 * N);
  for (u32 row = 0; row < 64; ++row) {
    for (u32 column = 0; column < N; ++column) {
      const bool replaced = N % 16 != 0;
      u32 sum = replaced ? 0 : static_cast<u32>(d[row * N + column]);
      for (u32 i = replaced ? 32 : 0; i < k; ++i) {
        const int x = types == Types::u8s8 ? int{a[row * k + i]} : int{static_cast<i8>(a[row * k + i])};
        const int y =
            types == Types::s8u8 ? int{b_plain[column * k + i]} : int{static_cast<i8>(b_plain[column * k + i])};
        sum += static_cast<u32>(x * y);
      }
      expected[row * N + column] = static_cast<i32>(sum);
    }
  }
  Memory memory;
  memory.add("a", a.data(), a.size());
  memory.add("b", b.data(), b.size());
  memory.add("d", d.data(), d.size() * 4, Access::ReadWrite);
  const Result result =
      run_kernel([](const Args& args) { kernel<N, types, layout>(args); }, Args{a.data(), b.data(), d.data(), b_bytes},
                 {.threads = 128, .shared_bytes = b_bytes}, memory, options);
  ASSERT_FALSE(result.fault) << *result.fault;
  EXPECT_EQ(d, expected) << "N = " << N;
  EXPECT_EQ(result.counters.wgmmas, steps);
}

template <Types types, Layout layout, int... N>
void check_all(std::integer_sequence<int, N...>) {
  const std::vector<Options> all = all_options();
  (check<N, types, layout>(N, all[static_cast<size_t>(N / 8) % all.size()]), ...);
}

using Widths =
    std::integer_sequence<int, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256>;

TEST(Wgmma, SignedBySignedOfEveryWidth) { check_all<Types::s8s8, Layout::Plain>(Widths{}); }
TEST(Wgmma, SignedByUnsignedOfEveryWidth) { check_all<Types::s8u8, Layout::Plain>(Widths{}); }
TEST(Wgmma, UnsignedBySignedOfEveryWidth) { check_all<Types::u8s8, Layout::Plain>(Widths{}); }
TEST(Wgmma, SwizzledOperands) {
  check_all<Types::s8s8, Layout::Swizzled>(std::integer_sequence<int, 8, 24, 32, 128, 256>{});
}

TEST(Wgmma, UnderEverySchedule) {
  for (const Options& options : all_options()) check<48, Types::s8s8, Layout::Plain>(3, options);
}

/// By the bits: start, leading and stride in units of 16 bytes at bits 0, 16, 32;
/// swizzle at 62.
TEST(Wgmma, DescriptorFields) {
  EXPECT_EQ(wgmma_descriptor(0x3fff0, 0x20, 0x80), 0x0000'0008'0002'3fffull);
  EXPECT_EQ(wgmma_descriptor(1024, 4096, 128), 0x0000'0008'0100'0040ull);
  EXPECT_EQ(wgmma_descriptor_swizzled(1024 + 32, 1024), 0x4000'0040'0000'0042ull);
}

}  // namespace
}  // namespace qoq::tests
