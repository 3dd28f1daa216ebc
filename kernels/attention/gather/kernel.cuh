// attention/gather: pages of the cache back to dense 16-bit keys and values, for whoever reads no pages.
//
// A CTA takes `tokens` tokens of one side of one head of one sequence, its warps 16 at a time. GatherRows leave eight
// channels a lane, 16 bytes, a row after the other. QServe's rows come in the same way; fragments come in as vectors of
// several tokens and become rows in shared memory.
#pragma once
#include "kernels/attention/gather/unit.cuh"

namespace qoq::attention {

/// Where a warp's unit goes.
struct GatherRows {
  u8* to;      ///< the head's channels in the row of the unit's first token
  i64 stride;  ///< bytes from row to row
  int tokens;  ///< of the unit that exist
  int lane;
};

/// A lane's eight channels of QServe's row.
template <GatherConfig C>
QOQ_DEVICE u32x4 decode_row(const u8* row, int lane_in_row, const Parameters& p) {
  const u8* const from = row + lane_in_row * C.form.bits();
  if constexpr (C.form.bits() == 4) {
    const u32 word = prim::load_readonly(reinterpret_cast<const u32*>(from));
    const u32 even = word & 0x0f0f0f0fu, odd = word >> 4 & 0x0f0f0f0fu;  // byte i: channels 2i and 2i + 1
    const u32 low = prim::prmt(even, odd, 0x5140), high = prim::prmt(even, odd, 0x7362);
    return {decode_pair<C.element, 0, 1>(low, p), decode_pair<C.element, 2, 3>(low, p),
            decode_pair<C.element, 0, 1>(high, p), decode_pair<C.element, 2, 3>(high, p)};
  } else if constexpr (C.form.bits() == 8) {
    const u32 low = prim::load_readonly(reinterpret_cast<const u32*>(from));
    const u32 high = prim::load_readonly(reinterpret_cast<const u32*>(from) + 1);
    return {decode_pair<C.element, 0, 1>(low, p), decode_pair<C.element, 2, 3>(low, p),
            decode_pair<C.element, 0, 1>(high, p), decode_pair<C.element, 2, 3>(high, p)};
  } else {
    return prim::load_readonly(reinterpret_cast<const u32x4*>(from));
  }
}

/// GatherRows leave: from shared memory, or straight from the page.
template <GatherConfig C>
QOQ_DEVICE void write_rows(const GatherUnit<C>& unit, const GatherRows& rows) {
  constexpr int at_once = C.form.rows_at_once();
  const int lane_in_row = rows.lane % C.form.row_lanes();
  QOQ_UNROLL for (int pass = 0; pass < C.form.passes(); ++pass) {
    const int token = pass * at_once + rows.lane / C.form.row_lanes();
    if (token >= rows.tokens) continue;
    u32x4 value;
    if constexpr (C.form.layout == Layout::QServe) {
      const int slot = unit.slot + token;
      value = decode_row<C>(unit.pool + unit.side.codes(slot), lane_in_row, unit.parameters(token));
    } else {
      value = prim::load_shared_u32x4(unit.at(token, 8 * lane_in_row));
    }
    prim::store_global(reinterpret_cast<u32x4*>(rows.to + token * rows.stride) + lane_in_row, value);
  }
}

template <GatherConfig C>
QOQ_DEVICE void gather(const GatherArgs& args) {
  const int thread = static_cast<int>(prim::thread_index()), warp = thread / 32, lane = thread % 32;
  const int number = static_cast<int>(prim::block_index_x());
  const int head = number % args.heads, block = number / args.heads % args.blocks;
  const int sequence = number / args.heads / args.blocks;
  const bool keys = prim::block_index_y() == 0;
  const int start = prim::load_readonly(args.starts + sequence);
  const int length = prim::load_readonly(args.starts + sequence + 1) - start;
  const u8* const pool = keys ? args.k_pool : args.v_pool;
  u8* const out = keys ? args.k : args.v;
  const i64 stride = static_cast<i64>(args.heads) * (2 * C.form.head_dim);

  QOQ_NO_UNROLL for (int i = 0; i < C.units_per_warp(); ++i) {
    const int position = block * C.tokens + (i * C.warps + warp) * unit_tokens;
    if (position >= length) return;  // the whole warp alike
    const i32 page = prim::load_readonly(args.table + static_cast<i64>(sequence) * args.width + position / C.form.page);
    const GatherUnit<C> unit{pool, PageSide<C.form>(page, args.heads, head), position % C.form.page,
                             prim::shared_base() + static_cast<u32>(warp * C.tile_bytes()), lane};
    const int left = length - position;
    const GatherRows rows{out + (static_cast<i64>(start) + position) * stride + head * (2 * C.form.head_dim), stride,
                          left < unit_tokens ? left : unit_tokens, lane};
    if constexpr (C.form.layout == Layout::Fragment) {
      if (i > 0) prim::sync_warp();  // the last unit's rows have left
      if (keys) {
        spread_keys<C>(unit);
      } else {
        spread_values<C>(unit);
      }
      prim::sync_warp();
    }
    write_rows<C>(unit, rows);
  }
}

}  // namespace qoq::attention
