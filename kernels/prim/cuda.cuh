// The vocabulary as PTX. Each operation: its PTX instruction, what it means, and the hazard it brings.
// References are to sections of the PTX ISA. kernels/prim/emulated.h gives the same names their meaning on a CPU.
#pragma once

#define QOQ_DEVICE __device__ __forceinline__
#define QOQ_UNROLL _Pragma("unroll")
#define QOQ_NO_UNROLL _Pragma("unroll 1")
/// Defines the extern "C" entry NAME that runs BODY(args) on CTAs of THREADS threads, at least MIN_CTAS of them per SM.
#define QOQ_ENTRY(NAME, BODY, ARGS, THREADS, MIN_CTAS)                                                      \
  extern "C" __global__ void __launch_bounds__(THREADS, MIN_CTAS) NAME(const __grid_constant__ ARGS args) { \
    BODY(args);                                                                                             \
  }

namespace qoq::prim {

// ---- Where am I -------------------------------------------------------------------------------------------------

QOQ_DEVICE u32 thread_index() { return threadIdx.x; }
QOQ_DEVICE u32 block_index_x() { return blockIdx.x; }
QOQ_DEVICE u32 block_index_y() { return blockIdx.y; }
QOQ_DEVICE u32 block_index_z() { return blockIdx.z; }
QOQ_DEVICE u32 grid_size_x() { return gridDim.x; }
QOQ_DEVICE u32 grid_size_y() { return gridDim.y; }
QOQ_DEVICE u32 grid_size_z() { return gridDim.z; }

/// First address of the CTA's dynamic shared memory, in the shared window; 1024-byte aligned.
QOQ_DEVICE u32 shared_base() {
  extern __shared__ __align__(1024) u8 dynamic_shared[];
  return static_cast<u32>(__cvta_generic_to_shared(dynamic_shared));
}

// ---- Synchronisation (PTX: "Parallel Synchronization and Communication Instructions") -----------------------------

/// bar.sync 0: all threads of the CTA meet; orders their shared and global accesses.
QOQ_DEVICE void sync_threads() { asm volatile("bar.sync 0;" ::: "memory"); }
/// bar.sync id, count: `count` threads (a multiple of 32) meet at named barrier 1…15.
QOQ_DEVICE void sync_named(u32 id, u32 count) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory"); }
/// bar.warp.sync: the warp's 32 threads meet; orders their accesses.
QOQ_DEVICE void sync_warp() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }
/// shfl.sync: reads `value` of another lane. All 32 lanes take part; orders nothing in memory.
QOQ_DEVICE u32 shuffle_xor(u32 value, u32 mask) {
  u32 result;
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=r"(result) : "r"(value), "r"(mask));
  return result;
}
QOQ_DEVICE u32 shuffle(u32 value, u32 lane) {
  u32 result;
  asm volatile("shfl.sync.idx.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=r"(result) : "r"(value), "r"(lane));
  return result;
}
/// vote.sync.any.pred: whether `condition` holds on any of the 32 lanes.
QOQ_DEVICE bool any_of_warp(bool condition) {
  u32 result;
  asm volatile("{.reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.any.pred q, p, 0xffffffff; selp.u32 %0, 1, 0, q;}"
               : "=r"(result)
               : "r"(static_cast<u32>(condition)));
  return result != 0;
}
/// movmatrix.sync.m8n8.trans.b16: the warp's 8 × 8 matrix of 16-bit elements (lane 4·row + pair holds a row's elements
/// 2·pair and 2·pair + 1) transposed.
QOQ_DEVICE u32 transpose_matrix(u32 value) {
  u32 result;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(result) : "r"(value));
  return result;
}

// ---- Global memory (PTX: "ld", "st", "atom", "red", "Memory Consistency Model") -----------------------------------
// T is 1, 2, 4, 8 or 16 bytes and the pointer is aligned to it.

/// ld.global (weak): sees what happens-before it.
template <class T>
QOQ_DEVICE T load_global(const T* from) {
  return *from;
}
QOQ_DEVICE u32x4 load_global(const u32x4* from) {
  u32x4 v;
  asm volatile("ld.global.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from)
               : "memory");
  return v;
}
/// ld.global.nc: through the read-only path. Hazard: the bytes must not be written by anyone during the kernel.
template <class T>
QOQ_DEVICE T load_readonly(const T* from) {
  return __ldg(from);
}
QOQ_DEVICE u32x4 load_readonly(const u32x4* from) {
  u32x4 v;
  asm("ld.global.nc.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(from));
  return v;
}
QOQ_DEVICE u32x2 load_readonly(const u32x2* from) {
  u32x2 v;
  asm("ld.global.nc.v2.b32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(from));
  return v;
}
/// ld.global.cg: past L1, from L2. Weak, as load_global.
QOQ_DEVICE u32x4 load_l2(const u32x4* from) {
  u32x4 v;
  asm volatile("ld.global.cg.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from)
               : "memory");
  return v;
}
QOQ_DEVICE half load_readonly(const half* from) { return {__ldg(&from->bits)}; }
QOQ_DEVICE bfloat load_readonly(const bfloat* from) { return {__ldg(&from->bits)}; }
/// st.global (weak).
template <class T>
QOQ_DEVICE void store_global(T* to, T value) {
  *to = value;
}
QOQ_DEVICE void store_global(u32x4* to, u32x4 v) {
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}
/// atom.add.acq_rel.gpu.s32: adds, returns the value before. Publishes what happens-before it to whoever reads the
/// result by an acquiring operation, and the other way round.
QOQ_DEVICE i32 atomic_add_acq_rel(i32* at, i32 value) {
  i32 before;
  asm volatile("atom.add.acq_rel.gpu.global.s32 %0, [%1], %2;" : "=r"(before) : "l"(at), "r"(value) : "memory");
  return before;
}
/// red.add.relaxed.gpu.s32: adds, orders nothing else.
QOQ_DEVICE void atomic_add_relaxed(i32* at, i32 value) {
  asm volatile("red.add.relaxed.gpu.global.s32 [%0], %1;" ::"l"(at), "r"(value) : "memory");
}
/// ld.acquire.gpu / st.release.gpu.
QOQ_DEVICE i32 load_acquire(const i32* from) {
  i32 value;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
  return value;
}
QOQ_DEVICE void store_release(i32* to, i32 value) {
  asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(to), "r"(value) : "memory");
}

// ---- Shared memory, by 32-bit address in the shared window --------------------------------------------------------

QOQ_DEVICE u32 load_shared_u32(u32 at) {
  u32 v;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(v) : "r"(at) : "memory");
  return v;
}
QOQ_DEVICE u32x2 load_shared_u32x2(u32 at) {
  u32x2 v;
  asm volatile("ld.shared.v2.b32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(at) : "memory");
  return v;
}
QOQ_DEVICE u32x4 load_shared_u32x4(u32 at) {
  u32x4 v;
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(at)
               : "memory");
  return v;
}
QOQ_DEVICE void store_shared_u32(u32 at, u32 v) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(at), "r"(v) : "memory");
}
QOQ_DEVICE void store_shared_u32x4(u32 at, u32x4 v) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}

// ---- Asynchronous copies, sm_80 (PTX: "cp.async") ------------------------------------------------------------------

/// cp.async.cg 16 B, global to shared. Where `valid` is false nothing is read and 16 zero bytes are written.
/// Hazard: the data is there for this thread after cp_async_wait, for others only after a barrier behind that wait.
QOQ_DEVICE void cp_async_16(u32 to, const void* from, bool valid = true) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid ? 16 : 0)
               : "memory");
}
/// cp.async.commit_group: closes this thread's open group (which may be empty).
QOQ_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// cp.async.wait_group N: waits until at most N of this thread's newest groups are unfinished. Per thread, not per CTA.
template <int N>
QOQ_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// ---- Matrix loads (PTX: "ldmatrix"). Lane i gives the address of row i%8 of matrix i/8; 16-byte rows. --------------

QOQ_DEVICE void ldmatrix_x1(u32 (&r)[1], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(row) : "memory");
}
QOQ_DEVICE void ldmatrix_x2(u32 (&r)[2], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(row)
               : "memory");
}
QOQ_DEVICE void ldmatrix_x4(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
QOQ_DEVICE void ldmatrix_x2_trans(u32 (&r)[2], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(row)
               : "memory");
}
QOQ_DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

// ---- Tensor cores (PTX: "mma", fragment layouts of m16n8k32, m16n8k64 and m16n8k16). d += a · b; warp-wide. ---------

#define QOQ_MMA_I8(NAME, A, B)                                                        \
  QOQ_DEVICE void NAME(i32(&d)[4], const u32(&a)[4], const u32(&b)[2]) {              \
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." A "." B                     \
                 ".s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "                       \
                 "{%0,%1,%2,%3};"                                                     \
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                     \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \
  }
QOQ_MMA_I8(mma_s8s8, "s8", "s8")  // both signed
QOQ_MMA_I8(mma_s8u8, "s8", "u8")  // b unsigned
QOQ_MMA_I8(mma_u8s8, "u8", "s8")  // a unsigned
#undef QOQ_MMA_I8

/// mma.sync.m16n8k64.s32.s4.s4.s32 (PTX: "Matrix Fragments for mma.m16n8k64"): eight 4-bit integers a word, the first
/// in the low nibble. Hazard: from sm_90 on there is no such instruction; ptxas makes some two hundred others of it.
QOQ_DEVICE void mma_s4s4(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#define QOQ_MMA_FLOAT(NAME, T)                                                        \
  QOQ_DEVICE void NAME(float(&d)[4], const u32(&a)[4], const u32(&b)[2]) {            \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." T "." T                     \
                 ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "                       \
                 "{%0,%1,%2,%3};"                                                     \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                     \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \
  }
QOQ_MMA_FLOAT(mma_f16, "f16")
QOQ_MMA_FLOAT(mma_bf16, "bf16")
#undef QOQ_MMA_FLOAT

/// A warp tile of MMAs, d[i][j] += a[i] · b[j]: the same instructions, one meeting of lanes on the emulator.
template <int I, int J>
QOQ_DEVICE void mma_tile_s8s8(i32 (&d)[I][J][4], const u32 (&a)[I][4], const u32 (&b)[J][2]) {
  QOQ_UNROLL for (int j = 0; j < J; ++j) QOQ_UNROLL for (int i = 0; i < I; ++i) mma_s8s8(d[i][j], a[i], b[j]);
}
template <int I, int J>
QOQ_DEVICE void mma_tile_s8u8(i32 (&d)[I][J][4], const u32 (&a)[I][4], const u32 (&b)[J][2]) {
  QOQ_UNROLL for (int j = 0; j < J; ++j) QOQ_UNROLL for (int i = 0; i < I; ++i) mma_s8u8(d[i][j], a[i], b[j]);
}

template <int I, int J>
QOQ_DEVICE void mma_tile_s4s4(i32 (&d)[I][J][4], const u32 (&a)[I][4], const u32 (&b)[J][2]) {
  QOQ_UNROLL for (int j = 0; j < J; ++j) QOQ_UNROLL for (int i = 0; i < I; ++i) mma_s4s4(d[i][j], a[i], b[j]);
}

// ---- Bits and integers ----------------------------------------------------------------------------------------------

/// lop3.b32: any function of three inputs; LUT's bit (a·4 + b·2 + c) is the result for bits a, b, c.
template <u32 LUT>
QOQ_DEVICE u32 lop3(u32 a, u32 b, u32 c) {
  u32 d;
  asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(d) : "r"(a), "r"(b), "r"(c), "n"(LUT));
  return d;
}
/// prmt.b32: picks four of the eight bytes of {b, a}; each selector nibble's low three bits name a byte, its high bit
/// replicates that byte's sign instead.
QOQ_DEVICE u32 prmt(u32 a, u32 b, u32 selector) {
  u32 d;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(selector));
  return d;
}
/// mad.lo.u32: a·b + c modulo 2^32. On the FMA pipe.
QOQ_DEVICE u32 imad(u32 a, u32 b, u32 c) {
  u32 d;
  asm("mad.lo.u32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
/// dp4a.s32.s32: c + the dot product of two vectors of four s8.
QOQ_DEVICE i32 dp4a(u32 a, u32 b, i32 c) {
  i32 d;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
/// Two add.u32, a + b + c modulo 2^32. One IADD3, on the ALU pipe.
QOQ_DEVICE u32 add3(u32 a, u32 b, u32 c) {
  u32 d;
  asm("{.reg .u32 t; add.u32 t, %1, %2; add.u32 %0, t, %3;}" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
/// shf.l.wrap.b32 of a word with itself: rotates left by the low five bits of `by`. On the ALU pipe.
QOQ_DEVICE u32 rotate_left(u32 value, u32 by) {
  u32 d;
  asm("shf.l.wrap.b32 %0, %1, %1, %2;" : "=r"(d) : "r"(value), "r"(by));
  return d;
}
/// Four byte-wise additions modulo 256 (PTX vadd4 is emulated by the hardware too; this is the cheapest form known).
QOQ_DEVICE u32 add_bytes(u32 a, u32 b) { return ((a & 0x7f7f7f7fu) + (b & 0x7f7f7f7fu)) ^ ((a ^ b) & 0x80808080u); }

// ---- Floats (compiled with --fmad=false: a product and a sum stay two roundings unless fma is written) ------------

/// fma.rn.f32: one rounding.
QOQ_DEVICE float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
/// fma.rn.f16x2: two binary16 fused multiply-adds, one rounding each, subnormals kept. Hazard: 16 bits hold no sum.
QOQ_DEVICE u32 fma_half2(u32 a, u32 b, u32 c) {
  u32 d;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
/// sub.rn.f16x2 and mul.rn.f16x2: two of binary16, one rounding each, subnormals kept.
QOQ_DEVICE u32 sub_half2(u32 a, u32 b) {
  u32 d;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
QOQ_DEVICE u32 mul_half2(u32 a, u32 b) {
  u32 d;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
/// max.f32 and min.f32: a NaN operand is passed over for the other.
QOQ_DEVICE float maximum(float a, float b) { return fmaxf(a, b); }
QOQ_DEVICE float minimum(float a, float b) { return fminf(a, b); }
/// div.rn.f32: IEEE, one rounding; a dozen instructions.
QOQ_DEVICE float divide(float a, float b) { return __fdiv_rn(a, b); }
/// cvt.rni.s32.f32: to nearest even; saturates, NaN becomes 0. On the XU pipe.
QOQ_DEVICE i32 round_to_int(float value) { return __float2int_rn(value); }
/// ex2.approx.ftz.f32: 2^x, relative error 2^-22; exp2(−∞) = 0. On the XU pipe, as the next two.
QOQ_DEVICE float exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// lg2.approx.f32 and rcp.approx.f32: absolute error 2^-22 outside (0.5, 2); 1 ulp.
QOQ_DEVICE float log2(float x) {
  float y;
  asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
QOQ_DEVICE float reciprocal(float x) {
  float y;
  asm("rcp.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// The bits of a float, and back.
QOQ_DEVICE u32 as_bits(float value) { return __float_as_uint(value); }
QOQ_DEVICE float as_float(u32 bits) { return __uint_as_float(bits); }
/// cvt.rn.f32.s32. On the XU pipe (16 a clock): keep it out of loops.
QOQ_DEVICE float int_to_float(i32 value) { return __int2float_rn(value); }
QOQ_DEVICE float to_float(half value) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(value.bits));
  return f;
}
QOQ_DEVICE float to_float(bfloat value) { return __uint_as_float(static_cast<u32>(value.bits) << 16); }
/// cvt.rn.f16x2.f32 and cvt.rn.bf16x2.f32: two floats rounded to nearest even, `low` in the low 16 bits.
QOQ_DEVICE u32 pack_half2(float low, float high) {
  u32 d;
  asm("cvt.rn.f16x2.f32 %0, %2, %1;" : "=r"(d) : "f"(low), "f"(high));
  return d;
}
QOQ_DEVICE u32 pack_bfloat2(float low, float high) {
  u32 d;
  asm("cvt.rn.bf16x2.f32 %0, %2, %1;" : "=r"(d) : "f"(low), "f"(high));
  return d;
}

}  // namespace qoq::prim

#include "kernels/prim/cuda_sm90.cuh"
