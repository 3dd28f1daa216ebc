#include "autotune/measure/instruments.h"

#include <algorithm>
#include <cstring>

namespace qoq::measure {

namespace {

// sm_80 is the least we generate for; the driver translates it for every GPU from there on.
constexpr const char* ptx = R"ptx(
.version 7.0
.target sm_80
.address_size 64

// One 16-byte store keeps cycles and nanoseconds of one reading together, whoever else writes the SM's place.
.visible .entry stamp_clocks(.param .align 8 .b8 args[8])
{
  .reg .pred %other;
  .reg .b32 %thread, %sm;
  .reg .b64 %out, %place, %cycles, %nanoseconds;
  mov.u32 %thread, %tid.x;
  setp.ne.u32 %other, %thread, 0;
  @%other ret;
  ld.param.u64 %out, [args];
  cvta.to.global.u64 %out, %out;
  mov.u32 %sm, %smid;
  setp.ge.u32 %other, %sm, 512;
  @%other ret;
  mul.wide.u32 %place, %sm, 16;
  add.u64 %out, %out, %place;
  mov.u64 %cycles, %clock64;
  mov.u64 %nanoseconds, %globaltimer;
  st.global.v2.u64 [%out], {%cycles, %nanoseconds};
  ret;
}

// Reads 16-byte words [0, count) past L1; the sum is stored only if it is one value in 2^32, so nobody can leave the
// reading out.
.visible .entry read_over(.param .align 8 .b8 args[24])
{
  .reg .pred %done, %odd;
  .reg .b32 %a, %b, %c, %d, %sum, %thread, %block, %size, %grid;
  .reg .b64 %from, %sink, %count, %at, %step, %wide, %address;
  ld.param.u64 %from, [args];
  ld.param.u64 %sink, [args+8];
  ld.param.u64 %count, [args+16];
  cvta.to.global.u64 %from, %from;
  cvta.to.global.u64 %sink, %sink;
  mov.u32 %thread, %tid.x;
  mov.u32 %block, %ctaid.x;
  mov.u32 %size, %ntid.x;
  mov.u32 %grid, %nctaid.x;
  mul.wide.u32 %at, %block, %size;
  cvt.u64.u32 %wide, %thread;
  add.u64 %at, %at, %wide;
  mul.wide.u32 %step, %grid, %size;
  mov.u32 %sum, 0;
next:
  setp.ge.u64 %done, %at, %count;
  @%done bra end;
  shl.b64 %address, %at, 4;
  add.u64 %address, %from, %address;
  ld.global.cg.v4.u32 {%a, %b, %c, %d}, [%address];
  xor.b32 %a, %a, %b;
  xor.b32 %c, %c, %d;
  xor.b32 %a, %a, %c;
  xor.b32 %sum, %sum, %a;
  add.u64 %at, %at, %step;
  bra next;
end:
  setp.ne.u32 %odd, %sum, 0x9e3779b9;
  @%odd ret;
  st.global.u32 [%sink], %sum;
  ret;
}

.visible .entry wait_for_time(.param .align 8 .b8 args[8])
{
  .reg .pred %early;
  .reg .b64 %length, %end, %now;
  ld.param.u64 %length, [args];
  mov.u64 %end, %globaltimer;
  add.u64 %end, %end, %length;
again:
  mov.u64 %now, %globaltimer;
  setp.lt.u64 %early, %now, %end;
  @%early bra again;
  ret;
}
)ptx";

constexpr size_t most_sms = 512;  // as in stamp_clocks
constexpr size_t stamp_bytes = most_sms * 16;
constexpr double timer_step_ns = 1000;  // the coarsest %globaltimer seen; newer GPUs count 32 ns

template <class Args>
void launch_one(const char* entry, CUfunc_st* function, uint32_t ctas, uint32_t threads, const Args& args,
                const runtime::Stream& stream) {
  Launch launch;
  launch.entry = entry;
  launch.grid.x = ctas;
  launch.block.x = threads;
  runtime::launch(launch, function, std::as_bytes(std::span(&args, 1)), stream);
}

}  // namespace

double mean_mhz(const Stamp& from, const Stamp& to) {
  std::vector<double> clocks;
  for (size_t sm = 0; sm < std::min(from.cycles.size(), to.cycles.size()); ++sm) {
    if (from.nanoseconds[sm] == 0 || to.nanoseconds[sm] <= from.nanoseconds[sm]) continue;
    const auto ns = static_cast<double>(to.nanoseconds[sm] - from.nanoseconds[sm]);
    if (timer_step_ns > 0.005 * ns) continue;
    clocks.push_back(static_cast<double>(to.cycles[sm] - from.cycles[sm]) / ns * 1000);
  }
  if (clocks.empty()) return 0;
  std::ranges::nth_element(clocks, clocks.begin() + static_cast<std::ptrdiff_t>(clocks.size() / 2));
  return clocks[clocks.size() / 2];
}

Instruments::Instruments(const Device& device)
    : module_(ptx),
      stamp_(module_.function("stamp_clocks")),
      flush_(module_.function("read_over")),
      wait_(module_.function("wait_for_time")),
      sm_count_(static_cast<uint32_t>(device.sm_count)),
      // %smid counts physical SMs: some products leave numbers out.
      stamps_{runtime::DeviceMemory(stamp_bytes), runtime::DeviceMemory(stamp_bytes)},
      flushed_(2 * static_cast<size_t>(device.l2_bytes) / 16 * 16),
      sink_(16) {
  const runtime::Stream stream;
  for (const auto& memory : stamps_) memory.fill(0, memory.size(), 0, stream);
  flushed_.fill(0, flushed_.size(), 0x5a, stream);
}

void Instruments::queue_stamp(When when, const runtime::Stream& stream) const {
  const auto& memory = stamps_[static_cast<int>(when)];
  memory.fill(0, memory.size(), 0, stream);  // no stamp of an earlier sample stays where none is taken now
  const uint64_t out = reinterpret_cast<uint64_t>(memory.data());
  launch_one("stamp_clocks", stamp_, 2 * sm_count_, 32, out, stream);
}

Stamp Instruments::stamp(When when) const {
  std::vector<uint64_t> words(2 * most_sms);
  stamps_[static_cast<int>(when)].download(0, std::as_writable_bytes(std::span(words)));
  Stamp stamp;
  for (size_t sm = 0; sm < most_sms; ++sm) {
    stamp.cycles.push_back(words[2 * sm]);
    stamp.nanoseconds.push_back(words[2 * sm + 1]);
  }
  return stamp;
}

void Instruments::queue_wait(double us, const runtime::Stream& stream) const {
  launch_one("wait_for_time", wait_, 1, 1, static_cast<uint64_t>(us * 1000), stream);
}

void Instruments::queue_flush(const runtime::Stream& stream) const {
  const struct {
    uint64_t from, sink, count;
  } args{reinterpret_cast<uint64_t>(flushed_.data()), reinterpret_cast<uint64_t>(sink_.data()), flushed_.size() / 16};
  launch_one("read_over", flush_, 4 * sm_count_, 512, args, stream);
}

}  // namespace qoq::measure
