#include "autotune/measure/cuda_timer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/runtime/loaded_plan.h"

namespace qoq::measure {

namespace {

constexpr uint64_t operand_seed = 1;  // values matter a little (power), which ones they are does not
constexpr double sample_us = 200;     // of GPU work between two events, so that what an event itself costs is little
constexpr int most_runs = 16;         // in that time
constexpr double queue_us = 5;        // generous: what the CPU takes to queue a launch or an event
constexpr int most_queued_ahead = 128;

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

runtime::DeviceMemory upload(const std::vector<std::byte>& bytes) {
  runtime::DeviceMemory memory(bytes.size());
  if (!bytes.empty()) memory.upload(0, bytes);
  return memory;
}

/// The run did not end in time: nothing on the GPU may be freed any more, that would wait for its end.
struct Hung {};

}  // namespace

struct CudaTimer::Operands {
  std::string key;
  std::string cache;                                                ///< Sample::cache
  std::map<std::string, runtime::DeviceMemory> fixed;               ///< by name
  std::vector<std::map<std::string, runtime::DeviceMemory>> turns;  ///< the rotating ones, a set for each turn
};

/// A loaded variant that takes the next set of operands with each run.
class CudaTimer::Rotation {
 public:
  Rotation(const Plan& plan, const std::string& cubin, const runtime::Stream& stream)
      : plan_(plan), loaded_(plan, cubin), stream_(stream) {
    for (const Workspace& workspace : plan.workspaces) {
      workspaces_.push_back(runtime::DeviceMemory(workspace.bytes));
      workspaces_.back().fill(0, workspace.bytes, 0, stream);
    }
  }

  void bind(const Family& family, const Point& point, const Problem& problem, const Device& device,
            const Operands& operands) {
    Addresses addresses;
    for (size_t i = 0; i < workspaces_.size(); ++i) addresses[plan_.workspaces[i].name] = workspaces_[i].data();
    for (const auto& [name, memory] : operands.fixed) addresses[name] = memory.data();
    for (const auto& turn : operands.turns) {
      for (const auto& [name, memory] : turn) addresses[name] = memory.data();
      arguments_.push_back(family.bind(point, problem, device, addresses));
    }
  }

  /// Queues one run on the next operands: what deployment would queue, the zeroing of workspaces included.
  void queue() {
    for (size_t i = 0; i < workspaces_.size(); ++i) {
      if (plan_.workspaces[i].init == Workspace::Init::ZeroEach)
        workspaces_[i].fill(0, workspaces_[i].size(), 0, stream_);
    }
    loaded_.run(arguments_[next_], stream_);
    next_ = (next_ + 1) % arguments_.size();
  }
  /// Launches and fills that a run queues.
  size_t queued() const {
    const auto filled = [](const Workspace& space) { return space.init == Workspace::Init::ZeroEach; };
    return plan_.launches.size() + static_cast<size_t>(std::ranges::count_if(plan_.workspaces, filled));
  }
  const runtime::Stream& stream() const { return stream_; }

 private:
  const Plan plan_;
  runtime::LoadedPlan loaded_;
  const runtime::Stream& stream_;
  std::vector<runtime::DeviceMemory> workspaces_;
  std::vector<Arguments> arguments_;  // by turn
  size_t next_ = 0;
};

CudaTimer::CudaTimer(runtime::CudaDevice device, TimerLimits limits)
    : device_(std::move(device)), limits_(limits), throttle_(device_.gpu().uuid) {}
CudaTimer::~CudaTimer() = default;

CudaTimer::Operands& CudaTimer::operands_for(const Family& family, const Point& point, const Problem& problem) {
  const std::string key = fmt::format("{} {} {}", family.name(), problem.text(), family.operand_key(point, problem));
  if (operands_ && operands_->key == key) return *operands_;
  operands_.reset();  // first, so that both never need room at once
  const std::vector<Buffer> buffers = family.prepare(*family.make_case(problem, operand_seed), point);
  const bool weights =
      std::ranges::any_of(buffers, [](const Buffer& buffer) { return buffer.role == Buffer::Role::Weights; });
  const auto rotates = [&](const Buffer& buffer) {
    if (weights) return buffer.role == Buffer::Role::Weights;
    return buffer.role == Buffer::Role::Input || buffer.role == Buffer::Role::InOut;
  };

  auto made = std::make_unique<Operands>();
  made->key = key;
  made->cache = weights ? "weights-cold" : "cold";
  size_t rotating_bytes = 0;
  for (const Buffer& buffer : buffers) {
    if (rotates(buffer)) rotating_bytes += buffer.bytes.size();
  }
  made->turns.resize(rotation_copies(rotating_bytes, static_cast<size_t>(device_.gpu().device.l2_bytes)));
  for (const Buffer& buffer : buffers) {
    if (!rotates(buffer)) {
      made->fixed[buffer.name] = upload(buffer.bytes);
    } else {
      for (auto& turn : made->turns) turn[buffer.name] = upload(buffer.bytes);
    }
  }
  operands_ = std::move(made);
  return *operands_;
}

void CudaTimer::take_samples(Rotation& rotation, Sample& sample) const {
  const runtime::Event begin, end;
  const auto wait = [&] {
    if (!runtime::wait_for(end, limits_.timeout_s)) throw Hung{};
  };
  // One run alone: the driver loads code at its first launch. Then by time, in batches that end soon.
  rotation.queue();
  end.record(rotation.stream());
  wait();
  const double warm_up_s = (now_s() - last_busy_s_ > 1 ? limits_.warm_up_ms : limits_.rewarm_ms) / 1000;
  double run_us = 0;
  int batch = 1;
  for (const double start = now_s(); now_s() - start < warm_up_s;) {
    begin.record(rotation.stream());
    for (int i = 0; i < batch; ++i) rotation.queue();
    end.record(rotation.stream());
    wait();
    run_us = end.us_since(begin) / batch;
    batch = std::clamp(static_cast<int>(2000 / std::max(run_us, 1.0)), 1, 200);
  }

  const double known_us = std::max(run_us, 1.0);
  const int runs = std::clamp(static_cast<int>(std::ceil(sample_us / known_us)), 1, most_runs);
  // As much work as covers the CPU while it queues the sample's: no launch overhead lies between the events.
  const int ahead =
      std::clamp(static_cast<int>(std::ceil((static_cast<double>(rotation.queued()) * runs + 3) * queue_us / known_us)),
                 1, most_queued_ahead);
  for (const double start = now_s(); static_cast<int>(sample.samples_us.size()) < limits_.most_samples;) {
    for (int i = 0; i < ahead; ++i) rotation.queue();
    begin.record(rotation.stream());
    for (int i = 0; i < runs; ++i) rotation.queue();
    end.record(rotation.stream());
    wait();
    sample.samples_us.push_back(end.us_since(begin) / runs);
    if (static_cast<int>(sample.samples_us.size()) < limits_.least_samples) continue;
    summarize(sample);
    sample.settled = sample.relative_iqr <= limits_.relative_iqr;
    if (sample.settled || now_s() - start > limits_.sampling_s) break;
  }
  // An idle GPU holds nothing back: ask while it works.
  for (int i = 0; i < batch; ++i) rotation.queue();
  sample.throttled = throttle_.throttled();
  end.record(rotation.stream());
  wait();
}

Sample CudaTimer::time(const Family& family, const Point& point, const Problem& problem,
                       const std::filesystem::path& object) {
  if (!lost_.empty()) fail("the GPU's context is lost, start the program again: {}", lost_);
  const Device& device = device_.gpu().device;
  const Operands& operands = operands_for(family, point, problem);
  Sample sample;
  sample.cache = operands.cache;
  sample.launch = "eager";
  std::unique_ptr<Rotation> rotation;
  try {
    rotation = std::make_unique<Rotation>(family.plan(point, problem, device), read_file(object), stream_);
    rotation->bind(family, point, problem, device, operands);
    take_samples(*rotation, sample);
    summarize(sample);
    last_busy_s_ = now_s();
    return sample;
  } catch (const Hung&) {
    sample.failure = fmt::format("did not end within {} s", limits_.timeout_s);
    lost_ = fmt::format("{} {}", family.variant(point, problem), sample.failure);
    rotation.release();  // left to the operating system, see Hung
    operands_.release();
  } catch (const Error& error) {
    sample.failure = error.what();
    try {
      device_.synchronize();
    } catch (const Error&) {
      lost_ = fmt::format("{}: {}", family.variant(point, problem), sample.failure);
    }
  }
  sample.samples_us.clear();
  return sample;
}

}  // namespace qoq::measure
