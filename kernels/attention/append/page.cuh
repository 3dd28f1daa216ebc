// Where a token's codes, scale and zero lie in a pool of pages.
#pragma once
#include "kernels/attention/append/config.cuh"
#include "kernels/prim/prim.cuh"

namespace qoq::attention {

template <PageForm F>
struct PageSide {
  i64 page;  ///< the page's first byte in the pool
  int heads, head;

  QOQ_DEVICE PageSide(i32 id, int heads_, int head_)
      : page(static_cast<i64>(id) * heads_ * F.head_bytes()), heads(heads_), head(head_) {}

  /// Of the row of a slot (QServe), or of the unit that begins with it (both layouts).
  QOQ_DEVICE i64 codes(int slot) const {
    constexpr int stride = F.layout == Layout::QServe ? F.codes_bytes() : F.head_bytes();
    return page + head * stride + slot * F.row_bytes();
  }
  QOQ_DEVICE i64 scale(int slot) const {
    if (F.layout == Layout::Fragment) return page + head * F.head_bytes() + F.codes_bytes() + 4 * slot;
    return page + heads * F.codes_bytes() + 2 * (head * F.page + slot);
  }
  QOQ_DEVICE i64 zero(int slot) const { return scale(slot) + (F.layout == Layout::Fragment ? 2 : 2 * heads * F.page); }
};

/// The k-th bytes of four words, as a word.
template <int K>
QOQ_DEVICE u32 bytes_of(u32 a, u32 b, u32 c, u32 d) {
  constexpr u32 pick = 0x40u + 0x11u * K;
  return prim::prmt(prim::prmt(a, b, pick), prim::prmt(c, d, pick), 0x5410);
}

/// Fragment keys keep four consecutive channels in the order 0, 2, 1, 3. Its own inverse.
QOQ_DEVICE u32 swap_middle_bytes(u32 word) { return prim::prmt(word, 0, 0x3120); }

/// Two words' low halves, and high halves.
QOQ_DEVICE u32 low_halves(u32 a, u32 b) { return prim::prmt(a, b, 0x5410); }
QOQ_DEVICE u32 high_halves(u32 a, u32 b) { return prim::prmt(a, b, 0x7632); }

template <Element E>
QOQ_DEVICE u32 pack_elements(float low, float high) {
  if constexpr (E == Element::F16) return prim::pack_half2(low, high);
  return prim::pack_bfloat2(low, high);
}

template <Element E>
QOQ_DEVICE float element_to_float(u16 bits) {
  if constexpr (E == Element::F16) return prim::to_float(half{bits});
  return prim::to_float(bfloat{bits});
}

}  // namespace qoq::attention
