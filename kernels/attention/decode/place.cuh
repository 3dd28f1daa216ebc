// Which rows and tokens a CTA works on.
#pragma once
#include "kernels/attention/decode/config.cuh"
#include "kernels/prim/prim.cuh"

namespace qoq::attention {

QOQ_DEVICE i32 least(i32 a, i32 b) { return a < b ? a : b; }
QOQ_DEVICE i32 most(i32 a, i32 b) { return a > b ? a : b; }

/// Tokens [low, high) that a row sees.
struct Span {
  i32 low, high;
};

struct Place {
  i32 thread, lane, warp;
  i32 g, t;  ///< lane / 4 and lane % 4, as the tensor cores' fragments count
  i32 sequence, kv_head, split;
  i32 first_row, rows;        ///< of this CTA, among the rows that share the KV head
  i32 length;                 ///< of the sequence
  i32 first_tile, last_tile;  ///< of this split, in tiles of the sequence; the last one is not included
  i32 first_full, full;       ///< its first tile that every row sees whole, and how many follow one another
  i32 splits;                 ///< that this sequence has: the others find nothing to do
  i64 group;                  ///< number of (sequence, KV head, row block): what splits share
};

/// Which new token a row belongs to; spares the usual single one a division.
QOQ_DEVICE i32 new_token(const DecodeArgs& args, i32 row) { return args.q_len == 1 ? 0 : row / args.group; }

QOQ_DEVICE Span visible(const DecodeArgs& args, i32 length, i32 row) {
  const i32 high = length - args.q_len + new_token(args, row) + 1;
  return {args.window > 0 ? most(0, high - args.window) : 0, high};
}

/// The sequence's length; in a checked kernel no more than its pages hold.
template <DecodeConfig C>
QOQ_DEVICE i32 checked_length(const DecodeArgs& args, i32 sequence) {
  const i32 length = prim::load_readonly(args.lengths + sequence);
  if constexpr (C.checked) {
    const i32 held = args.table_width * C.page;
    if (length < 0 || (length > 0 && length < args.q_len) || length > held) {
      if (prim::thread_index() == 0) prim::atomic_add_relaxed(args.faults, 1);
      return length > held ? held : 0;
    }
  }
  return length;
}

/// Splits divide a sequence's tiles evenly, in multiples of a tile for each warp.
template <DecodeConfig C>
QOQ_DEVICE Place locate(const DecodeArgs& args, i32 split, i32 head_and_rows, i32 sequence) {
  Place at;
  at.thread = static_cast<i32>(prim::thread_index());
  at.lane = at.thread % 32;
  at.warp = static_cast<i32>(prim::shuffle(static_cast<u32>(at.thread / 32), 0));  // so that compilers see it uniform
  at.g = at.lane / 4;
  at.t = at.lane % 4;
  at.sequence = sequence;
  at.kv_head = args.row_blocks == 1 ? head_and_rows : head_and_rows / args.row_blocks;
  at.split = split;
  at.first_row = (head_and_rows - at.kv_head * args.row_blocks) * C.rows();
  at.rows = least(C.rows(), args.rows - at.first_row);
  at.group = static_cast<i64>(sequence) * (args.kv_heads * args.row_blocks) + head_and_rows;
  at.length = checked_length<C>(args, sequence);
  const i32 begin = visible(args, at.length, at.first_row).low / C.tile;
  const i32 end = (most(0, visible(args, at.length, at.first_row + at.rows - 1).high) + C.tile - 1) / C.tile;
  const i32 even = most((end - begin + args.splits - 1) / args.splits, args.least_tiles);
  const i32 each = most((even + C.warps - 1) / C.warps, 1) * C.warps;
  at.splits = C.split ? most(1, (end - begin + each - 1) / each) : 1;
  at.first_tile = C.split ? begin + split * each : begin;
  at.last_tile = C.split ? least(at.first_tile + each, end) : end;
  const i32 all_low = visible(args, at.length, at.first_row + at.rows - 1).low;
  const i32 all_high = most(0, visible(args, at.length, at.first_row).high);
  at.first_full = least(most(at.first_tile, (all_low + C.tile - 1) / C.tile), most(at.first_tile, at.last_tile));
  at.full = most(0, least(at.last_tile, all_high / C.tile) - at.first_full);
  return at;
}

/// Number of the CTA's row `row` among [batch][q_len][q_heads].
QOQ_DEVICE i64 query_place(const DecodeArgs& args, const Place& at, i32 row) {
  const i32 shared_row = at.first_row + row, token = new_token(args, shared_row);
  return (static_cast<i64>(at.sequence) * args.q_len + token) * args.q_heads + at.kv_head * args.group + shared_row -
         token * args.group;
}

}  // namespace qoq::attention
