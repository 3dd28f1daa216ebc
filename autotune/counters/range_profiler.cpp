#include "autotune/counters/range_profiler.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <utility>

#include "autotune/counters/cupti.h"
#include "autotune/counters/host.h"
#include "kernels/runtime/driver.h"

namespace qoq::counters {

namespace {

Attempt refused(std::string reason) { return {.values = {}, .passes = 0, .reason = std::move(reason)}; }

}  // namespace

#ifdef QOQ_HAS_CUPTI

namespace {

/// Whether a run broke off while it was counted. CUPTI's state is the process's, so this is too.
bool& left_open() {
  static bool open = false;
  return open;
}

/// The GPU that the current context is on, as CUPTI names it.
struct Target {
  CUcontext context = nullptr;
  uint32_t index = 0;
  std::string chip;
  std::string reason;
};

Target find_target() {
  Target target;
  const runtime::Driver& driver = runtime::Driver::get();
  const Cupti& cupti = Cupti::get();
  if (!driver.available || !cupti.available) {
    target.reason = !driver.available ? driver.reason : cupti.reason;
    return target;
  }
  if (driver.cuCtxGetCurrent(&target.context) != CUDA_SUCCESS || target.context == nullptr) {
    target.reason = "counting needs a CUDA context, and none is current on this thread";
    return target;
  }
  QOQ_CUPTI_PARAMS(CUpti_Profiler_Initialize_Params, initialize);
  CUptiResult result = cupti.cuptiProfilerInitialize(&initialize);
  if (result != CUPTI_SUCCESS) {
    target.reason = cupti.describe(result, "starting CUPTI's profiler");
    return target;
  }
  result = cupti.cuptiGetDeviceId(target.context, &target.index);
  if (result != CUPTI_SUCCESS) {
    target.reason = cupti.describe(result, "asking which GPU the context is on");
    return target;
  }
  QOQ_CUPTI_PARAMS(CUpti_Device_GetChipName_Params, name);
  name.deviceIndex = target.index;
  result = cupti.cuptiDeviceGetChipName(&name);
  if (result != CUPTI_SUCCESS || name.pChipName == nullptr) {
    target.reason = cupti.describe(result, "asking for the chip's name");
    return target;
  }
  target.chip = name.pChipName;
  return target;
}

/// Why this GPU, as it is set up, cannot be profiled; empty when CUPTI knows of nothing.
std::string why_unsupported(uint32_t index) {
  const Cupti& cupti = Cupti::get();
  QOQ_CUPTI_PARAMS(CUpti_Profiler_DeviceSupported_Params, ask);
  ask.cuDevice = static_cast<CUdevice>(index);
  ask.api = CUPTI_PROFILER_RANGE_PROFILING;
  const CUptiResult result = cupti.cuptiProfilerDeviceSupported(&ask);
  if (result != CUPTI_SUCCESS) return cupti.describe(result, "asking whether the GPU can be profiled");
  if (ask.isSupported == CUPTI_PROFILER_CONFIGURATION_SUPPORTED) return "";
  const auto off = [](CUpti_Profiler_Support_Level level) {
    return level == CUPTI_PROFILER_CONFIGURATION_UNSUPPORTED || level == CUPTI_PROFILER_CONFIGURATION_DISABLED;
  };
  std::string because;
  const auto add = [&](CUpti_Profiler_Support_Level level, const char* words) {
    if (off(level)) because += (because.empty() ? "" : ", ") + std::string(words);
  };
  add(ask.architecture, "its architecture is too old");
  add(ask.sli, "it is joined to another by SLI");
  add(ask.vGpu, ask.vGpu == CUPTI_PROFILER_CONFIGURATION_DISABLED
                    ? "it is a virtual GPU whose hypervisor has not enabled profiling"
                    : "it is a virtual GPU that cannot be profiled");
  add(ask.confidentialCompute, "confidential computing is on");
  add(ask.cmp, "it is a crypto mining GPU");
  add(ask.wsl, "it is used under WSL");
  return "CUPTI says that this GPU cannot be profiled: " + (because.empty() ? "it does not say why" : because);
}

/// A range profiler enabled on a context, for one range that is replayed.
/// Its steps return why they failed, a sentence; empty when they did not.
class RangeProfiler {
 public:
  ~RangeProfiler() {
    if (object_ == nullptr || left_open()) return;
    QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_Disable_Params, disable);
    disable.pRangeProfilerObject = object_;
    cupti_.cuptiRangeProfilerDisable(&disable);
  }
  RangeProfiler() = default;
  RangeProfiler(const RangeProfiler&) = delete;
  RangeProfiler& operator=(const RangeProfiler&) = delete;

  std::string enable(CUcontext context);
  std::string configure(const Host& host);
  /// One pass around the run; whether it was the last is in `last`.
  std::string pass(const std::function<void()>& run, bool& last);
  std::string decode();
  const std::vector<uint8_t>& data() const { return data_; }

 private:
  std::string said(CUptiResult result, const char* doing) const {
    return result == CUPTI_SUCCESS ? "" : cupti_.describe(result, doing);
  }

  const Cupti& cupti_ = Cupti::get();
  CUpti_RangeProfiler_Object* object_ = nullptr;
  std::vector<uint8_t> data_;
};

std::string RangeProfiler::enable(CUcontext context) {
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_Enable_Params, enable);
  enable.ctx = context;
  const CUptiResult result = cupti_.cuptiRangeProfilerEnable(&enable);
  if (result == CUPTI_SUCCESS) object_ = enable.pRangeProfilerObject;
  return said(result, "enabling counters");
}

std::string RangeProfiler::configure(const Host& host) {
  std::vector<const char*> names;
  for (const std::string& metric : host.metrics()) names.push_back(metric.c_str());
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_GetCounterDataSize_Params, size);
  size.pRangeProfilerObject = object_;
  size.pMetricNames = names.data();
  size.numMetrics = names.size();
  size.maxNumOfRanges = 1;
  size.maxNumRangeTreeNodes = 1;
  CUptiResult result = cupti_.cuptiRangeProfilerGetCounterDataSize(&size);
  if (result != CUPTI_SUCCESS) return said(result, "sizing the counters' memory");
  if (size.counterDataSize == 0) return "CUPTI plans no memory for the counters";
  data_.assign(size.counterDataSize, 0);

  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_CounterDataImage_Initialize_Params, clear);
  clear.pRangeProfilerObject = object_;
  clear.pCounterData = data_.data();
  clear.counterDataSize = data_.size();
  result = cupti_.cuptiRangeProfilerCounterDataImageInitialize(&clear);
  if (result != CUPTI_SUCCESS) return said(result, "preparing the counters' memory");

  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_SetConfig_Params, set);
  set.pRangeProfilerObject = object_;
  set.pConfig = host.image().data();
  set.configSize = host.image().size();
  set.pCounterDataImage = data_.data();
  set.counterDataImageSize = data_.size();
  set.range = CUPTI_UserRange;
  set.replayMode = CUPTI_UserReplay;
  set.maxRangesPerPass = 1;
  set.numNestingLevels = 1;
  set.minNestingLevel = 1;
  set.passIndex = 0;
  set.targetNestingLevel = 1;
  return said(cupti_.cuptiRangeProfilerSetConfig(&set), "configuring the counters");
}

std::string RangeProfiler::pass(const std::function<void()>& run, bool& last) {
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_Start_Params, start);
  start.pRangeProfilerObject = object_;
  CUptiResult result = cupti_.cuptiRangeProfilerStart(&start);
  if (result != CUPTI_SUCCESS) return said(result, "starting a pass");
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_PushRange_Params, push);
  push.pRangeProfilerObject = object_;
  push.pRangeName = "run";
  result = cupti_.cuptiRangeProfilerPushRange(&push);
  if (result != CUPTI_SUCCESS) return said(result, "opening the range");
  run();
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_PopRange_Params, pop);
  pop.pRangeProfilerObject = object_;
  result = cupti_.cuptiRangeProfilerPopRange(&pop);
  if (result != CUPTI_SUCCESS) return said(result, "closing the range");
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_Stop_Params, stop);
  stop.pRangeProfilerObject = object_;
  result = cupti_.cuptiRangeProfilerStop(&stop);
  last = stop.isAllPassSubmitted != 0;
  return said(result, "ending a pass");
}

std::string RangeProfiler::decode() {
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_DecodeData_Params, decode);
  decode.pRangeProfilerObject = object_;
  CUptiResult result = cupti_.cuptiRangeProfilerDecodeData(&decode);
  if (result != CUPTI_SUCCESS) return said(result, "reading the counters back");
  if (decode.numOfRangeDropped != 0) return fmt::format("CUPTI dropped {} ranges", decode.numOfRangeDropped);
  QOQ_CUPTI_PARAMS(CUpti_RangeProfiler_GetCounterDataInfo_Params, info);
  info.pCounterDataImage = data_.data();
  info.counterDataImageSize = data_.size();
  result = cupti_.cuptiRangeProfilerGetCounterDataInfo(&info);
  if (result != CUPTI_SUCCESS) return said(result, "asking what was counted");
  return info.numTotalRanges == 1 ? "" : fmt::format("CUPTI returned {} ranges instead of 1", info.numTotalRanges);
}

/// The replay: as many passes as CUPTI wants. `passes` counts them.
std::string replay(RangeProfiler& profiler, int planned, const std::function<void()>& prepare,
                   const std::function<void()>& run, int& passes) {
  // The plan is CUPTI's own, and more than it asks for is a loop that would not end.
  for (bool last = false; !last; ++passes) {
    if (passes > 2 * planned + 8) return fmt::format("CUPTI planned {} passes and still wants more", planned);
    left_open() = true;  // until nothing was thrown
    prepare();
    const std::string reason = profiler.pass(run, last);
    left_open() = false;
    if (!reason.empty()) return reason;
  }
  return profiler.decode();
}

Values named(const ChipCounters& table, const std::vector<double>& measured) {
  Values values;
  for (size_t i = 0; i < measured.size(); ++i) {
    // A ratio of two zeros is no number; then there is nothing to say.
    if (std::isfinite(measured[i])) values[table.metrics[i].name] = measured[i] * table.metrics[i].scale;
  }
  return values;
}

}  // namespace

Attempt read_counters(const std::function<void()>& prepare, const std::function<void()>& run) {
  if (left_open()) return refused("an earlier run broke off while it was counted; only a new process can count again");
  const Target target = find_target();
  if (!target.reason.empty()) return refused(target.reason);
  const ChipCounters table = counters_of(target.chip);
  if (!table.reason.empty()) return refused(table.reason);
  if (std::string reason = why_unsupported(target.index); !reason.empty()) return refused(std::move(reason));
  std::vector<std::string> metrics;
  for (const CounterMetric& counter : table.metrics) metrics.push_back(counter.metric);
  const Host host(target.chip, std::move(metrics));
  if (!host.reason().empty()) return refused(host.reason());

  Attempt attempt;
  RangeProfiler profiler;
  attempt.reason = profiler.enable(target.context);
  if (attempt.ok()) attempt.reason = profiler.configure(host);
  if (attempt.ok()) attempt.reason = replay(profiler, host.passes(), prepare, run, attempt.passes);
  if (attempt.ok()) attempt.values = named(table, host.evaluate(profiler.data(), attempt.reason));
  return attempt;
}

#else

Attempt read_counters(const std::function<void()>&, const std::function<void()>&) {
  return refused(Cupti::get().reason);
}

#endif

}  // namespace qoq::counters
