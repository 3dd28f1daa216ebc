#include "autotune/counters/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace qoq::counters {

namespace {

/// Column of names that a chip uses.
enum class Column { Ga100, Ga102, Ad102, Gh100, Gb100, Gb202 };
using enum Column;

struct Chip {
  std::string_view name;
  Column column;
  int compute_capability;  ///< of the column's first chip; 0 of its siblings
};

constexpr auto chips = std::to_array<Chip>({
    {"GA100", Ga100, 80}, {"GA102", Ga102, 86}, {"GA103", Ga102, 0},   {"GA104", Ga102, 0}, {"GA106", Ga102, 0},
    {"GA107", Ga102, 0},  {"AD102", Ad102, 89}, {"AD103", Ad102, 0},   {"AD104", Ad102, 0}, {"AD106", Ad102, 0},
    {"AD107", Ad102, 0},  {"GH100", Gh100, 90}, {"GB100", Gb100, 100}, {"GB102", Gb100, 0}, {"GB202", Gb202, 120},
    {"GB203", Gb202, 0},  {"GB205", Gb202, 0},  {"GB206", Gb202, 0},   {"GB207", Gb202, 0},
});

constexpr auto chip_names = [] {
  std::array<std::string_view, chips.size()> names;
  std::ranges::transform(chips, names.begin(), &Chip::name);
  return names;
}();

struct Entry {
  std::string_view name, metric;
  double scale = 1;
};

/// What most chips call it. The suffixes are rollups over the chip's units: .sum, .avg, or a percentage of what the
/// units could do in the cycles they were active; never of elapsed cycles, which hold the host's launch and wait too.
constexpr auto entries = std::to_array<Entry>({
    {"cycles", "sm__cycles_active.avg"},
    {"occupancy_pct", "sm__warps_active.avg.pct_of_peak_sustained_active"},
    // Warp instructions.
    {"issue", "sm__inst_issued.sum"},
    {"tensor_issue", "sm__inst_executed_pipe_tensor.sum"},
    {"alu_issue", "sm__inst_executed_pipe_alu.sum"},
    {"fma_issue", "sm__inst_executed_pipe_fma.sum"},
    {"fp16_issue", "sm__inst_executed_pipe_fp16.sum"},
    {"lsu_issue", "sm__inst_executed_pipe_lsu.sum"},
    {"xu_issue", "sm__inst_executed_pipe_xu.sum"},
    {"uniform_issue", "sm__inst_executed_pipe_uniform.sum"},
    // Of the cycles in which SMs had work. Load/store and special-function units have no cycle counter: there it is
    // their instructions against the most they could take.
    {"issue_active_pct", "sm__inst_issued.avg.pct_of_peak_sustained_active"},
    {"tensor_active_pct", "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active"},
    {"alu_active_pct", "sm__pipe_alu_cycles_active.avg.pct_of_peak_sustained_active"},
    {"fma_active_pct", "sm__pipe_fma_cycles_active.avg.pct_of_peak_sustained_active"},
    {"lsu_active_pct", "sm__inst_executed_pipe_lsu.avg.pct_of_peak_sustained_active"},
    {"xu_active_pct", "sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_active"},
    // Memory. L2: what SMs asked of it, in sectors of 32 bytes; traffic between a chip's two L2 halves is not counted.
    {"dram_read_bytes", "dram__bytes_read.sum"},
    {"dram_write_bytes", "dram__bytes_write.sum"},
    {"l2_read_bytes", "lts__t_sectors_srcunit_tex_op_read.sum", 32},
    {"l2_write_bytes", "lts__t_sectors_srcunit_tex_op_write.sum", 32},
    {"l2_hit_pct", "lts__t_sector_hit_rate.pct"},
    // Shared memory: turns of its 128-byte wide port, so bank conflicts and half-used turns count in full.
    {"shared_bytes", "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum", 128},
    {"bank_conflicts", "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"},
    // What resident warps did, share of their cycles; all together 100. "selected" is no stall: the warp that issues.
    {"stall_barrier_pct", "smsp__warp_issue_stalled_barrier_per_warp_active.pct"},
    {"stall_branch_resolving_pct", "smsp__warp_issue_stalled_branch_resolving_per_warp_active.pct"},
    {"stall_dispatch_pct", "smsp__warp_issue_stalled_dispatch_stall_per_warp_active.pct"},
    {"stall_drain_pct", "smsp__warp_issue_stalled_drain_per_warp_active.pct"},
    {"stall_gmma_pct", "smsp__warp_issue_stalled_gmma_per_warp_active.pct"},
    {"stall_imc_miss_pct", "smsp__warp_issue_stalled_imc_miss_per_warp_active.pct"},
    {"stall_lg_throttle_pct", "smsp__warp_issue_stalled_lg_throttle_per_warp_active.pct"},
    {"stall_long_scoreboard_pct", "smsp__warp_issue_stalled_long_scoreboard_per_warp_active.pct"},
    {"stall_math_pipe_throttle_pct", "smsp__warp_issue_stalled_math_pipe_throttle_per_warp_active.pct"},
    {"stall_membar_pct", "smsp__warp_issue_stalled_membar_per_warp_active.pct"},
    {"stall_mio_throttle_pct", "smsp__warp_issue_stalled_mio_throttle_per_warp_active.pct"},
    {"stall_misc_pct", "smsp__warp_issue_stalled_misc_per_warp_active.pct"},
    {"stall_no_instruction_pct", "smsp__warp_issue_stalled_no_instruction_per_warp_active.pct"},
    {"stall_not_selected_pct", "smsp__warp_issue_stalled_not_selected_per_warp_active.pct"},
    {"stall_selected_pct", "smsp__warp_issue_stalled_selected_per_warp_active.pct"},
    {"stall_short_scoreboard_pct", "smsp__warp_issue_stalled_short_scoreboard_per_warp_active.pct"},
    {"stall_sleeping_pct", "smsp__warp_issue_stalled_sleeping_per_warp_active.pct"},
    {"stall_tex_throttle_pct", "smsp__warp_issue_stalled_tex_throttle_per_warp_active.pct"},
    {"stall_wait_pct", "smsp__warp_issue_stalled_wait_per_warp_active.pct"},
});

/// Where a chip departs from `entries`: another name, or none and why.
struct Departure {
  Column column;
  std::string_view name, metric, absent;
};

constexpr std::string_view no_fp16_pipe = "half-precision arithmetic runs on the FMA pipe of this chip",
                           no_gmma = "this chip has no warpgroup matrix instructions",
                           no_imc = "this chip does not count immediate-constant misses apart";

constexpr auto departures = std::to_array<Departure>({
    {Ga102, "fp16_issue", "", no_fp16_pipe},
    {Ad102, "fp16_issue", "", no_fp16_pipe},
    {Gh100, "fp16_issue", "", no_fp16_pipe},
    {Gb100, "fp16_issue", "", no_fp16_pipe},
    {Gb202, "fp16_issue", "", no_fp16_pipe},
    {Ga100, "stall_gmma_pct", "", no_gmma},
    {Ga102, "stall_gmma_pct", "", no_gmma},
    {Ad102, "stall_gmma_pct", "", no_gmma},
    {Gb100, "stall_gmma_pct", "", no_gmma},
    {Gb202, "stall_gmma_pct", "", no_gmma},
    {Gb100, "stall_imc_miss_pct", "", no_imc},
    {Gb202, "stall_imc_miss_pct", "", no_imc},
    // Names without _v2 still exist there and are said to be deprecated.
    {Ad102, "tensor_issue", "sm__inst_executed_pipe_tensor_v2.sum", ""},
    {Ad102, "tensor_active_pct", "sm__pipe_tensor_cycles_active_v2.avg.pct_of_peak_sustained_active", ""},
    {Gb202, "dram_read_bytes", "dram__bytes_op_read.sum", ""},
    {Gb202, "dram_write_bytes", "dram__bytes_op_write.sum", ""},
});

}  // namespace

ChipCounters counters_of(std::string_view name) {
  ChipCounters counters{.chip = std::string(name), .metrics = {}, .absent = {}, .reason = {}};
  const auto chip = std::ranges::find(chips, name, &Chip::name);
  if (chip == chips.end()) {
    counters.reason = fmt::format("no table of counters for the chip \"{}\"; there are tables for {}", name,
                                  fmt::join(chip_names, ", "));
    return counters;
  }
  for (const Entry& entry : entries) {
    const auto departure = std::ranges::find_if(
        departures, [&](const Departure& d) { return d.column == chip->column && d.name == entry.name; });
    const bool departs = departure != departures.end();
    if (departs && departure->metric.empty()) {
      counters.absent.push_back({std::string(entry.name), std::string(departure->absent)});
    } else {
      counters.metrics.push_back(
          {std::string(entry.name), std::string(departs ? departure->metric : entry.metric), entry.scale});
    }
  }
  return counters;
}

std::string_view chip_of(int compute_capability) {
  const auto chip = std::ranges::find(chips, compute_capability, &Chip::compute_capability);
  return compute_capability == 0 || chip == chips.end() ? std::string_view{} : chip->name;
}

std::span<const std::string_view> known_chips() { return chip_names; }

}  // namespace qoq::counters
