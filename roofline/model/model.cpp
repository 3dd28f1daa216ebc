// The model that README.md explains. Times are µs throughout; GB/s is B/µs · 1e3, GHz is clocks/µs · 1e3.
#include "roofline/model/model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/error.h"
#include "roofline/model/ceilings.h"

namespace qoq::roofline {
namespace {

constexpr double kLanes = 32, kSchedulers = 4;
constexpr double kLoadBytes = 16;       // the widest load of a thread
constexpr int64_t kRegisterUnit = 256;  // registers are given to warps in units of 256 (CUDA Occupancy Calculator)
constexpr int64_t kSharedUnit = 128;    // shared memory to CTAs in units of 128 bytes

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

/// Two demands on one path: near the knee queues form, so neither hides wholly behind the other. With the power 2 a
/// load of twice the bandwidth-latency product reaches 89 % of the bandwidth, four times 97 %.
double soft_max(double a, double b) { return std::hypot(a, b); }

/// Multiply-adds of one warp-wide MMA of a family's mma.sync shapes: m16n8k32 (8 bits), m16n8k16, m16n8k64 (4 bits).
double macs_per_mma(const std::string& arithmetic) {
  if (arithmetic == "int4") return 16 * 8 * 64;
  return arithmetic == "fp16" ? 16 * 8 * 16 : 16 * 8 * 32;
}

bool uses_mma_sync(const Mix& mix) {
  return mix.named("IGMMA") + mix.named("HGMMA") + mix.named("QGMMA") + mix.named("UTCMMA") == 0;
}

/// How often a warp runs which instructions.
struct Execution {
  double trips = 1;  ///< of `body`
  Mix body, outside;

  double count(Pipe pipe) const { return trips * body[pipe] + outside[pipe]; }
  double issued() const { return trips * body.issued() + outside.issued(); }
  double shared_bytes() const {
    return trips * static_cast<double>(body.shared_bytes) + static_cast<double>(outside.shared_bytes);
  }
};

/// The main loop runs as often as the MMAs ask for; everything else once. Without a loop that holds MMAs the whole
/// kernel is the body.
Execution execution_of(const EntryCode& code, double mmas_per_warp) {
  Execution run;
  run.body = code.mix;
  if (const Loop* loop = code.main()) {
    run.body = loop->mix;
    for (size_t i = 0; i < run.outside.pipes.size(); ++i) run.outside.pipes[i] = code.mix.pipes[i] - loop->mix.pipes[i];
    run.outside.names["NOP"] = code.mix.named("NOP") - loop->mix.named("NOP");
    run.outside.shared_bytes = code.mix.shared_bytes - loop->mix.shared_bytes;
  }
  if (run.body[Pipe::Tensor] > 0) run.trips = mmas_per_warp / run.body[Pipe::Tensor];
  return run;
}

/// Where the CTAs go.
struct Spread {
  double per_sm = 0;    ///< CTAs of the busiest SM, in all
  double resident = 0;  ///< of those at a time
  double rounds = 0;    ///< one after the other
  double warps = 0;     ///< resident warps of the busiest SM
};

void time_memory(const Gpu& gpu, const Launch& launch, const Traffic& traffic, const Spread& spread, bool measured,
                 Prediction& p) {
  const double clocks_per_us = gpu.clock_ghz.value * 1e3;
  p.dram_us = (traffic.dram_read_bytes + traffic.dram_write_bytes) / gpu.dram_gbps(measured) * 1e-3;
  p.l2_us = (traffic.l2_read_bytes + traffic.dram_write_bytes) / gpu.l2_bandwidth.value / clocks_per_us;

  const double per_block = traffic.l2_read_bytes / p.blocks;
  const double stages = std::max(1, traffic.pipeline_stages);
  // A kernel that stages nothing in shared memory has its loads under way in registers: a stage is one of every thread.
  const double loads_bytes = kLoadBytes * static_cast<double>(launch.block.count());
  const double stage_bytes = launch.shared_bytes > 0 ? launch.shared_bytes / stages : loads_bytes;
  const double ahead = std::min(per_block, stage_bytes) * std::max(1.0, stages - 1);
  const double in_flight =
      launch.shared_bytes > 0 ? std::max(ahead, std::min(per_block, loads_bytes)) : std::min(per_block, ahead);
  const double missed = traffic.l2_read_bytes > 0 ? std::min(1.0, traffic.dram_read_bytes / traffic.l2_read_bytes) : 0;
  const double latency_us = (missed * gpu.latency.dram.value + (1 - missed) * gpu.latency.l2.value) / clocks_per_us;
  p.in_flight_us = spread.rounds * per_block / std::max(1.0, in_flight) * latency_us;
}

void time_sm(const Gpu& gpu, const Execution& run, double warps_per_block, double tensor_share,
             const std::string& arithmetic, const Spread& spread, Prediction& p) {
  // With fewer warps than schedulers the idle quarters of the SM do nothing.
  const double awake = std::min(1.0, spread.warps / kSchedulers);
  const double clocks_per_us = gpu.clock_ghz.value * 1e3 * awake;
  const double warps = spread.per_sm * warps_per_block;
  const auto lanes_us = [&](double per_warp, const Rate& rate) {
    return warps * per_warp * kLanes / rate.value / clocks_per_us;
  };
  p.alu_us = lanes_us(run.count(Pipe::Alu), gpu.pipes.alu);
  const double heavy = run.count(Pipe::FmaHeavy);
  p.fma_us = std::max(lanes_us(heavy, gpu.pipes.fma_heavy), lanes_us(heavy + run.count(Pipe::Fma), gpu.pipes.fma)) +
             lanes_us(run.count(Pipe::Fp16), gpu.pipes.fp16);
  p.xu_us = lanes_us(run.count(Pipe::Xu), gpu.pipes.xu);
  p.issue_us = warps * run.issued() / gpu.pipes.issue.value / clocks_per_us;
  p.shared_us = std::max(warps * run.shared_bytes() / gpu.shared_bandwidth.value / (gpu.clock_ghz.value * 1e3),
                         lanes_us(run.count(Pipe::Lsu), gpu.pipes.lsu));
  if (run.count(Pipe::Tensor) > 0) {
    const double macs = warps * run.count(Pipe::Tensor) * macs_per_mma(arithmetic);
    const double rate = gpu.tensor.at(arithmetic).macs_per_clock_sm * tensor_share * awake;
    p.tensor_us = macs / rate / (gpu.tensor_clock_ghz.value * 1e3);
  }
  // One trip by itself: the instructions at a lone warp's pace, and from each barrier on the way through shared memory
  // into an MMA.
  const auto& latency = gpu.latency;
  const double steps = std::max(1, run.body.named("BAR"));
  const double trip_clocks = steps * (latency.barrier.value + latency.shared.value + latency.mma.value) +
                             run.body.issued() * latency.issue.value;
  p.chain_us = std::ceil(spread.rounds) * run.trips * trip_clocks / (gpu.clock_ghz.value * 1e3);
}

/// The SM's own work: the pipes overlap as far as there are warps to switch between; never faster than the chain.
double sm_time(const Prediction& p, double warps_per_scheduler) {
  const double cuda = std::max({p.alu_us, p.fma_us, p.xu_us, p.issue_us});
  const double largest = std::max({p.tensor_us, cuda, p.shared_us});
  const double rest = p.tensor_us + cuda + p.shared_us - largest;
  return std::max(largest + rest / std::max(1.0, warps_per_scheduler), p.chain_us);
}

}  // namespace

Occupancy occupancy(const Device& device, const EntryCode& code, const Launch& launch) {
  const auto threads = static_cast<int64_t>(launch.block.count());
  const int64_t warps = (threads + 31) / 32;
  const int64_t shared =
      round_up(code.static_shared_bytes + int64_t{launch.shared_bytes} + device.shared_reserved_bytes, kSharedUnit);
  const int64_t registers = round_up(int64_t{std::max(1, code.registers)} * 32, kRegisterUnit);
  const bool fits = threads > 0 && threads <= 1024 &&
                    code.static_shared_bytes + int64_t{launch.shared_bytes} <= device.shared_per_block_bytes;
  // Registers belong to one of four schedulers: warps are limited per scheduler.
  const int64_t warps_by_registers = device.registers_per_sm / 4 / registers * 4;
  const std::pair<int64_t, const char*> limits[] = {
      {warps_by_registers / std::max<int64_t>(1, warps), "registers"},
      {fits ? device.shared_per_sm_bytes / shared : 0, "shared memory"},
      {device.threads_per_sm / std::max<int64_t>(32, warps * 32), "threads"},
      {device.blocks_per_sm, "blocks"},
  };
  const auto least = *std::min_element(std::begin(limits), std::end(limits),
                                       [](const auto& a, const auto& b) { return a.first < b.first; });
  return {static_cast<int>(least.first), static_cast<int>(least.first * warps), least.second};
}

std::vector<std::pair<std::string_view, double>> Prediction::parts() const {
  return {{"dram", dram_us},     {"l2", l2_us},         {"in_flight", in_flight_us},
          {"tensor", tensor_us}, {"alu", alu_us},       {"fma", fma_us},
          {"xu", xu_us},         {"shared", shared_us}, {"issue", issue_us},
          {"chain", chain_us},   {"ramp", ramp_us},     {"launch", launch_us}};
}

Prediction predict(const Gpu& gpu, const EntryCode& code, const Launch& launch, const Traffic& traffic,
                   const Work& work, bool measured_bandwidth) {
  Prediction p;
  p.speed_of_light_us = speed_of_light_us(gpu, work, measured_bandwidth);
  p.blocks = static_cast<double>(launch.grid.count());
  p.residency = occupancy(gpu.device, code, launch);
  if (p.residency.blocks_per_sm == 0 || p.blocks == 0) {
    p.total_us = std::numeric_limits<double>::infinity();
    p.limiter = p.residency.limiter;
    return p;
  }

  const double sms = gpu.device.sm_count;
  const double warps_per_block = std::ceil(static_cast<double>(launch.block.count()) / kLanes);
  Spread spread;
  spread.per_sm = std::ceil(p.blocks / sms);
  spread.resident = std::min<double>(p.residency.blocks_per_sm, spread.per_sm);
  spread.rounds = spread.per_sm / spread.resident;
  spread.warps = spread.resident * warps_per_block;
  p.waves = p.blocks / (sms * p.residency.blocks_per_sm);
  p.tail_efficiency = p.blocks / sms / spread.per_sm;

  const Execution run = execution_of(code, traffic.mma_instructions / p.blocks / warps_per_block);
  const double tensor_share = uses_mma_sync(code.mix) ? gpu.mma_sync_fraction.value : 1;
  time_memory(gpu, launch, traffic, spread, measured_bandwidth, p);
  time_sm(gpu, run, warps_per_block, tensor_share, tensor_arithmetic(gpu, work), spread, p);

  const double clocks_per_us = gpu.clock_ghz.value * 1e3;
  // Only the first round's start and end stand alone; later ones hide behind the other resident CTAs.
  const double start_us = gpu.block_us.value + gpu.latency.dram.value / clocks_per_us +
                          run.outside.issued() * gpu.latency.issue.value / clocks_per_us;
  p.ramp_us = start_us * (1 + (spread.rounds - 1) / spread.resident);
  p.launch_us = gpu.launch_us.value;

  const double memory = soft_max(std::max(p.dram_us, p.l2_us), p.in_flight_us);
  const double sm = sm_time(p, spread.warps / kSchedulers);
  // Loads run ahead by the stages of every resident CTA; what is not ahead stands still.
  const double overlap = std::max(1, traffic.pipeline_stages) * spread.resident;
  p.total_us = p.launch_us + p.ramp_us + std::max(memory, sm) + std::min(memory, sm) / overlap;
  const auto parts = p.parts();
  p.limiter = std::max_element(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
                return a.second < b.second;
              })->first;
  return p;
}

}  // namespace qoq::roofline
