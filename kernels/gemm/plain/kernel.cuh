// gemm/plain: one thread an output, no tiles, no pipeline, int8 weights as they are multiplied. Nobody tunes it: it is
// what large problems are checked against on a GPU, where the CPU would take too long. Its own proof is on the CPU.
#pragma once
#include "kernels/gemm/format.cuh"
#include "kernels/prim/prim.cuh"

namespace qoq::gemm {

struct PlainArgs {
  const u32x4* a;  ///< [M][K] int8, sixteen a piece: every scheme's K is a multiple of 16
  const u32x4* w;  ///< [N][K] int8
  const half* weight_scales;
  const half* weight_szeros;
  const half* token_scales;
  const float* token_sums;
  const void* bias;
  void* out;
  int m, n, k;
  Scheme scheme;
  Output output;
  bool with_bias;
};

inline constexpr int plain_threads = 128;

QOQ_DEVICE void plain_gemm(const PlainArgs& args) {
  const int n = static_cast<int>(prim::block_index_x() * plain_threads + prim::thread_index());
  const int m = static_cast<int>(prim::block_index_y());
  if (n >= args.n) return;
  const u32x4* a = args.a + static_cast<i64>(m) * args.k / 16;
  const u32x4* w = args.w + static_cast<i64>(n) * args.k / 16;
  i32 sum = 0;
  QOQ_NO_UNROLL for (int k = 0; k < args.k / 16; ++k) {
    const u32x4 x = prim::load_global(a + k), y = prim::load_global(w + k);
    sum = prim::dp4a(x.x, y.x, sum);
    sum = prim::dp4a(x.y, y.y, sum);
    sum = prim::dp4a(x.z, y.z, sum);
    sum = prim::dp4a(x.w, y.w, sum);
  }

  const i64 at = static_cast<i64>(m) * args.n + n;
  if (args.output == Output::I32) {
    prim::store_global(static_cast<i32*>(args.out) + at, sum);
    return;
  }
  const float scale = prim::to_float(prim::load_readonly(args.weight_scales + n)) *
                      prim::to_float(prim::load_readonly(args.token_scales + m));
  float y = prim::int_to_float(sum) * scale;
  if (args.scheme == Scheme::W4A8Channel) {
    y = y - prim::to_float(prim::load_readonly(args.weight_szeros + n)) * prim::load_readonly(args.token_sums + m);
  }
  if (args.output == Output::F16) {
    if (args.with_bias) y = y + prim::to_float(prim::load_readonly(static_cast<const half*>(args.bias) + n));
    prim::store_global(static_cast<u16*>(args.out) + at, static_cast<u16>(prim::pack_half2(y, 0.0f)));
  } else {
    if (args.with_bias) y = y + prim::to_float(prim::load_readonly(static_cast<const bfloat*>(args.bias) + n));
    prim::store_global(static_cast<u16*>(args.out) + at, static_cast<u16>(prim::pack_bfloat2(y, 0.0f)));
  }
}

}  // namespace qoq::gemm
