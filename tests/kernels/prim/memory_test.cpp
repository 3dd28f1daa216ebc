// Loads, stores, atomics, barriers and asynchronous copies of the vocabulary.
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

struct Args {
  const u8* in;
  u8* out;
};

struct MemoryTest : testing::Test {
  MemoryTest() {
    std::iota(in.begin(), in.end(), u8{0});
    memory.add("in", static_cast<const void*>(in.data()), sizeof in);
    memory.add("out", out.data(), sizeof out, Access::ReadWrite);
  }
  template <class Kernel>
  void run(Kernel kernel, const Shape& shape = {}, const Options& options = {}) {
    out.fill(0);
    EXPECT_NO_FAULT(run_kernel(kernel, Args{in.data(), out.data()}, shape, memory, options));
  }
  u32 word(u32 i) const {
    u32 v;
    std::memcpy(&v, &out[i * 4], 4);
    return v;
  }
  alignas(16) std::array<u8, 4096> in{};
  alignas(16) std::array<u8, 4096> out{};
  Memory memory;
};

template <class T>
void copy_each(const Args& a) {
  const u32 t = thread_index();
  store_global(reinterpret_cast<T*>(a.out) + t, load_global(reinterpret_cast<const T*>(a.in) + t));
  store_global(reinterpret_cast<T*>(a.out) + 32 + t, load_readonly(reinterpret_cast<const T*>(a.in) + 32 + t));
}

template <class T>
void expect_copied(MemoryTest& test) {
  test.run([](const Args& a) { copy_each<T>(a); });
  EXPECT_TRUE(std::equal(test.out.begin(), test.out.begin() + 64 * sizeof(T), test.in.begin()));
  EXPECT_EQ(test.out[64 * sizeof(T)], 0);
}

TEST_F(MemoryTest, PastTheFirstCacheToo) {
  run([](const Args& a) {
    const u32 t = thread_index();
    store_global(reinterpret_cast<u32x4*>(a.out) + t, load_l2(reinterpret_cast<const u32x4*>(a.in) + t));
  });
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 32 * 16, in.begin()));
}

TEST_F(MemoryTest, GlobalOfEveryWidth) {
  expect_copied<u8>(*this);
  expect_copied<half>(*this);
  expect_copied<bfloat>(*this);
  expect_copied<i32>(*this);
  expect_copied<float>(*this);
  expect_copied<u64>(*this);
  expect_copied<u32x2>(*this);
  expect_copied<u32x4>(*this);
}

TEST_F(MemoryTest, SharedOfEveryWidth) {
  run(
      [](const Args& a) {
        const u32 t = thread_index();
        store_shared_u32x4(shared_base() + t * 16, {t, t + 100, t + 200, t + 300});
        const u32x4 all = load_shared_u32x4(shared_base() + t * 16);
        const u32x2 upper = load_shared_u32x2(shared_base() + t * 16 + 8);
        store_shared_u32(shared_base() + t * 16 + 4, 9);
        auto* to = reinterpret_cast<u32*>(a.out) + t * 8;
        store_global(to, all.x + all.y + all.z + all.w);
        store_global(to + 1, upper.x);
        store_global(to + 2, upper.y);
        store_global(to + 3, load_shared_u32(shared_base() + t * 16 + 4));
      },
      {.shared_bytes = 512});
  for (u32 t = 0; t < 32; ++t) {
    EXPECT_EQ(word(t * 8), 4 * t + 600);
    EXPECT_EQ(word(t * 8 + 1), t + 200);
    EXPECT_EQ(word(t * 8 + 2), t + 300);
    EXPECT_EQ(word(t * 8 + 3), 9u);
  }
}

TEST_F(MemoryTest, AtomicsReturnWhatWasThere) {
  for (const Options& options : all_options()) {
    run(
        [](const Args& a) {
          auto* words = reinterpret_cast<i32*>(a.out);
          const i32 before = atomic_add_acq_rel(words, 1);
          atomic_add_relaxed(words + 1, -2);
          store_global(words + 16 + before, 1);  // every number once
          if (thread_index() == 0 && block_index_x() == 0) store_release(words + 2, load_acquire(words + 3) + 5);
        },
        {.grid = {4, 1, 1}, .threads = 64}, options);
    EXPECT_EQ(word(0), 256u);
    EXPECT_EQ(word(1), static_cast<u32>(-512));
    EXPECT_EQ(word(2), 5u);
    for (u32 i = 0; i < 256; ++i) ASSERT_EQ(word(16 + i), 1u);
  }
}

TEST_F(MemoryTest, NamedBarriersArePairwise) {
  for (const Options& options : all_options()) {
    run(
        [](const Args& a) {
          // Warps 0, 1 and warps 2, 3 meet apart, many times.
          const u32 pair = thread_index() / 64;
          for (u32 i = 0; i < 5; ++i) {
            store_shared_u32(shared_base() + thread_index() * 4, thread_index() + i);
            sync_named(1 + pair, 64);
            const u32 other = load_shared_u32(shared_base() + (thread_index() ^ 32) * 4);
            store_global(reinterpret_cast<u32*>(a.out) + i * 128 + thread_index(), other);
            sync_named(1 + pair, 64);
          }
        },
        {.threads = 128, .shared_bytes = 512}, options);
    for (u32 i = 0; i < 5; ++i) {
      for (u32 t = 0; t < 128; ++t) ASSERT_EQ(word(i * 128 + t), (t ^ 32) + i);
    }
  }
}

TEST_F(MemoryTest, CopiesArriveByGroups) {
  for (const Options& options : all_options()) {
    run(
        [](const Args& a) {
          const u32 t = thread_index();
          const auto at = [&](u32 stage) { return shared_base() + stage * 512 + t * 16; };
          const auto issue = [&](u32 stage) { cp_async_16(at(stage), a.in + stage * 512 + t * 16); };
          const auto keep = [&](u32 stage) {
            store_global(reinterpret_cast<u32x4*>(a.out + stage * 512) + t, load_shared_u32x4(at(stage)));
          };
          issue(0);
          issue(1);
          cp_async_commit();
          issue(2);
          cp_async_commit();
          cp_async_commit();  // an empty group counts too
          issue(3);
          cp_async_commit();
          cp_async_wait<3>();
          keep(0);
          keep(1);
          cp_async_wait<5>();
          cp_async_wait<1>();
          keep(2);
          cp_async_wait<0>();
          keep(3);
        },
        {.shared_bytes = 2048}, options);
    EXPECT_TRUE(std::equal(out.begin(), out.begin() + 2048, in.begin()));
  }
}

TEST_F(MemoryTest, InvalidCopiesFillWithZerosAndReadNothing) {
  for (const Options& options : all_options()) {
    run(
        [](const Args& a) {
          const u32 t = thread_index();
          const u32 at = shared_base() + t * 16;
          store_shared_u32x4(at, {1, 1, 1, 1});
          cp_async_16(at, t % 2 == 0 ? a.in + t * 16 : nullptr, t % 2 == 0);
          cp_async_commit();
          cp_async_wait<0>();
          store_global(reinterpret_cast<u32x4*>(a.out) + t, load_shared_u32x4(at));
        },
        {.shared_bytes = 512}, options);
    for (u32 i = 0; i < 512; ++i) ASSERT_EQ(out[i], i / 16 % 2 == 0 ? in[i] : 0);
  }
}

/// A racy look at shared memory, the detector off: what the landing modes mean.
u32 word_before_the_wait(AsyncLanding async) {
  alignas(16) std::array<u32, 8> words{7, 7, 7, 7};
  Memory memory;
  memory.add("words", words.data(), sizeof words, Access::ReadWrite);
  const auto kernel = [](const Args& a) {
    if (thread_index() != 0) return;
    store_shared_u32(shared_base(), 1);
    cp_async_16(shared_base(), a.in);
    store_global(reinterpret_cast<u32*>(a.out) + 4, load_shared_u32(shared_base()));
  };
  auto* bytes = reinterpret_cast<u8*>(words.data());
  EXPECT_NO_FAULT(
      run_kernel(kernel, Args{bytes, bytes}, {.shared_bytes = 16}, memory, {.async = async, .races = false}));
  return words[4];
}

TEST(AsyncLandingTest, LateIsAtTheWaitEarlyAtTheIssue) {
  EXPECT_EQ(word_before_the_wait(AsyncLanding::Late), 1u);
  EXPECT_EQ(word_before_the_wait(AsyncLanding::Early), 7u);
}

}  // namespace
}  // namespace qoq::tests
