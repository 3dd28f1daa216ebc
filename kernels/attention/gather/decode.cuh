// From codes to 16-bit floats: dequantize_kv() of kernels/qoq/kv_cache.h, rounded to the element.
#pragma once
#include "kernels/attention/append/page.cuh"
#include "kernels/attention/gather/config.cuh"

namespace qoq::attention {

/// A token's scale and zero.
struct Parameters {
  float scale, zero;
};

template <PageForm F>
QOQ_DEVICE Parameters load_parameters(const u8* pool, const PageSide<F>& side, int slot) {
  if constexpr (F.bits() == 16) return {1, 0};
  if constexpr (F.layout == Layout::Fragment) {
    const u32 both = prim::load_readonly(reinterpret_cast<const u32*>(pool + side.scale(slot)));
    return {prim::to_float(half{static_cast<u16>(both)}), prim::to_float(half{static_cast<u16>(both >> 16)})};
  } else {
    return {prim::to_float(prim::load_readonly(reinterpret_cast<const half*>(pool + side.scale(slot)))),
            prim::to_float(prim::load_readonly(reinterpret_cast<const half*>(pool + side.zero(slot))))};
  }
}

/// Byte K of `codes` as a float: 2^23 + code is exact, and so is taking 2^23 away again.
template <int K>
QOQ_DEVICE float code_to_float(u32 codes) {
  return prim::as_float(prim::prmt(codes, 0x4b000000u, 0x7440u | K)) - 0x1p23f;
}

/// Bytes K and L of `codes` as two elements.
template <Element E, int K, int L>
QOQ_DEVICE u32 decode_pair(u32 codes, const Parameters& p) {
  return pack_elements<E>((code_to_float<K>(codes) - p.zero) * p.scale, (code_to_float<L>(codes) - p.zero) * p.scale);
}

}  // namespace qoq::attention
