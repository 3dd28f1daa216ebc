// The load phase: tiles of the cache, global memory to a warp's own ring of shared memory, by 16-byte asynchronous
// copies.
#pragma once
#include "kernels/attention/decode/place.cuh"

namespace qoq::attention {

/// A stage in shared memory: codes of keys, codes of values, scales and zeros of keys, those of values.
template <DecodeConfig C>
struct Stage {
  u32 base;
  QOQ_DEVICE u32 keys() const { return base; }
  QOQ_DEVICE u32 values() const { return base + C.code_bytes(); }
  QOQ_DEVICE u32 key_parameters() const { return base + 2 * C.code_bytes(); }
  QOQ_DEVICE u32 value_parameters() const { return base + 2 * C.code_bytes() + C.parameter_bytes(); }
};

/// Where chunk `chunk` (16 bytes) of a tile's codes goes. Token rows of 128 bytes and more put odd rows' chunks four
/// further, so that the eight lanes that read two rows of keys together touch all banks.
template <DecodeConfig C>
QOQ_DEVICE u32 chunk_place(u32 chunk) {
  if constexpr (C.layout == Layout::QServe && C.row_bytes() >= 128) {
    constexpr u32 per_row = C.row_bytes() / 16;
    return (chunk ^ (chunk / per_row % 2 * 4)) * 16;
  }
  return chunk * 16;
}

/// Of pages first + lane and 32 further.
struct PageIds {
  i32 now, next;
};

QOQ_DEVICE i32 read_page_id(const i32* table, u32 at, u32 width) {
  return at < width ? prim::load_readonly(table + at) : 0;
}

/// Most CTAs begin with a sequence's first pages: their ids are read while its length is still under way.
QOQ_DEVICE PageIds read_first_pages(const DecodeArgs& args, i32 sequence) {
  const i32* table = args.table + static_cast<i64>(sequence) * args.table_width;
  const u32 lane = prim::thread_index() % 32, width = static_cast<u32>(args.table_width);
  return {read_page_id(table, lane, width), read_page_id(table, lane + 32, width)};
}

/// A warp's way through its tiles: which page each lies in, and where in it.
template <DecodeConfig C>
struct Loader {
  static constexpr bool fragment = C.layout == Layout::Fragment;
  static constexpr u32 page_tiles = C.page / C.tile;
  static constexpr u32 head_bytes = C.page * (C.row_bytes() + (C.quantized() ? 4 : 0));
  static constexpr u32 code_chunks = C.code_bytes() / 16;
  static constexpr u32 parameter_chunks = C.parameter_bytes() / 16;  ///< of one side

  const i32* table;  ///< this sequence's row
  i32* faults;
  u32 table_width;
  u32 lane, pages, page_bytes;
  const u8 *k, *v;       ///< this lane's first chunk of codes in page 0
  const u8* parameters;  ///< its chunk of scales or zeros there
  u32 known = 0;         ///< a multiple of 32: the lanes know the ids of the pages from there on, and of 32 more
  PageIds ids;

  QOQ_DEVICE Loader(const DecodeArgs& args, const Place& at, const PageIds& first_pages)
      : table(args.table + static_cast<i64>(at.sequence) * args.table_width),
        faults(args.faults),
        table_width(static_cast<u32>(args.table_width)),
        lane(static_cast<u32>(at.lane)),
        pages(static_cast<u32>(args.pages)),
        page_bytes(head_bytes * static_cast<u32>(args.kv_heads)),
        ids(first_pages) {
    const u32 head = static_cast<u32>(at.kv_head);
    const u32 codes = head * (fragment ? head_bytes : C.page * C.row_bytes()) + lane * 16;
    k = args.k + codes;
    v = args.v + codes;
    if constexpr (C.quantized()) {
      const bool of_values = lane % (2 * parameter_chunks) >= parameter_chunks;
      parameters = (of_values ? args.v : args.k) +
                   parameter_place(lane % parameter_chunks, head, static_cast<u32>(args.kv_heads));
    }
  }

  /// Where a tile's chunk of scales and zeros lies in the first page. Fragment: side by side; QServe: scales, then, in
  /// an array of their own, zeros.
  QOQ_DEVICE static u32 parameter_place(u32 chunk, u32 head, u32 heads) {
    if constexpr (fragment) return head * head_bytes + C.page * C.row_bytes() + chunk * 16;
    const bool zero = chunk >= parameter_chunks / 2;
    return heads * C.page * C.row_bytes() + (head + (zero ? heads : 0)) * C.page * 2 +
           (zero ? chunk - parameter_chunks / 2 : chunk) * 16;
  }

  /// The id of a page. Pages mostly come in order: the next 32 ids are under way while these are used.
  QOQ_DEVICE u32 page_id(u32 page) {
    const u32 first = page & ~31u;
    if (first != known) {
      ids.now = first == known + 32 ? ids.next : read_page_id(table, first + lane, table_width);
      ids.next = read_page_id(table, first + 32 + lane, table_width);
      known = first;
    }
    const u32 id = prim::shuffle(static_cast<u32>(ids.now), page % 32);
    if constexpr (C.checked) {
      if (id >= pages) {
        if (lane == 0) prim::atomic_add_relaxed(faults, 1);
        return 0;
      }
    }
    return id;
  }

  QOQ_DEVICE void load_codes(u32 to, const u8* from) const {
    QOQ_UNROLL for (u32 round = 0; round < (code_chunks + 31) / 32; ++round) {
      if (code_chunks % 32 == 0 || round * 32 + lane < code_chunks)
        prim::cp_async_16(to + chunk_place<C>(round * 32 + lane), from + round * 512);
    }
  }

  /// Starts the copies of one tile into a stage.
  QOQ_DEVICE void load_tile(const Stage<C>& stage, u32 tile) {
    const u64 page = static_cast<u64>(page_id(tile / page_tiles)) * page_bytes;
    const u32 slot = tile % page_tiles * C.tile;
    load_codes(stage.keys(), k + page + slot * C.row_bytes());
    load_codes(stage.values(), v + page + slot * C.row_bytes());
    if constexpr (C.quantized()) {  // 8, 16 or 32 lanes, of keys and then of values
      static_assert(2 * parameter_chunks <= 32);
      if (2 * parameter_chunks == 32 || lane < 2 * parameter_chunks)
        prim::cp_async_16(stage.key_parameters() + lane * 16, parameters + page + slot * (fragment ? 4 : 2));
    }
  }
};

}  // namespace qoq::attention
