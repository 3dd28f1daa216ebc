#include "kernels/emulator/fiber.h"

#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace qoq::emulator {

namespace context = boost::context::detail;

namespace {

constexpr size_t page = 4096;
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t stack_pages = 128;  // red zones make frames several times larger
#else
constexpr size_t stack_pages = 16;
#endif
// One more page as the guard; the odd sum keeps equal frames of different stacks out of the same cache sets.
constexpr size_t stride = (stack_pages + 1) * page;

/// What a switch hands over; lies on the stack that is left.
struct Passage {
  Fiber* from;
  Fiber* to;
};

void start(context::transfer_t back) {
  const Passage passage = *static_cast<Passage*>(back.data);
#if defined(__SANITIZE_ADDRESS__)
  const void* stack = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &stack, &bytes);
  if (passage.from->stack == nullptr) {  // an OS thread's own stack: learnt on leaving it
    passage.from->stack = const_cast<void*>(stack);
    passage.from->stack_bytes = bytes;
  }
#endif
  passage.from->context = back.fctx;
  passage.to->run();
}

}  // namespace

Stacks::Stacks(size_t count) : count_(count), memory_(nullptr) {
  void* mapped = mmap(nullptr, count * stride, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(mapped);
  for (size_t i = 0; i < count; ++i) mprotect(memory_ + i * stride, page, PROT_NONE);
}

Stacks::~Stacks() {
#if defined(__SANITIZE_ADDRESS__)
  for (size_t i = 0; i < count_; ++i) __asan_unpoison_memory_region(memory_ + i * stride + page, stride - page);
#endif
  munmap(memory_, count_ * stride);
}

void Stacks::prepare(Fiber& fiber, size_t index, void (*run)()) {
  std::byte* low = memory_ + index * stride + page;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(low, stride - page);  // frames of an abandoned fiber may have been here
#endif
  const size_t colour = index % 32 * 2 * 64;  // spreads the hot frames over a page's cache sets
  fiber.stack = low;
  fiber.stack_bytes = stride - page - colour;
  fiber.fake_stack = nullptr;
  fiber.context = context::make_fcontext(low + fiber.stack_bytes, fiber.stack_bytes, start);
  fiber.run = run;
}

void switch_fiber(Fiber& from, Fiber& to, [[maybe_unused]] bool last) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fake_stack, to.stack, to.stack_bytes);
#endif
  Passage passage{&from, &to};
  const context::transfer_t back = context::jump_fcontext(to.context, &passage);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
  static_cast<Passage*>(back.data)->from->context = back.fctx;
}

}  // namespace qoq::emulator
