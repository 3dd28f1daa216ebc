// attention/append: new keys and values into the pages of the cache: rotated (keys), quantised, interleaved.
//
// A warp owns one unit, the 16 tokens from a multiple of 16 on, of one side of one head of one sequence: no two warps
// touch the same vector, so that the 4-bit fragment layout, where tokens g and g + 8 share bytes, needs no atomics.
// It takes the unit's new tokens a few rows at a time, eight channels a lane. QServe's rows go straight to memory;
// fragments pass through shared memory, where rows become vectors that hold several tokens each.
#pragma once
#include "kernels/attention/append/row.cuh"
#include "kernels/attention/append/unit.cuh"

namespace qoq::attention {

/// A warp's unit.
struct AppendPlace {
  int sequence, head, lane;
  bool keys;
  int unit;         ///< position of its first token
  int begin;        ///< position of the sequence's first new token
  int first, last;  ///< the new tokens' slots in the unit: [first, last)
};

/// False when there is no such unit.
template <AppendConfig C>
QOQ_DEVICE bool locate(const AppendArgs& args, AppendPlace& at) {
  const int thread = static_cast<int>(prim::thread_index());
  const int number = static_cast<int>(prim::block_index_x()) * C.warps + thread / 32;
  if (number >= args.batch * args.units * args.heads) return false;
  at.lane = thread % 32;
  at.head = number % args.heads;
  at.sequence = number / args.heads / args.units;
  at.keys = prim::block_index_y() == 0;
  const int length = prim::load_readonly(args.lengths + at.sequence);
  at.begin = length - args.tokens;
  at.unit = (at.begin / unit_tokens + number / args.heads % args.units) * unit_tokens;
  at.first = at.begin > at.unit ? at.begin - at.unit : 0;
  at.last = length - at.unit < unit_tokens ? length - at.unit : unit_tokens;
  return at.first < at.last;
}

/// Scale and zero of a slot.
template <AppendConfig C>
QOQ_DEVICE void store_parameters(u8* pool, const PageSide<C.form>& side, int slot, const Codes<C>& codes) {
  if constexpr (C.form.layout == Layout::Fragment) {
    prim::store_global(reinterpret_cast<u32*>(pool + side.scale(slot)),
                       static_cast<u32>(codes.scale) | static_cast<u32>(codes.zero) << 16);
  } else {
    prim::store_global(reinterpret_cast<u16*>(pool + side.scale(slot)), codes.scale);
    prim::store_global(reinterpret_cast<u16*>(pool + side.zero(slot)), codes.zero);
  }
}

/// A lane's eight channels in QServe's row.
template <AppendConfig C>
QOQ_DEVICE void store_row(u8* row, int lane_in_row, const Codes<C>& codes) {
  u8* const to = row + lane_in_row * C.form.bits();
  if constexpr (C.form.bits() == 4) {
    prim::store_global(reinterpret_cast<u32*>(to), codes.word[0]);
  } else if constexpr (C.form.bits() == 8) {
    prim::store_global(reinterpret_cast<u32x2*>(to), u32x2{codes.word[0], codes.word[1]});
  } else {
    prim::store_global(reinterpret_cast<u32x4*>(to), u32x4{codes.word[0], codes.word[1], codes.word[2], codes.word[3]});
  }
}

/// A lane's eight channels in the unit's tile: a byte a code, or two.
template <AppendConfig C>
QOQ_DEVICE void keep_row(u32 to, const Codes<C>& codes) {
  if constexpr (C.form.bits() == 4) {
    // Nibbles 0 … 7 become bytes: the even ones and the odd ones, then interleaved.
    const u32 even = codes.word[0] & 0x0f0f0f0fu, odd = codes.word[0] >> 4 & 0x0f0f0f0fu;
    prim::store_shared_u32(to, prim::prmt(even, odd, 0x5140));
    prim::store_shared_u32(to + 4, prim::prmt(even, odd, 0x7362));
  } else if constexpr (C.form.bits() == 8) {
    prim::store_shared_u32(to, codes.word[0]);
    prim::store_shared_u32(to + 4, codes.word[1]);
  } else {
    prim::store_shared_u32x4(to, u32x4{codes.word[0], codes.word[1], codes.word[2], codes.word[3]});
  }
}

template <AppendConfig C>
QOQ_DEVICE void append(const AppendArgs& args) {
  constexpr int at_once = C.form.rows_at_once();
  AppendPlace at;
  if (!locate<C>(args, at)) return;
  const int page_index = at.unit / C.form.page, unit_slot = at.unit % C.form.page;
  const PageSide<C.form> side(prim::load_readonly(args.table + static_cast<i64>(at.sequence) * args.width + page_index),
                              args.heads, at.head);
  u8* const pool = at.keys ? args.k_pool : args.v_pool;
  const u8* const rows = static_cast<const u8*>(at.keys ? args.k : args.v);
  const int warp = static_cast<int>(prim::thread_index()) / 32;
  const UnitRows<C> unit{prim::shared_base() + static_cast<u32>(warp * C.tile_bytes()), at.first, at.last};
  const int lane_in_row = at.lane % C.form.row_lanes();

  QOQ_NO_UNROLL for (int pass = 0; pass < C.form.passes(); ++pass) {
    if ((pass + 1) * at_once <= at.first || pass * at_once >= at.last) continue;  // the whole warp alike
    const int slot = pass * at_once + at.lane / C.form.row_lanes();
    const bool appended = unit.has(slot);
    const int position = at.unit + slot;
    const i64 row = (static_cast<i64>(at.sequence) * args.tokens + position - at.begin) * args.heads + at.head;
    const Codes<C> codes =
        encode_row<C>(args, rows + row * (2 * C.form.head_dim), position, lane_in_row, at.keys, appended);
    if (!appended) continue;
    if (C.form.bits() != 16 && lane_in_row == 0) store_parameters<C>(pool, side, unit_slot + slot, codes);
    if constexpr (C.form.layout == Layout::QServe) {
      store_row<C>(pool + side.codes(unit_slot + slot), lane_in_row, codes);
    } else {
      keep_row<C>(unit.at(slot, 8 * lane_in_row), codes);
    }
  }
  if constexpr (C.form.layout == Layout::Fragment) {
    prim::sync_warp();
    write_unit<C>(pool + side.codes(unit_slot), unit, at.lane, at.keys);
  }
}

}  // namespace qoq::attention
