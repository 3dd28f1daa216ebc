// The vocabulary on a CPU: the names of cuda.cuh, run and checked by the emulator (kernels/emulator).
// What an operation means and its hazards are said in cuda.cuh; only differences are said here.
// Compiled with every generated kernel: no standard header, nothing heavy.
#pragma once
#include "kernels/emulator/api.h"

#define QOQ_DEVICE inline __attribute__((always_inline))
#define QOQ_UNROLL
#define QOQ_NO_UNROLL
/// The entry takes the address of its ARGS; NAME_threads tells whoever opened the shared object the CTA's size.
#define QOQ_ENTRY(NAME, BODY, ARGS, THREADS, MIN_CTAS)                              \
  extern "C" void NAME(const void* args) { BODY(*static_cast<const ARGS*>(args)); } \
  extern "C" {                                                                      \
  extern const unsigned NAME##_threads;                                             \
  const unsigned NAME##_threads = THREADS;                                          \
  }

namespace qoq::prim {

// ---- Where am I -------------------------------------------------------------------------------------------------

QOQ_DEVICE u32 thread_index() { return emulator::thread_index(); }
QOQ_DEVICE u32 block_index_x() { return emulator::block_index(0); }
QOQ_DEVICE u32 block_index_y() { return emulator::block_index(1); }
QOQ_DEVICE u32 block_index_z() { return emulator::block_index(2); }
QOQ_DEVICE u32 grid_size_x() { return emulator::grid_size(0); }
QOQ_DEVICE u32 grid_size_y() { return emulator::grid_size(1); }
QOQ_DEVICE u32 grid_size_z() { return emulator::grid_size(2); }
/// Not 0, so that a forgotten base is out of bounds.
QOQ_DEVICE u32 shared_base() { return emulator::shared_window; }

// ---- Synchronisation ----------------------------------------------------------------------------------------------

QOQ_DEVICE void sync_threads() { emulator::sync_threads(); }
QOQ_DEVICE void sync_named(u32 id, u32 count) { emulator::sync_named(id, count); }
QOQ_DEVICE void sync_warp() { emulator::sync_warp(); }
QOQ_DEVICE u32 shuffle_xor(u32 value, u32 mask) { return emulator::shuffle_xor(value, mask); }
QOQ_DEVICE u32 shuffle(u32 value, u32 lane) { return emulator::shuffle(value, lane); }
QOQ_DEVICE bool any_of_warp(bool condition) { return emulator::any_of_warp(condition); }
QOQ_DEVICE u32 transpose_matrix(u32 value) { return emulator::transpose_matrix(value); }

// ---- Global memory --------------------------------------------------------------------------------------------------

template <class T>
constexpr bool one_access = sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16;

template <class T>
QOQ_DEVICE T load_global(const T* from) {
  static_assert(one_access<T>);
  T value;
  emulator::load_global(&value, from, sizeof(T));
  return value;
}
template <class T>
QOQ_DEVICE T load_readonly(const T* from) {
  static_assert(one_access<T>);
  T value;
  emulator::load_readonly(&value, from, sizeof(T));
  return value;
}
QOQ_DEVICE u32x4 load_l2(const u32x4* from) { return load_global(from); }
template <class T>
QOQ_DEVICE void store_global(T* to, T value) {
  static_assert(one_access<T>);
  emulator::store_global(to, &value, sizeof(T));
}
QOQ_DEVICE i32 atomic_add_acq_rel(i32* at, i32 value) { return emulator::atomic_add_acq_rel(at, value); }
QOQ_DEVICE void atomic_add_relaxed(i32* at, i32 value) { emulator::atomic_add_relaxed(at, value); }
QOQ_DEVICE i32 load_acquire(const i32* from) { return emulator::load_acquire(from); }
QOQ_DEVICE void store_release(i32* to, i32 value) { emulator::store_release(to, value); }

// ---- Shared memory --------------------------------------------------------------------------------------------------

QOQ_DEVICE u32 load_shared_u32(u32 at) { return emulator::load_shared_u32(at); }
QOQ_DEVICE u32x2 load_shared_u32x2(u32 at) { return emulator::load_shared_u32x2(at); }
QOQ_DEVICE u32x4 load_shared_u32x4(u32 at) { return emulator::load_shared_u32x4(at); }
QOQ_DEVICE void store_shared_u32(u32 at, u32 v) { emulator::store_shared_u32(at, v); }
QOQ_DEVICE void store_shared_u32x4(u32 at, u32x4 v) { emulator::store_shared_u32x4(at, v); }

// ---- Asynchronous copies --------------------------------------------------------------------------------------------

QOQ_DEVICE void cp_async_16(u32 to, const void* from, bool valid = true) { emulator::cp_async_16(to, from, valid); }
QOQ_DEVICE void cp_async_commit() { emulator::cp_async_commit(); }
template <int N>
QOQ_DEVICE void cp_async_wait() {
  emulator::cp_async_wait(N);
}

// ---- Matrix loads ---------------------------------------------------------------------------------------------------

QOQ_DEVICE void ldmatrix_x1(u32 (&r)[1], u32 row) { emulator::ldmatrix(r, row, 1, false); }
QOQ_DEVICE void ldmatrix_x2(u32 (&r)[2], u32 row) { emulator::ldmatrix(r, row, 2, false); }
QOQ_DEVICE void ldmatrix_x4(u32 (&r)[4], u32 row) { emulator::ldmatrix(r, row, 4, false); }
QOQ_DEVICE void ldmatrix_x2_trans(u32 (&r)[2], u32 row) { emulator::ldmatrix(r, row, 2, true); }
QOQ_DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 row) { emulator::ldmatrix(r, row, 4, true); }

// ---- Tensor cores ---------------------------------------------------------------------------------------------------

QOQ_DEVICE void mma_s8s8(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulator::mma_int8(d, a, b, 1, 1, emulator::Signs::s8s8);
}
QOQ_DEVICE void mma_s8u8(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulator::mma_int8(d, a, b, 1, 1, emulator::Signs::s8u8);
}
QOQ_DEVICE void mma_u8s8(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulator::mma_int8(d, a, b, 1, 1, emulator::Signs::u8s8);
}
QOQ_DEVICE void mma_s4s4(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { emulator::mma_int4(d, a, b, 1, 1); }
QOQ_DEVICE void mma_f16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { emulator::mma_half(d, a, b); }
QOQ_DEVICE void mma_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { emulator::mma_bfloat(d, a, b); }

/// One meeting of lanes for the whole tile.
template <int I, int J>
QOQ_DEVICE void mma_tile_s8s8(i32 (&d)[I][J][4], const u32 (&a)[I][4], const u32 (&b)[J][2]) {
  emulator::mma_int8(d[0][0], a[0], b[0], I, J, emulator::Signs::s8s8);
}
template <int I, int J>
QOQ_DEVICE void mma_tile_s8u8(i32 (&d)[I][J][4], const u32 (&a)[I][4], const u32 (&b)[J][2]) {
  emulator::mma_int8(d[0][0], a[0], b[0], I, J, emulator::Signs::s8u8);
}

template <int I, int J>
QOQ_DEVICE void mma_tile_s4s4(i32 (&d)[I][J][4], const u32 (&a)[I][4], const u32 (&b)[J][2]) {
  emulator::mma_int4(d[0][0], a[0], b[0], I, J);
}

// ---- sm_90: mbarriers, bulk copies, the async proxy -----------------------------------------------------------------

QOQ_DEVICE void mbarrier_init(u32 at, u32 count) { emulator::mbarrier_init(at, count); }
QOQ_DEVICE void fence_mbarrier_init() { emulator::fence_mbarrier_init(); }
QOQ_DEVICE void mbarrier_arrive(u32 at) { emulator::mbarrier_arrive(at); }
QOQ_DEVICE void mbarrier_arrive_expect_tx(u32 at, u32 bytes) { emulator::mbarrier_arrive_expect_tx(at, bytes); }
QOQ_DEVICE void mbarrier_wait(u32 at, u32 parity) { emulator::mbarrier_wait(at, parity); }
QOQ_DEVICE void cp_async_bulk(u32 to, const void* from, u32 bytes, u32 at) {
  emulator::cp_async_bulk(to, from, bytes, at);
}
QOQ_DEVICE void fence_proxy_async() { emulator::fence_proxy_async(); }

// ---- sm_90a: warpgroup products. Accumulators hold poison until their wgmma_wait. -----------------------------------

QOQ_DEVICE void wgmma_fence() { emulator::wgmma_fence(); }
QOQ_DEVICE void wgmma_commit() { emulator::wgmma_commit(); }
template <int N>
QOQ_DEVICE void wgmma_wait() {
  static_assert(N >= 0 && N <= 7);
  emulator::wgmma_wait(N);
}
template <class T, int R>
QOQ_DEVICE void pin_registers(T (&r)[R]) {
  static_assert(sizeof(T) == 4 && sizeof r == 4 * R);
}
template <int R>
constexpr bool wgmma_registers = R == 4 || R == 12 || (R % 8 == 0 && R > 0 && R <= 128);
template <int R>
QOQ_DEVICE void wgmma_s8s8(i32 (&d)[R], const u32 (&a)[4], u64 b, bool accumulate = true) {
  static_assert(wgmma_registers<R>);
  emulator::wgmma_int8(d, a, b, 2 * R, emulator::Signs::s8s8, accumulate);
}
template <int R>
QOQ_DEVICE void wgmma_s8u8(i32 (&d)[R], const u32 (&a)[4], u64 b, bool accumulate = true) {
  static_assert(wgmma_registers<R>);
  emulator::wgmma_int8(d, a, b, 2 * R, emulator::Signs::s8u8, accumulate);
}
template <int R>
QOQ_DEVICE void wgmma_u8s8(i32 (&d)[R], const u32 (&a)[4], u64 b, bool accumulate = true) {
  static_assert(wgmma_registers<R>);
  emulator::wgmma_int8(d, a, b, 2 * R, emulator::Signs::u8s8, accumulate);
}
/// Registers are not counted here: taking them never waits.
template <int N>
QOQ_DEVICE void setmaxnreg_inc() {
  static_assert(N >= 24 && N <= 256 && N % 8 == 0);
  emulator::setmaxnreg(N);
}
template <int N>
QOQ_DEVICE void setmaxnreg_dec() {
  static_assert(N >= 24 && N <= 256 && N % 8 == 0);
  emulator::setmaxnreg(N);
}

// ---- Bits and integers ----------------------------------------------------------------------------------------------

template <u32 LUT>
QOQ_DEVICE u32 lop3(u32 a, u32 b, u32 c) {
  static_assert(LUT < 256);
  u32 d = 0;  // the sum of the table's minterms; LUT is constant, so the absent ones vanish
  if (LUT & 0x01) d |= ~a & ~b & ~c;
  if (LUT & 0x02) d |= ~a & ~b & c;
  if (LUT & 0x04) d |= ~a & b & ~c;
  if (LUT & 0x08) d |= ~a & b & c;
  if (LUT & 0x10) d |= a & ~b & ~c;
  if (LUT & 0x20) d |= a & ~b & c;
  if (LUT & 0x40) d |= a & b & ~c;
  if (LUT & 0x80) d |= a & b & c;
  return d;
}
QOQ_DEVICE u32 prmt(u32 a, u32 b, u32 selector) {
  const u64 bytes = static_cast<u64>(b) << 32 | a;
  u32 d = 0;
  for (u32 i = 0; i < 4; ++i) {
    const u32 pick = selector >> (4 * i);
    u32 byte = static_cast<u32>(bytes >> (8 * (pick & 7))) & 0xff;
    if (pick & 8) byte = byte & 0x80 ? 0xff : 0;
    d |= byte << (8 * i);
  }
  return d;
}
QOQ_DEVICE u32 imad(u32 a, u32 b, u32 c) { return a * b + c; }
QOQ_DEVICE i32 dp4a(u32 a, u32 b, i32 c) {
  u32 sum = static_cast<u32>(c);  // wraps
  for (u32 i = 0; i < 32; i += 8) sum += static_cast<u32>(static_cast<i8>(a >> i) * static_cast<i8>(b >> i));
  return static_cast<i32>(sum);
}
QOQ_DEVICE u32 add3(u32 a, u32 b, u32 c) { return a + b + c; }
QOQ_DEVICE u32 rotate_left(u32 value, u32 by) { return value << (by & 31) | value >> (-by & 31); }
QOQ_DEVICE u32 add_bytes(u32 a, u32 b) { return ((a & 0x7f7f7f7fu) + (b & 0x7f7f7f7fu)) ^ ((a ^ b) & 0x80808080u); }

// ---- Floats ---------------------------------------------------------------------------------------------------------

QOQ_DEVICE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
QOQ_DEVICE u32 fma_half2(u32 a, u32 b, u32 c) { return emulator::fma_half2(a, b, c); }
QOQ_DEVICE u32 sub_half2(u32 a, u32 b) { return emulator::fma_half2(a, 0x3c003c00u, b ^ 0x80008000u); }
QOQ_DEVICE u32 mul_half2(u32 a, u32 b) { return emulator::fma_half2(a, b, 0x80008000u); }  // −0 changes no product
QOQ_DEVICE float maximum(float a, float b) { return __builtin_fmaxf(a, b); }
QOQ_DEVICE float minimum(float a, float b) { return __builtin_fminf(a, b); }
QOQ_DEVICE float divide(float a, float b) { return a / b; }
QOQ_DEVICE i32 round_to_int(float value) { return emulator::round_to_int(value); }
/// The three approximations are exact here, rounded once.
QOQ_DEVICE float exp2(float x) { return emulator::exp2(x); }
QOQ_DEVICE float log2(float x) { return emulator::log2(x); }
QOQ_DEVICE float reciprocal(float x) { return 1.0f / x; }
QOQ_DEVICE u32 as_bits(float value) { return __builtin_bit_cast(u32, value); }
QOQ_DEVICE float as_float(u32 bits) { return __builtin_bit_cast(float, bits); }
QOQ_DEVICE float int_to_float(i32 value) { return static_cast<float>(value); }
QOQ_DEVICE float to_float(half value) { return emulator::half_to_float(value.bits); }
QOQ_DEVICE float to_float(bfloat value) { return __builtin_bit_cast(float, static_cast<u32>(value.bits) << 16); }
QOQ_DEVICE u32 pack_half2(float low, float high) { return emulator::pack_half2(low, high); }
QOQ_DEVICE u32 pack_bfloat2(float low, float high) { return emulator::pack_bfloat2(low, high); }

}  // namespace qoq::prim
