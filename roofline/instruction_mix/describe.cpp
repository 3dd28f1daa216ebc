#include <fmt/format.h>

#include <algorithm>

#include "roofline/instruction_mix/whole_kernel.h"

namespace qoq::roofline {
namespace {

std::string by_pipe(const Mix& mix) {
  std::string line;
  for (int i = 0; i < kPipes; ++i)
    if (const int count = mix.pipes[static_cast<size_t>(i)])
      line += fmt::format(" {}={}", text(static_cast<Pipe>(i)), count);
  return line;
}

std::string by_name(const Mix& mix) {
  std::vector<std::pair<int, std::string>> by_count;
  for (const auto& [name, count] : mix.names) by_count.emplace_back(-count, name);
  std::sort(by_count.begin(), by_count.end());
  std::string line = "   ";
  for (const auto& [count, name] : by_count) line += fmt::format(" {}={}", name, -count);
  return line + "\n";
}

std::string bytes(const Mix& mix) {
  std::string line = fmt::format("    a warp loads {} B from global memory and moves {} B through shared memory",
                                 mix.global_bytes, mix.shared_bytes);
  if (mix.bulk_copies) line += fmt::format(", beside {} bulk copies of a size the code does not say", mix.bulk_copies);
  return line + fmt::format("; {} instructions are predicated", mix.predicated);
}

std::string trips(const Loop& loop) {
  return loop.trips ? fmt::format("{} trips", *loop.trips) : "trips not in the code";
}

}  // namespace

std::string describe(const EntryCode& code) {
  std::string out = fmt::format(
      "{}: sm_{}, {} registers, {} B static shared, {} B stack, {} instructions, {} unknown\n", code.name,
      code.architecture, code.registers, code.static_shared_bytes, code.stack_bytes, code.mix.total(), code.unknown());
  if (code.unresolved_branches)
    out += fmt::format("  {} branches not decoded: loops may be missing\n", code.unresolved_branches);
  const Loop* main = code.main();
  if (main)
    out += fmt::format("  main loop [{}, {}] of {} loops:{}\n{}{}; {} stand behind a branch; {}\n", main->begin,
                       main->end, code.loops.size(), by_pipe(main->mix), by_name(main->mix), bytes(main->mix),
                       main->conditional, trips(*main));
  else
    out += fmt::format("  no loop with MMAs ({} loops):{}\n{}{}\n", code.loops.size(), by_pipe(code.mix),
                       by_name(code.mix), bytes(code.mix));
  for (const Loop& loop : code.loops)
    if (&loop != main)
      out += fmt::format("  loop [{}, {}], {}:{}\n", loop.begin, loop.end, trips(loop), by_pipe(loop.mix));
  return out;
}

std::string describe(const WholeKernel& whole) {
  std::string out =
      fmt::format("  whole kernel, a warp: {:.0f} instructions issued, {:.0f} B loaded from global memory",
                  whole.issued(), whole.global_bytes);
  out += fmt::format(", {:.0f} B through shared memory\n   ", whole.shared_bytes);
  for (int i = 0; i < kPipes; ++i) {
    const auto pipe = static_cast<Pipe>(i);
    if (whole[pipe] <= 0) continue;
    out += fmt::format(" {}={:.0f}", text(pipe), whole[pipe]);
    if (whole.mmas() > 0 && pipe != Pipe::Tensor) out += fmt::format(" ({:.2f} an MMA)", whole.per_mma(pipe));
  }
  out += "\n";
  if (whole.main_trips > 0)
    out += fmt::format("    main loop {:.1f} trips, {}\n", whole.main_trips,
                       whole.proven ? "proven from the code" : "from the MMAs that the family counts");
  if (whole.assumed_loops > 0)
    out += fmt::format("    {} loops of unknown trips count once: {:.1f} % of these instructions\n",
                       whole.assumed_loops, 100 * whole.assumed_share);
  return out;
}

}  // namespace qoq::roofline
