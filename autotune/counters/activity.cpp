#include "autotune/counters/activity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "autotune/counters/cupti.h"
#include "kernels/base/error.h"
#include "kernels/runtime/driver.h"

namespace qoq::counters {

#ifdef QOQ_HAS_CUPTI

namespace {

struct Interval {
  std::string name;
  uint64_t begin_ns = 0, end_ns = 0;
};

/// Where CUPTI's callbacks put what they read: they carry no pointer of ours, and they come on CUPTI's threads, the
/// last ones while the program exits.
struct Collector {
  std::mutex mutex;
  std::vector<Interval> kernels;

  static Collector& get() {
    static auto& collector = *new Collector;  // never destroyed: see above
    return collector;
  }
};

constexpr size_t buffer_bytes = size_t{1} << 20, buffer_alignment = 8;

void give_buffer(uint8_t** buffer, size_t* size, size_t* max_records) {
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(buffer_alignment, buffer_bytes));
  *size = *buffer == nullptr ? 0 : buffer_bytes;
  *max_records = 0;
}

// Every version of the record so far only added fields behind these: a library newer or older than the headers agrees.
using Kernel = CUpti_ActivityKernel9;
#if CUPTI_API_VERSION >= 130000
static_assert(offsetof(Kernel, start) == offsetof(CUpti_ActivityKernel10, start) &&
              offsetof(Kernel, end) == offsetof(CUpti_ActivityKernel10, end) &&
              offsetof(Kernel, name) == offsetof(CUpti_ActivityKernel10, name));
#endif
static_assert(offsetof(Kernel, name) == offsetof(CUpti_ActivityKernel5, name));

void take_buffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid_bytes) {
  const Cupti& cupti = Cupti::get();
  Collector& collector = Collector::get();
  const std::lock_guard lock(collector.mutex);
  CUpti_Activity* record = nullptr;
  while (valid_bytes > 0 && cupti.cuptiActivityGetNextRecord(buffer, valid_bytes, &record) == CUPTI_SUCCESS) {
    if (record->kind != CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) continue;
    const auto* kernel = reinterpret_cast<const Kernel*>(record);
    // Zero: CUPTI had no device memory left for the time stamps.
    if (kernel->start == 0 || kernel->end == 0) continue;
    collector.kernels.push_back({kernel->name != nullptr ? kernel->name : "", kernel->start, kernel->end});
  }
  std::free(buffer);
}

void ignore(void*, CUpti_CallbackDomain, CUpti_CallbackId, const void*) {}

}  // namespace

/// Being CUPTI's one user. Subscribing first is how CUPTI tells its users of each other.
struct ActivityTrace::Subscription {
  Subscription() {
    check(cupti.cuptiSubscribe(&handle, ignore, nullptr), "tracing kernels");
    try {
      check(cupti.cuptiActivityRegisterCallbacks(give_buffer, take_buffer), "giving CUPTI Activity its buffers");
      check(cupti.cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL), "tracing kernels");
    } catch (const Error&) {
      cupti.cuptiUnsubscribe(handle);
      throw;
    }
  }
  ~Subscription() {
    cupti.cuptiActivityDisable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
    cupti.cuptiUnsubscribe(handle);
    // CUPTI keeps the names of kernels by where their code lies, also when a later module takes that place: without a
    // clean start a second trace names its kernels after those of the first (seen with CUPTI 13.0).
    cupti.cuptiFinalize();
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  void check(CUptiResult result, const char* doing) const {
    if (result != CUPTI_SUCCESS) fail("{}", cupti.describe(result, doing));
  }

  const Cupti& cupti = Cupti::get();
  CUpti_SubscriberHandle handle = nullptr;
};

ActivityTrace::ActivityTrace() = default;
ActivityTrace::~ActivityTrace() = default;

void ActivityTrace::start() {
  if (subscription_) fail("a trace that runs cannot be started");
  if (!runtime::Driver::get().available) fail("{}", runtime::Driver::get().reason);
  if (!Cupti::get().available) fail("{}", Cupti::get().reason);
  subscription_ = std::make_unique<Subscription>();
  // What an earlier trace left undelivered is not this one's.
  subscription_->check(subscription_->cupti.cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED),
                       "emptying CUPTI Activity");
  const std::lock_guard lock(Collector::get().mutex);
  Collector::get().kernels.clear();
}

std::vector<KernelActivity> ActivityTrace::stop() {
  if (!subscription_) fail("a trace that was not started cannot be stopped");
  const auto subscription = std::move(subscription_);
  subscription->check(subscription->cupti.cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED),
                      "collecting the kernels' times");
  std::vector<Interval> intervals;
  {
    const std::lock_guard lock(Collector::get().mutex);
    intervals = std::exchange(Collector::get().kernels, {});
  }
  std::ranges::stable_sort(intervals, {}, &Interval::begin_ns);
  std::vector<KernelActivity> kernels;
  for (const Interval& interval : intervals) {
    kernels.push_back({interval.name, static_cast<double>(interval.end_ns - interval.begin_ns) / 1000,
                       static_cast<double>(interval.begin_ns - intervals.front().begin_ns) / 1000});
  }
  return kernels;
}

#else

struct ActivityTrace::Subscription {};
ActivityTrace::ActivityTrace() = default;
ActivityTrace::~ActivityTrace() = default;
void ActivityTrace::start() { fail("{}", Cupti::get().reason); }
std::vector<KernelActivity> ActivityTrace::stop() { fail("{}", Cupti::get().reason); }

#endif

Attempt trace_activity(const std::function<void()>& prepare, const std::function<void()>& run) {
  constexpr int runs = 5;
  std::array<std::pair<double, size_t>, runs> found;  // µs and launches
  for (auto& [us, launches] : found) {
    prepare();  // outside the trace: it may launch kernels of its own
    ActivityTrace trace;
    try {
      trace.start();
    } catch (const Error& error) {
      return {.values = {}, .passes = 0, .reason = error.what()};
    }
    run();
    std::vector<KernelActivity> kernels;
    try {
      kernels = trace.stop();
    } catch (const Error& error) {
      return {.values = {}, .passes = 0, .reason = error.what()};
    }
    if (kernels.empty()) return {.values = {}, .passes = 0, .reason = "CUPTI Activity saw no kernel of the run"};
    us = 0;
    for (const KernelActivity& kernel : kernels) us += kernel.us;
    launches = kernels.size();
  }
  std::ranges::sort(found);
  const auto& [us, launches] = found[runs / 2];
  return {.values = {{"activity_us", us}, {"launches", static_cast<double>(launches)}}, .passes = runs, .reason = {}};
}

}  // namespace qoq::counters
