#include "tests/autotune/counters/reading_kernel.h"

#include <span>
#include <utility>

namespace qoq::counters {

namespace {

struct Arguments {
  std::byte* data;
  uint64_t vectors;  // of 16 bytes
  std::byte* sink;   // written when what was read adds up to a number it does not
};

}  // namespace

std::string ReadingKernel::ptx(const std::string& name) {
  return R"(
.version 7.0
.target sm_75
.address_size 64
.visible .entry )" +
         name + R"((.param .align 8 .b8 arguments[24])
{
  .reg .pred %p<3>;
  .reg .b32 %r<12>;
  .reg .b64 %rd<10>;
  ld.param.u64 %rd1, [arguments];
  ld.param.u64 %rd2, [arguments+8];
  ld.param.u64 %rd3, [arguments+16];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mov.u32 %r4, %nctaid.x;
  mul.wide.u32 %rd4, %r1, %r2;
  cvt.u64.u32 %rd5, %r3;
  add.u64 %rd4, %rd4, %rd5;
  mul.wide.u32 %rd6, %r4, %r2;
  mov.u32 %r9, 0;
again:
  setp.ge.u64 %p1, %rd4, %rd2;
  @%p1 bra done;
  shl.b64 %rd7, %rd4, 4;
  add.u64 %rd8, %rd1, %rd7;
  ld.global.v4.u32 {%r5, %r6, %r7, %r8}, [%rd8];
  xor.b32 %r5, %r5, %r6;
  xor.b32 %r7, %r7, %r8;
  xor.b32 %r5, %r5, %r7;
  xor.b32 %r9, %r9, %r5;
  add.u64 %rd4, %rd4, %rd6;
  bra again;
done:
  setp.eq.u32 %p2, %r9, 305419896;
  @%p2 st.global.u32 [%rd3], %r9;
  ret;
}
)";
}

ReadingKernel::ReadingKernel(std::string name)
    : name_(std::move(name)), module_(ptx(name_)), function_(module_.function(name_.c_str())), sink_(256) {}

void ReadingKernel::queue(const runtime::DeviceMemory& memory, size_t bytes, const runtime::Stream& stream) const {
  const Arguments arguments{memory.data(), bytes / 16, sink_.data()};
  const Launch launch{.entry = name_, .grid = {4096, 1, 1}, .block = {512, 1, 1}, .cluster = {}, .shared_bytes = 0};
  runtime::launch(launch, function_, std::as_bytes(std::span(&arguments, 1)), stream);
}

}  // namespace qoq::counters
