// The instruction vocabulary: every kernel includes this and nothing else of the machine.
// One set of names, two meanings: inline PTX on a GPU (cuda.cuh), the emulator on a CPU (emulated.h).
#pragma once
#include "kernels/prim/types.cuh"
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#include "kernels/prim/cuda.cuh"
#else
#include "kernels/prim/emulated.h"
#endif
#include "kernels/prim/wgmma_descriptor.cuh"
