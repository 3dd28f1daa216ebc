#pragma once
#include <filesystem>
#include <string>

#if defined(QOQ_HAS_CUDA_HEADERS) && __has_include(<cupti_activity.h>) && __has_include(<cupti_profiler_host.h>) && \
    __has_include(<cupti_range_profiler.h>) && __has_include(<cupti_target.h>) && __has_include(<builtin_types.h>)
#define QOQ_HAS_CUPTI 1
#include <cupti_activity.h>
#include <cupti_callbacks.h>
#include <cupti_profiler_host.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>
#include <cupti_version.h>

/// Declares a parameter struct of CUPTI's, empty but for its size: by that an older or newer library knows which fields
/// there are.
#define QOQ_CUPTI_PARAMS(Type, name) \
  Type name{};                       \
  name.structSize = Type##_STRUCT_SIZE
#endif

namespace qoq::counters {

// clang-format off
#define QOQ_CUPTI_FUNCTIONS(X)                                                                                     \
  X(cuptiGetVersion) X(cuptiGetResultString) X(cuptiGetDeviceId) X(cuptiDeviceGetChipName)                         \
  X(cuptiProfilerInitialize) X(cuptiProfilerDeviceSupported)                                                       \
  X(cuptiProfilerHostInitialize) X(cuptiProfilerHostDeinitialize) X(cuptiProfilerHostConfigAddMetrics)             \
  X(cuptiProfilerHostGetConfigImageSize) X(cuptiProfilerHostGetConfigImage) X(cuptiProfilerHostGetNumOfPasses)     \
  X(cuptiProfilerHostEvaluateToGpuValues)                                                                          \
  X(cuptiRangeProfilerEnable) X(cuptiRangeProfilerDisable) X(cuptiRangeProfilerGetCounterDataSize)                 \
  X(cuptiRangeProfilerCounterDataImageInitialize) X(cuptiRangeProfilerSetConfig) X(cuptiRangeProfilerStart)        \
  X(cuptiRangeProfilerStop) X(cuptiRangeProfilerPushRange) X(cuptiRangeProfilerPopRange)                           \
  X(cuptiRangeProfilerDecodeData) X(cuptiRangeProfilerGetCounterDataInfo)                                          \
  X(cuptiSubscribe) X(cuptiUnsubscribe) X(cuptiActivityRegisterCallbacks) X(cuptiActivityEnable)                   \
  X(cuptiActivityDisable) X(cuptiActivityFlushAll) X(cuptiActivityGetNextRecord) X(cuptiFinalize)
// clang-format on

/// CUPTI, the vendor's profiling library, as one table of function pointers opened at run time. (CUPTI User's Guide;
/// built from its headers where they are at hand, else never available.) Opening it needs neither driver nor GPU.
struct Cupti {
  bool available = false;
  std::string reason;  ///< why it is not available, a sentence: "no CUPTI: …"
  std::filesystem::path path;
  int version = 0;  ///< cuptiGetVersion: 130001 for 13.0; up to 12.9 a running number (26 for 12.8)

  /// "13.0.1" (its third number is CUPTI's own), "API 26" of older ones, empty when not available.
  std::string version_text() const;

#ifdef QOQ_HAS_CUPTI
#define QOQ_DECLARE(name) decltype(&::name) name = nullptr;
  QOQ_CUPTI_FUNCTIONS(QOQ_DECLARE)
#undef QOQ_DECLARE

  /// A failed call as a sentence: what was being done, CUPTI's name of the failure, and what can be done about it.
  std::string describe(CUptiResult result, const std::string& doing) const;
#endif

  /// Opens libcupti once in the program's life; never closed (it leaves threads and exit handlers behind).
  static const Cupti& get();
};

/// What a CUPTI result (CUptiResult) means to the user and what helps; empty when its name says all there is to say.
std::string advice(int result);

}  // namespace qoq::counters
