// Fibers: a stack each, a switch of some nanoseconds (Boost.Context), known to AddressSanitizer.
#pragma once
#include <cstddef>

namespace qoq::emulator {

struct Fiber {
  void (*run)() = nullptr;
  void* context = nullptr;  // where it stopped
  void* stack = nullptr;    // lowest usable address
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

/// Memory for `count` stacks, guard pages between them. A fiber may be abandoned anywhere: what lies on its stack is
/// never destroyed, so code on fibers owns nothing across a switch.
class Stacks {
 public:
  explicit Stacks(size_t count);
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  /// Makes `fiber` begin `run` on stack `index` when first switched to; `run` never returns.
  void prepare(Fiber& fiber, size_t index, void (*run)());

 private:
  size_t count_;
  std::byte* memory_;
};

/// Leaves `from` (stopping there) for `to`. Returns when somebody switches back. With `last`, `from` is done for good.
void switch_fiber(Fiber& from, Fiber& to, bool last = false);

}  // namespace qoq::emulator
