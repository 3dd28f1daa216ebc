// What emulated kernels call (kernels/prim/emulated.h). Included by every generated translation unit: no standard
// header, declarations only. Generated shared objects find these in the program that opened them.
#pragma once
#include "kernels/prim/types.cuh"

namespace qoq::emulator {

/// First address of shared memory.
constexpr u32 shared_window = 1024;

u32 thread_index();
u32 block_index(u32 axis);
u32 grid_size(u32 axis);

void sync_threads();
void sync_named(u32 id, u32 count);
void sync_warp();
u32 shuffle_xor(u32 value, u32 mask);
u32 shuffle(u32 value, u32 lane);
bool any_of_warp(bool condition);
u32 transpose_matrix(u32 value);

/// `size` is 1, 2, 4, 8 or 16 bytes.
void load_global(void* to, const void* from, u32 size);
void load_readonly(void* to, const void* from, u32 size);
void store_global(void* to, const void* from, u32 size);
i32 atomic_add_acq_rel(i32* at, i32 value);
void atomic_add_relaxed(i32* at, i32 value);
i32 load_acquire(const i32* from);
void store_release(i32* to, i32 value);

u32 load_shared_u32(u32 at);
u32x2 load_shared_u32x2(u32 at);
u32x4 load_shared_u32x4(u32 at);
void store_shared_u32(u32 at, u32 value);
void store_shared_u32x4(u32 at, u32x4 value);

void cp_async_16(u32 to, const void* from, bool valid);
void cp_async_commit();
void cp_async_wait(u32 newest);

void mbarrier_init(u32 at, u32 count);
void fence_mbarrier_init();
void mbarrier_arrive(u32 at);
void mbarrier_arrive_expect_tx(u32 at, u32 bytes);
void mbarrier_wait(u32 at, u32 parity);
void cp_async_bulk(u32 to, const void* from, u32 bytes, u32 at);
void fence_proxy_async();

/// `count` 8 × 8 matrices of b16 into r[count].
void ldmatrix(u32* r, u32 row, u32 count, bool transpose);

enum class Signs : u8 { s8s8, s8u8, u8s8 };
/// d[rows][columns][4] += a[rows][4] · b[columns][2], m16n8k32 each.
void mma_int8(i32* d, const u32* a, const u32* b, u32 rows, u32 columns, Signs signs);
/// The same of signed 4-bit integers, m16n8k64 each.
void mma_int4(i32* d, const u32* a, const u32* b, u32 rows, u32 columns);
/// m16n8k16 of binary16 or bfloat16.
void mma_half(float* d, const u32* a, const u32* b);
void mma_bfloat(float* d, const u32* a, const u32* b);

/// d[n / 2] of each lane (+)= a[4] · B, m64nNk32.
void wgmma_int8(i32* d, const u32* a, u64 b, u32 n, Signs signs, bool accumulate);
void wgmma_fence();
void wgmma_commit();
void wgmma_wait(u32 newest);
void setmaxnreg(u32 registers);

float half_to_float(u16 bits);
u32 pack_half2(float low, float high);
u32 pack_bfloat2(float low, float high);
u32 fma_half2(u32 a, u32 b, u32 c);
i32 round_to_int(float value);
float exp2(float x);
float log2(float x);

}  // namespace qoq::emulator
