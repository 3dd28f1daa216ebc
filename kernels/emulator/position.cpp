#include "kernels/emulator/api.h"
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

namespace {

u32 component(const Dim3& of, u32 axis) { return axis == 0 ? of.x : axis == 1 ? of.y : of.z; }

}  // namespace

u32 thread_index() { return current->index; }
u32 block_index(u32 axis) { return component(current->cta->index, axis); }
u32 grid_size(u32 axis) { return component(current->cta->launch.grid, axis); }

}  // namespace qoq::emulator
