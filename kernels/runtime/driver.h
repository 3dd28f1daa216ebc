#pragma once
#include <string>

#ifdef QOQ_HAS_CUDA_HEADERS
#include <cuda.h>
#endif

namespace qoq::runtime {

// Names stay behind cuda.h's own renaming (cuMemAlloc → cuMemAlloc_v2): members, types and looked-up symbols agree.
// clang-format off
#define QOQ_DRIVER_FUNCTIONS(X)                                                                                   \
  X(cuInit) X(cuDriverGetVersion) X(cuGetErrorString) X(cuDeviceGetCount) X(cuDeviceGet) X(cuDeviceGetName)       \
  X(cuDeviceGetUuid) X(cuDeviceGetAttribute) X(cuDeviceTotalMem) X(cuDevicePrimaryCtxRetain)                      \
  X(cuDevicePrimaryCtxRelease) X(cuCtxSetCurrent) X(cuCtxSynchronize) X(cuModuleLoadData) X(cuModuleUnload)       \
  X(cuModuleGetFunction) X(cuFuncSetAttribute) X(cuLaunchKernelEx) X(cuStreamCreate) X(cuStreamDestroy)           \
  X(cuEventCreate) X(cuEventDestroy) X(cuEventRecord) X(cuEventQuery) X(cuEventElapsedTime) X(cuMemAlloc)         \
  X(cuMemFree) X(cuMemcpyHtoD) X(cuMemcpyDtoH) X(cuMemsetD8Async) X(cuStreamBeginCapture) X(cuStreamEndCapture)   \
  X(cuGraphInstantiate) X(cuGraphLaunch) X(cuGraphExecDestroy) X(cuGraphDestroy) X(cuCtxGetCurrent)               \
  X(cuMemcpyDtoDAsync)
// clang-format on

/// The CUDA driver as one table of function pointers, opened at run time: nothing links against libcuda.
/// (CUDA Driver API; built from cuda.h where the headers are at hand, else never available.)
struct Driver {
  /// What is missing where it is not available: CUDA headers when this was built, the library, a function in it (too
  /// old), a driver behind it (the toolkit's stub), or its start.
  enum class Lack { Nothing, Headers, Library, Function, RealDriver, Start };

  bool available = false;
  std::string reason;  ///< why it is not available, a sentence: "no CUDA driver: …"
  Lack lack = Lack::Nothing;
  int start_error = 0;  ///< CUresult with which it did not start
  int version = 0;      ///< 13000 for CUDA 13.0

#ifdef QOQ_HAS_CUDA_HEADERS
#define QOQ_DECLARE(name) decltype(&::name) name = nullptr;
  QOQ_DRIVER_FUNCTIONS(QOQ_DECLARE)
#undef QOQ_DECLARE

  /// Throws Fault::Work "<what>: <driver's words>" unless the result is success.
  void check(CUresult result, const char* what) const;
  std::string describe(CUresult result) const;
#endif

  /// Opens libcuda.so.1 and initialises it, once in the program's life; never closed (its threads outlive main).
  static const Driver& get();
};

}  // namespace qoq::runtime
