// What the default point moves, counted by the emulator: every byte of the cache once, in whole sectors, and shared
// memory without bank conflicts while tiles are worked off.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/attention/decode/point.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

struct Row {
  const char* name;
  const char* scheme;
  const char* heads;
  int head_dim, group_blocks;  ///< CTAs that read the same head of the cache
  int orientation, tile;
};

/// By its name; GoogleTest would print the bytes, pointers among them.
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

constexpr Row rows[] = {
    {"kv4", "kv4", "8/2", 128, 1, 0, 64},        {"kv4_heads", "kv4", "8/2", 128, 1, 1, 64},
    {"kv4_tile32", "kv4", "8/2", 128, 1, 0, 32}, {"kv4_row_blocks", "kv4", "16/1", 128, 2, 0, 64},
    {"kv4_dh64", "kv4", "4/2", 64, 1, 0, 64},    {"kv8", "kv8", "8/2", 128, 1, 0, 64},
    {"kv8_heads", "kv8", "8/2", 128, 1, 1, 64},  {"kv16", "kv16", "8/2", 128, 1, 0, 64},
    {"kv16_dh64", "kv16", "4/2", 64, 1, 1, 64},
};

Bench::Job job_of(const Row& row, const std::string& lengths, int batch) {
  Point point = attention::default_decode_point();
  point["splits"] = 1;
  point["orientation"] = row.orientation;
  point["tile"] = row.tile;
  const Problem problem = parse_problem(
      fmt::format("attention {} batch={} heads={} dh={} ctx={}", row.scheme, batch, row.heads, row.head_dim, lengths));
  return {point, problem, &family_named("attention/decode")};
}

class DecodeCounters : public testing::TestWithParam<Row> {
 protected:
  emulator::Counters count(Bench& bench, const Bench::Job& job) {
    EXPECT_EQ(job.family->unsupported(job.point, job.problem, test_device()), std::nullopt);
    const RunResult run = bench.run(job, 5);
    EXPECT_EQ(run.result.fault.value_or(""), "");
    EXPECT_TRUE(run.check.pass) << run.check.message;
    return run.result.counters;
  }
};

TEST_P(DecodeCounters, TheCacheIsReadOnceInWholeSectors) {
  const Bench::Job job = job_of(GetParam(), "1,64,65,300", 4);
  Bench bench;
  bench.build({job});
  if (HasFatalFailure()) return;
  const emulator::Counters counters = count(bench, job);
  const auto problem = attention::AttentionProblem::parse(job.problem);
  uint64_t tokens = 0;
  for (const int length : problem.lengths)
    tokens += static_cast<uint64_t>((length + GetParam().tile - 1) / GetParam().tile * GetParam().tile);
  const KvShape shape = problem.shape(job.point.at("page"));
  const uint64_t bytes = tokens * (shape.row_bytes() + shape.parameter_bytes()) *
                         static_cast<uint64_t>(problem.kv_heads * GetParam().group_blocks);
  for (const char* side : {"k", "v"}) {
    EXPECT_EQ(counters.buffers.at(side).bytes_read, bytes) << side;
    EXPECT_EQ(counters.buffers.at(side).sectors_read * 32, bytes) << side;
    EXPECT_EQ(counters.buffers.at(side).bytes_written, 0u);
  }
}

/// Counters don't tell a tile's loads of shared memory from those by which warps are put together at the end. But the
/// latter are the same however long the sequence is: what a longer one has in addition is the tiles' own.
TEST_P(DecodeCounters, TilesAreFreeOfBankConflicts) {
  const Bench::Job brief = job_of(GetParam(), "70", 1), extended = job_of(GetParam(), "390", 1);
  Bench bench;
  bench.build({brief});
  if (HasFatalFailure()) return;
  const emulator::Counters few = count(bench, brief), many = count(bench, extended);
  EXPECT_GT(many.shared_loads.requests, few.shared_loads.requests);
  EXPECT_EQ(many.shared_loads.bank_conflicts(), few.shared_loads.bank_conflicts());
  EXPECT_EQ(many.shared_stores.requests, few.shared_stores.requests) << "a tile stores nothing";
  EXPECT_EQ(many.async_copies.bank_conflicts(), 0u);
  EXPECT_EQ(many.matrix_loads.requests, 0u);

  // At the end, once a CTA: each warp's part of a row is read by 32 lanes that have Dh/32 neighbouring channels each,
  // and four lanes' channels lie a whole number of bank rows apart. Stores meet in pairs where rows lie on the M side.
  const auto problem = attention::AttentionProblem::parse(brief.problem);
  const int row_parts = problem.rows() * problem.kv_heads * brief.point.at("warps");
  EXPECT_LE(few.shared_loads.bank_conflicts(), static_cast<uint64_t>(3 * row_parts * problem.head_dim / 32));
  EXPECT_LE(few.shared_stores.bank_conflicts(), GetParam().orientation == 0 ? 0 : few.shared_stores.requests);
}

INSTANTIATE_TEST_SUITE_P(Rows, DecodeCounters, testing::ValuesIn(rows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace qoq::test
