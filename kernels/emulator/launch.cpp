#include <bit>

#include "kernels/base/error.h"
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

Cta::Cta(Launch& of, uint32_t threads_count, uint32_t shared_bytes, bool races)
    : launch(of),
      threads(threads_count),
      warps(threads_count / warp_size),
      wgmma_shapes((threads_count + 127) / 128),
      shared(shared_bytes),
      stacks(threads_count) {
  if (races) shadow = std::make_unique<Shadow>(shared_bytes);
  for (uint32_t i = 0; i < warps.size(); ++i) warps[i].index = i;
  for (uint32_t i = 0; i < threads_count; ++i) {
    threads[i].cta = this;
    threads[i].warp = &warps[i / warp_size];
    threads[i].index = i;
    threads[i].lane = i % warp_size;
  }
}

namespace {

void count_shared(Counters& counters, const Request& request) {
  SharedCounters& kind = request.operation == Operation::CopyAsync    ? counters.async_copies
                         : request.operation == Operation::LoadShared ? counters.shared_loads
                                                                      : counters.shared_stores;
  ++kind.requests;
  kind.wavefronts += count_wavefronts(request.addresses, request.lanes, request.bytes);
  kind.ideal_wavefronts += count_ideal_wavefronts(request.lanes, request.bytes);
}

void count_global(BufferCounters& counters, const Request& request) {
  const uint64_t bytes = uint64_t{request.bytes} * static_cast<unsigned>(std::popcount(request.lanes));
  const uint64_t sectors = count_sectors(request.addresses, request.lanes);
  if (request.operation == Operation::StoreGlobal || request.operation == Operation::StoreRelease) {
    counters.bytes_written += bytes;
    counters.sectors_written += sectors;
  } else {
    counters.bytes_read += bytes;
    counters.sectors_read += sectors;
  }
}

}  // namespace

void count_requests(Launch& launch, Warp& warp) {
  warp.requests.flush([&](const Request& request) {
    if (request.global) {
      count_global(launch.memory.at(request.buffer).counters, request);
    } else {
      count_shared(launch.result.counters, request);
    }
  });
}

uint64_t Counters::bank_conflicts() const {
  return shared_loads.bank_conflicts() + shared_stores.bank_conflicts() + matrix_loads.bank_conflicts() +
         async_copies.bank_conflicts();
}

namespace {

void add(SharedCounters& to, const SharedCounters& other) {
  to.requests += other.requests;
  to.wavefronts += other.wavefronts;
  to.ideal_wavefronts += other.ideal_wavefronts;
}

}  // namespace

Counters& Counters::operator+=(const Counters& other) {
  for (const auto& [name, counters] : other.buffers) {
    BufferCounters& mine = buffers[name];
    mine.bytes_read += counters.bytes_read;
    mine.bytes_written += counters.bytes_written;
    mine.sectors_read += counters.sectors_read;
    mine.sectors_written += counters.sectors_written;
    mine.atomics += counters.atomics;
  }
  add(shared_loads, other.shared_loads);
  add(shared_stores, other.shared_stores);
  add(matrix_loads, other.matrix_loads);
  add(async_copies, other.async_copies);
  ctas += other.ctas;
  collectives += other.collectives;
  mmas += other.mmas;
  wgmmas += other.wgmmas;
  bulk_copies += other.bulk_copies;
  barriers += other.barriers;
  return *this;
}

Result launch(void (*entry)(const void*), const void* args, Dim3 grid, unsigned threads, uint32_t shared_bytes,
              Memory& memory, const Options& options) {
  if (threads == 0 || threads % warp_size != 0 || threads > 1024) {
    fail("the emulator runs CTAs of 32, 64, … 1024 threads, not of {}", threads);
  }
  Launch run(memory, options);
  run.entry = entry;
  run.args = args;
  run.grid = grid;
  run.threads = threads;
  run.shared_bytes = shared_bytes;
  run.half = std::bit_ceil(threads);
  if (grid.count() * run.half * 4 > uint64_t{1} << Epoch::agent_bits) {
    fail("the emulator runs at most {} CTAs of {} threads, not {}", (1u << Epoch::agent_bits) / (4 * run.half), threads,
         grid.count());
  }
  boost::intrusive_ptr<CtaClocks> zero = new CtaClocks;
  zero->clocks.resize(size_t{2} * run.half);
  run.zero_clocks = zero;
  run_ctas(run);
  current = nullptr;
  run.memory.report(run.result.counters.buffers);
  return std::move(run.result);
}

}  // namespace qoq::emulator
