#include "autotune/ceilings/list.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace qoq::ceilings {

namespace {

using measure::Cache;
using measure::LaunchMode;

constexpr measure::Modes cold{Cache::WeightsCold, LaunchMode::Eager}, hot{Cache::Hot, LaunchMode::Eager},
    queued{Cache::Hot, LaunchMode::Graph};
constexpr const char *lanes = "threads/clk/SM", *tera = "TOPS";

/// So many warps an SM, each so many trips: a few hundred µs.
std::string problem(const char* scheme, const Device& device, int warps_per_sm, int trips) {
  return fmt::format("ceiling {} warps={} trips={}", scheme, device.sm_count * warps_per_sm, trips);
}

std::vector<Try> tries(const std::string& problem, const std::vector<std::string>& variants) {
  std::vector<Try> all;
  for (const std::string& variant : variants) all.push_back({problem, variant});
  return all;
}

Ceiling issue(const char* name, const char* sheet, const char* instruction, const Device& device) {
  const std::string scheme = fmt::format("issue.{}", instruction);
  return {name,
          sheet,
          lanes,
          Per::ClockSm,
          hot,
          tries(problem(scheme.c_str(), device, 32, 256),
                {scheme + ".t256.c8", scheme + ".t512.c8", scheme + ".t1024.c8", scheme + ".t512.c16"})};
}

Ceiling mma(const char* name, const char* arithmetic, const Device& device) {
  const std::string scheme = fmt::format("mma.{}", arithmetic);
  return {name,
          name,
          tera,
          Per::Tera,
          hot,
          tries(problem(scheme.c_str(), device, 16, 128),
                {scheme + ".t256.r4.c4", scheme + ".t512.r4.c4", scheme + ".t512.r4.c2", scheme + ".t128.r4.c4"})};
}

Ceiling wgmma(const Device& device) {
  Ceiling ceiling{"tensor.int8", "tensor.int8", tera, Per::Tera, hot, {}};
  ceiling.tries = tries(problem("wgmma.int8", device, 8, 256), {"wgmma.int8.t128.n256", "wgmma.int8.t256.n256"});
  for (const Try& more :
       tries(problem("wgmma.int8", device, 16, 128), {"wgmma.int8.t128.n128", "wgmma.int8.t256.n128"}))
    ceiling.tries.push_back(more);
  return ceiling;
}

/// A third of the cache at most, so that it stays there; a power of two of MiB.
Ceiling l2(const Device& device) {
  const auto third = static_cast<uint64_t>(std::max<int64_t>(1, device.l2_bytes / 3 >> 20));
  const uint64_t mb = std::min<uint64_t>(16, std::bit_floor(third));
  return {"l2_bandwidth",
          "l2_bandwidth",
          "B/clk",
          Per::Clock,
          hot,
          tries(fmt::format("ceiling l2 mb={} reads={}", mb, 2048 / mb),
                {"l2.t256.u4.x4", "l2.t256.u8.x4", "l2.t512.u4.x4", "l2.t512.u8.x4", "l2.t512.u4.x16"})};
}

}  // namespace

std::vector<Ceiling> ceilings_of(const Device& device) {
  std::vector<Ceiling> all;
  all.push_back(
      {"measured_dram_bandwidth", "measured_dram_bandwidth", "GB/s", Per::Second, cold,
       tries("ceiling read mb=1024", {"read.t128.u4.x4", "read.t256.u4.x4", "read.t256.u8.x4", "read.t512.u4.x4"})});
  all.push_back(
      {"dram_copy_bandwidth", "measured_dram_bandwidth", "GB/s", Per::Second, cold,
       tries("ceiling copy mb=512", {"copy.t256.u4.x1", "copy.t256.u4.x4", "copy.t512.u4.x4", "copy.t256.u8.x4"})});
  all.push_back(l2(device));
  all.push_back({"shared_bandwidth", "shared_bandwidth", "B/clk/SM", Per::SharedClockSm, hot,
                 tries(problem("shared", device, 32, 16), {"shared.t256.c8", "shared.t512.c8", "shared.t512.c4"})});
  // From compute capability 9.0 on mma.sync is not the instruction behind the listed rates.
  const bool has_own_instruction = device.compute_capability >= 90 && device.compute_capability < 120;
  if (device.compute_capability == 90) all.push_back(wgmma(device));
  all.push_back(mma(has_own_instruction ? "mma_sync.int8" : "tensor.int8", "int8", device));
  all.push_back(mma(has_own_instruction ? "mma_sync.fp16" : "tensor.fp16", "fp16", device));
  all.push_back(issue("pipes.fma", "pipes.fma", "ffma", device));
  all.push_back(issue("pipes.fma_heavy", "pipes.fma_heavy", "imad", device));
  all.push_back(issue("pipes.fp16", "pipes.fp16", "hfma2", device));
  all.push_back(issue("pipes.alu", "pipes.alu", "lop3", device));
  all.push_back(issue("issue.iadd3", "pipes.alu", "iadd3", device));
  all.push_back(issue("issue.prmt", "pipes.alu", "prmt", device));
  all.push_back(issue("issue.shf", "pipes.alu", "shf", device));
  all.push_back(
      {"launch", "launch", "us", Per::Run, queued, tries("ceiling launch ctas=1", {"launch.t32", "launch.t128"})});
  return all;
}

}  // namespace qoq::ceilings
