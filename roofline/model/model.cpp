// The model that README.md explains. Times are µs throughout; GB/s is B/µs · 1e3, GHz is clocks/µs · 1e3.
#include "roofline/model/model.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "kernels/base/error.h"
#include "roofline/model/ceilings.h"

namespace qoq::roofline {
namespace {

constexpr double kLanes = 32, kSchedulers = 4;
constexpr double kLoadBytes = 16;  // the widest load of a thread
// How far two demands overlap: the p-th root of the sum of their p-th powers; 1 would be not at all. Copies run ahead
// of the SM's work by whole stages, so memory and SM overlap well; a warp issues in order, so its pipes overlap poorly.
constexpr double kApart = 4, kWithinSm = 2;
constexpr double kStraight = 2;         // straight code waits for its own instructions: twice a loop's pace
constexpr double kExposed = 0.5;        // of the starts of later CTAs, beside the residents' work
constexpr int64_t kRegisterUnit = 256;  // registers are given to warps in units of 256 (CUDA Occupancy Calculator)
constexpr int64_t kSharedUnit = 128;    // shared memory to CTAs in units of 128 bytes

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

/// See kApart.
double overlap(std::initializer_list<double> demands, double power) {
  const double largest = std::max(demands);
  if (!(largest > 0)) return 0;
  double sum = 0;
  for (const double demand : demands) sum += std::pow(demand / largest, power);
  return largest * std::pow(sum, 1 / power);
}

/// Multiply-adds of one warp-wide MMA of a family's mma.sync shapes: m16n8k32 (8 bits), m16n8k16, m16n8k64 (4 bits).
double macs_per_mma(const std::string& arithmetic) {
  if (arithmetic == "int4") return 16 * 8 * 64;
  return arithmetic == "fp16" ? 16 * 8 * 16 : 16 * 8 * 32;
}

/// How often a warp runs which instructions: the main loop as often as the MMAs ask for, everything else once. Without
/// a loop that holds MMAs the whole kernel is the body.
struct Execution {
  double trips = 1;  ///< of `body`
  const Footprint::Counts &body, &outside;

  Execution(const Footprint& code, double mmas_per_warp) : body(code.body), outside(code.outside) {
    if (body[Pipe::Tensor] > 0) trips = mmas_per_warp / body[Pipe::Tensor];
  }
  double count(Pipe pipe) const { return trips * body[pipe] + outside[pipe]; }
  double issued() const { return trips * body.issued + outside.issued; }
  double shared_bytes() const {
    return trips * static_cast<double>(body.shared_bytes) + static_cast<double>(outside.shared_bytes);
  }
};

/// CTAs that run at a time: they start together, and end about together, as they share what limits them.
struct Generation {
  double count = 1;     ///< such generations, one after the other
  double blocks = 0;    ///< CTAs on the GPU
  double resident = 0;  ///< of those on the busiest SM
};

/// What a launch asks for, for one generation at a time.
class Demand {
 public:
  Demand(const Gpu& gpu, const Footprint& code, const Launch& launch, const Traffic& traffic, const Work& work,
         bool measured)
      : gpu_(gpu),
        launch_(launch),
        traffic_(traffic),
        dram_gbps_(gpu.dram_gbps(measured)),
        blocks_(static_cast<double>(launch.grid.count())),
        warps_(std::ceil(static_cast<double>(launch.block.count()) / kLanes)),
        clocks_per_us_(gpu.clock_ghz.value * 1e3),
        run_(code, traffic.mma_instructions / blocks_ / warps_) {
    if (run_.count(Pipe::Tensor) == 0) return;
    const double share = code.mma_sync ? gpu.mma_sync_fraction.value : 1;
    mmas_per_us_ = gpu.tensor.at(work.arithmetic).macs_per_clock_sm * share * gpu.tensor_clock_ghz.value * 1e3 /
                   macs_per_mma(work.arithmetic);
  }

  /// Adds the generation's parts to the prediction; what they take together.
  double add(const Generation& g, Prediction& p) const {
    const double memory = add_memory(g, p), sm = add_sm(g, p);
    const double same_line = gpu_.same_line.value * traffic_.same_line_requests * g.blocks / blocks_ / clocks_per_us_;
    p.same_line_us += g.count * same_line;
    const double power = traffic_.pipeline_stages > 1 ? kApart : 1;  // with one stage nothing runs ahead
    return g.count * overlap({memory, sm, same_line}, power);
  }

  /// Clocks of an idle GPU's load, mixed by where the loads hit.
  double latency() const {
    const double read = traffic_.l2_read_bytes;
    const double missed = read > 0 ? std::min(1.0, traffic_.dram_read_bytes / read) : 0;
    return missed * gpu_.latency.dram.value + (1 - missed) * gpu_.latency.l2.value;
  }
  double start_us() const {
    const double straight = run_.outside.issued * gpu_.latency.issue.value * kStraight;
    return gpu_.block_us.value + (latency() + straight) / clocks_per_us_;
  }
  double merge_us() const {
    const double share = gpu_.l2_bandwidth.value / gpu_.device.sm_count;  // every SM merges
    return (traffic_.merge_steps * gpu_.latency.l2.value + traffic_.merge_bytes / share) / clocks_per_us_;
  }

 private:
  double add_memory(const Generation& g, Prediction& p) const {
    const double part = g.blocks / blocks_, per_block = traffic_.l2_read_bytes / blocks_;
    const double dram = part * (traffic_.dram_read_bytes + traffic_.dram_write_bytes) / dram_gbps_ * 1e-3;
    const double l2 =
        part * (traffic_.l2_read_bytes + traffic_.dram_write_bytes) / gpu_.l2_bandwidth.value / clocks_per_us_;
    const double in_flight =
        per_block / std::max(1.0, in_flight_bytes(per_block)) * (latency() + gpu_.latency.queue.value) / clocks_per_us_;
    p.dram_us += g.count * dram;
    p.l2_us += g.count * l2;
    p.in_flight_us += g.count * in_flight;
    return overlap({std::max(dram, l2), in_flight}, kApart);
  }

  /// A kernel that stages nothing in shared memory has its loads under way in registers: a stage is one of every
  /// thread.
  double in_flight_bytes(double per_block) const {
    const double stages = std::max(1, traffic_.pipeline_stages);
    const double loads = kLoadBytes * static_cast<double>(launch_.block.count());
    const double stage = launch_.shared_bytes > 0 ? launch_.shared_bytes / stages : loads;
    const double ahead = std::min(per_block, stage) * std::max(1.0, stages - 1);
    return launch_.shared_bytes > 0 ? std::max(ahead, std::min(per_block, loads)) : std::min(per_block, ahead);
  }

  double add_sm(const Generation& g, Prediction& p) const {
    const double warps = g.resident * warps_;
    // With fewer warps than schedulers the idle quarters of the SM do nothing.
    const double awake = std::min(1.0, warps / kSchedulers);
    const auto lanes_us = [&](double per_warp, const Rate& rate, double quarters) {
      return warps * per_warp * kLanes / rate.value / clocks_per_us_ / quarters;
    };
    const auto& pipes = gpu_.pipes;
    const double heavy = run_.count(Pipe::FmaHeavy), trips = std::ceil(run_.trips - 1e-9);
    const double alu = lanes_us(run_.count(Pipe::Alu), pipes.alu, awake);
    const double fma =
        std::max(lanes_us(heavy, pipes.fma_heavy, awake), lanes_us(heavy + run_.count(Pipe::Fma), pipes.fma, awake)) +
        lanes_us(run_.count(Pipe::Fp16), pipes.fp16, awake);
    const double xu = lanes_us(run_.count(Pipe::Xu), pipes.xu, awake);
    const double issue = warps * run_.issued() / pipes.issue.value / clocks_per_us_ / awake;
    const double shared = std::max(warps * run_.shared_bytes() / gpu_.shared_bandwidth.value / clocks_per_us_,
                                   lanes_us(run_.count(Pipe::Lsu), pipes.lsu, 1));
    const double tensor = mmas_per_us_ > 0 ? warps * run_.count(Pipe::Tensor) / mmas_per_us_ / awake : 0;
    const auto& latency = gpu_.latency;
    const double chain = trips * run_.body.issued * latency.issue.value / clocks_per_us_;
    const double barrier = trips * std::max(1, run_.body.barriers) *
                           (latency.barrier.value + latency.shared.value + latency.mma.value) / clocks_per_us_ /
                           g.resident;
    p.alu_us += g.count * alu;
    p.fma_us += g.count * fma;
    p.xu_us += g.count * xu;
    p.issue_us += g.count * issue;
    p.shared_us += g.count * shared;
    p.tensor_us += g.count * tensor;
    p.chain_us += g.count * chain;
    p.barrier_us += g.count * barrier;
    return overlap({tensor, std::max({alu, fma, xu, issue}), shared, chain}, kWithinSm) + barrier;
  }

  const Gpu& gpu_;
  const Launch& launch_;
  const Traffic& traffic_;
  double dram_gbps_, blocks_, warps_, clocks_per_us_;
  Execution run_;
  double mmas_per_us_ = 0;  ///< of an SM
};

/// Full generations, then what is left. Alone on the GPU, CTAs spread over the SMs; behind others they go wherever a
/// place is free first, and since an SM's CTAs end about together they pile up: half way between spread and full.
std::vector<Generation> generations(double blocks, double sms, double places) {
  const double slots = sms * places, full = std::floor(blocks / slots), left = blocks - full * slots;
  std::vector<Generation> all;
  if (full > 0) all.push_back({full, slots, places});
  if (left > 0) {
    const double spread = std::ceil(left / sms);
    all.push_back({1, left, full > 0 ? (spread + places) / 2 : spread});
  }
  return all;
}

}  // namespace

Occupancy occupancy(const Device& device, const Footprint& code, const Launch& launch) {
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
  return {{"dram", dram_us},
          {"l2", l2_us},
          {"in_flight", in_flight_us},
          {"same_line", same_line_us},
          {"tensor", tensor_us},
          {"alu", alu_us},
          {"fma", fma_us},
          {"xu", xu_us},
          {"shared", shared_us},
          {"issue", issue_us},
          {"chain", chain_us},
          {"barrier", barrier_us},
          {"ramp", ramp_us},
          {"merge", merge_us},
          {"launch", launch_us}};
}

Prediction predict(const Gpu& gpu, const Footprint& code, const Launch& launch, const Traffic& traffic,
                   const Work& work, bool measured_bandwidth) {
  Prediction p;
  p.speed_of_light_us = speed_of_light_us(gpu, work, measured_bandwidth);
  p.blocks = static_cast<double>(launch.grid.count());
  p.residency = occupancy(gpu.device, code, launch);
  if (p.residency.blocks_per_sm == 0) {
    p.total_us = std::numeric_limits<double>::infinity();
    p.limiter = p.residency.limiter;
    return p;
  }
  const double sms = gpu.device.sm_count, places = p.residency.blocks_per_sm;
  p.waves = p.blocks / (sms * places);
  p.tail_efficiency = p.blocks / sms / std::ceil(p.blocks / sms);

  const Demand demand(gpu, code, launch, traffic, work, measured_bandwidth);
  double later = -1;  // generations behind the first
  for (const Generation& generation : generations(p.blocks, sms, places)) {
    p.total_us += demand.add(generation, p);
    later += generation.count;
  }
  p.ramp_us = demand.start_us() * (1 + later * kExposed / places);
  p.merge_us = demand.merge_us();
  p.launch_us = gpu.launch_us.value;
  p.total_us += p.launch_us + p.ramp_us + p.merge_us;
  const auto parts = p.parts();
  p.limiter = std::max_element(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
                return a.second < b.second;
              })->first;
  return p;
}

}  // namespace qoq::roofline
