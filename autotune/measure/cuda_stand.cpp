#include "autotune/measure/cuda_stand.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <thread>

#include "autotune/measure/sample.h"
#include "kernels/base/file.h"
#include "kernels/runtime/graph.h"
#include "kernels/runtime/loaded_plan.h"

namespace qoq::measure {

namespace {

constexpr uint64_t operand_seed = 1;  // values matter a little (power), which ones they are does not
constexpr double sample_us = 200;     // of GPU work between two events, so that what an event itself costs is little
constexpr int most_runs = 16;         // in that time
constexpr double queue_us = 5;        // generous: what the CPU takes to queue a launch or an event
constexpr int most_queued_ahead = 128;
constexpr size_t kept_operands = 8;    // layouts of one problem that a search goes back and forth between
constexpr double nvml_every_s = 0.02;  // asking takes up to a millisecond

}  // namespace

struct CudaStand::Operands {
  struct Copies {
    runtime::DeviceMemory memory;
    size_t stride = 0;  ///< from one turn's copy to the next; 0 where all turns share one
  };
  std::string key;
  size_t turns = 1, bytes = 0;
  std::shared_ptr<size_t> next = std::make_shared<size_t>(0);  ///< Runnable::next
  std::map<std::string, Copies> buffers;                       ///< by name

  void put(const Buffer& buffer, bool rotates, const runtime::Stream& stream) {
    Copies& copies = buffers[buffer.name];
    copies.stride = rotates ? (buffer.size() + 255) / 256 * 256 : 0;
    copies.memory = runtime::DeviceMemory(copies.stride == 0 ? buffer.size() : copies.stride * turns);
    bytes += copies.memory.size();
    if (!buffer.bytes.empty()) copies.memory.upload(0, buffer.bytes);
    for (size_t filled = buffer.bytes.size(); filled < buffer.size(); filled *= 2)
      copies.memory.repeat(filled, std::min(filled, buffer.size() - filled), stream);
    for (size_t turn = 1; turn < turns && copies.stride > 0; ++turn)
      copies.memory.repeat(turn * copies.stride, buffer.size(), stream);
  }
  void addresses_of(size_t turn, Addresses& addresses) const {
    for (const auto& [name, copies] : buffers) addresses[name] = copies.memory.data() + turn * copies.stride;
  }
};

/// A loaded variant with its workspaces and, for each turn, its arguments.
class CudaStand::Variant {
 public:
  Variant(const Subject& subject, const Device& device, std::shared_ptr<Operands> operands,
          const runtime::Stream& stream)
      : plan_(subject.family->plan(subject.point, subject.problem, device)),
        loaded_(plan_, read_file(subject.object)),
        operands_(std::move(operands)) {
    Addresses addresses;
    for (const Workspace& workspace : plan_.workspaces) {
      workspaces_.push_back(runtime::DeviceMemory(workspace.bytes));
      workspaces_.back().fill(0, workspace.bytes, 0, stream);
      addresses[workspace.name] = workspaces_.back().data();
    }
    for (size_t turn = 0; turn < operands_->turns; ++turn) {
      operands_->addresses_of(turn, addresses);
      arguments_.push_back(subject.family->bind(subject.point, subject.problem, device, addresses));
    }
  }

  /// Zeroes what must be zero before every run.
  void reset(const runtime::Stream& stream) const {
    for (size_t i = 0; i < workspaces_.size(); ++i) {
      if (plan_.workspaces[i].init == Workspace::Init::ZeroEach)
        workspaces_[i].fill(0, workspaces_[i].size(), 0, stream);
    }
  }
  void launch(size_t turn, const runtime::Stream& stream) const { loaded_.run(arguments_[turn], stream); }
  size_t turns() const { return arguments_.size(); }
  const std::shared_ptr<size_t>& next() const { return operands_->next; }
  /// Launches and fills of a run.
  size_t queued() const {
    const auto filled = [](const Workspace& space) { return space.init == Workspace::Init::ZeroEach; };
    return plan_.launches.size() + static_cast<size_t>(std::ranges::count_if(plan_.workspaces, filled));
  }

 private:
  const Plan plan_;
  runtime::LoadedPlan loaded_;
  std::shared_ptr<Operands> operands_;
  std::vector<runtime::DeviceMemory> workspaces_;
  std::vector<Arguments> arguments_;  // by turn
};

class CudaStand::CudaLane final : public Lane {
 public:
  CudaLane(CudaStand& stand, Runnable runnable, Modes modes)
      : stand_(stand), stream_(stand.stream_), runnable_(std::move(runnable)), modes_(modes) {}
  ~CudaLane() override {
    // A kernel that never ends holds its memory: freeing it would wait for ever. Left to the end of the process.
    if (!stand_.lost_) return;
    new auto(std::move(runnable_));
    new auto(std::move(graph_));
  }

  void warm_up(double ms) override {
    guarded([&] {
      if (run_us_ == 0) {  // the driver loads code at its first launch
        queue(1);
        end_.record(stream_);
        wait();
      }
      int batch = 1;
      for (const double start = stand_.now_s(); stand_.now_s() - start < ms / 1000 || run_us_ == 0;) {
        begin_.record(stream_);
        queue(batch);
        end_.record(stream_);
        wait();
        run_us_ = std::max(end_.us_since(begin_) / batch, 0.1);
        batch = std::clamp(static_cast<int>(2000 / run_us_), 1, 200);
      }
      if (runs_ == 0) prepare();
    });
  }

  Reading sample() override {
    if (runs_ == 0) warm_up(0);
    Reading reading;
    guarded([&] {
      start_.record(stream_);
      stand_.instruments_.queue_stamp(Instruments::When::Before, stream_);
      reading.us = modes_.cache == Cache::Cold ? sample_cold() : sample_queued();
      reading.busy_us = stop_.us_since(start_);
      reading.throttled = stand_.reasons_;
      reading.sm_mhz = mean_mhz(stand_.instruments_.stamp(Instruments::When::Before),
                                stand_.instruments_.stamp(Instruments::When::After));
    });
    return reading;
  }

 private:
  /// Errors of the driver: is only this variant gone, or the context with it?
  template <class Body>
  void guarded(Body body) {
    try {
      body();
    } catch (const ContextLost&) {
      stand_.lost_ = true;
      throw;
    } catch (const Error& error) {
      try {
        stand_.device_.synchronize();
      } catch (const Error&) {
        stand_.lost_ = true;
        throw ContextLost(error.what(), false);
      }
      throw;
    }
  }

  void wait() {
    if (!runtime::wait_for(end_, stand_.limits_.timeout_s)) {
      throw ContextLost(fmt::format("did not end within {} s", stand_.limits_.timeout_s), true);
    }
  }

  void queue(int runs) {
    for (int i = 0; i < runs; ++i) {
      runnable_.queue(*runnable_.next, stream_);
      *runnable_.next = (*runnable_.next + 1) % runnable_.turns;
    }
  }

  /// How many runs make a sample, how much goes ahead of it; the graph, where there is one.
  void prepare() {
    runs_ = std::clamp(static_cast<int>(std::ceil(sample_us / run_us_)), 1, most_runs);
    double queued = static_cast<double>(runnable_.launches) * runs_;
    if (modes_.launch == LaunchMode::Graph) {
      // Whole rounds: the next graph begins where this one did, and must find that copy as cold.
      const auto turns = static_cast<int>(runnable_.turns);
      if (modes_.cache != Cache::Cold) runs_ = (runs_ + turns - 1) / turns * turns;
      const int recorded = modes_.cache == Cache::Cold ? 1 : runs_;
      graph_ = runtime::Graph::record(stream_, [&] { queue(recorded); });
      queued = 1;
      ahead_ = 1;
    } else {
      // As much work as covers the CPU while it queues the sample's. Launches that take less than the CPU needs to
      // queue them never pile up: these wait behind a kernel that only waits.
      ahead_ = std::clamp(static_cast<int>(std::ceil((queued + 3) * queue_us / run_us_)), 1, most_queued_ahead);
      if (run_us_ < 2 * queue_us * static_cast<double>(runnable_.launches)) {
        ahead_ = std::min(ahead_, 4);
        wait_us_ = (static_cast<double>(runnable_.launches) * (ahead_ + runs_) + 6) * queue_us;
      }
    }
    if (modes_.cache == Cache::Cold) {
      for (int i = 0; i < 2 * runs_; ++i) marks_.emplace_back();
    }
  }

  void queue_sample() {
    if (graph_)
      graph_->launch(stream_);
    else
      queue(runs_);
  }

  double sample_queued() {
    if (wait_us_ > 0) stand_.instruments_.queue_wait(wait_us_, stream_);
    for (int i = 0; i < ahead_; ++i) {
      if (graph_)
        graph_->launch(stream_);
      else
        queue(1);
    }
    begin_.record(stream_);
    queue_sample();
    end_.record(stream_);
    finish();
    return end_.us_since(begin_) / runs_;
  }

  /// Each run between its own events, after a flush. The flush covers the CPU while it queues the run.
  double sample_cold() {
    for (int i = 0; i < runs_; ++i) {
      stand_.instruments_.queue_flush(stream_);
      marks_[static_cast<size_t>(2 * i)].record(stream_);
      if (graph_)
        graph_->launch(stream_);
      else
        queue(1);
      marks_[static_cast<size_t>(2 * i + 1)].record(stream_);
    }
    end_.record(stream_);
    finish();
    double us = 0;
    for (size_t i = 0; i < marks_.size(); i += 2) us += marks_[i + 1].us_since(marks_[i]);
    return us / runs_;
  }

  void finish() {
    stand_.instruments_.queue_stamp(Instruments::When::After, stream_);
    stop_.record(stream_);
    stand_.throttle_reasons();  // while the GPU works: an idle one holds nothing back
    wait();
    if (!runtime::wait_for(stop_, stand_.limits_.timeout_s)) throw ContextLost("the GPU stopped answering", true);
  }

  CudaStand& stand_;
  const runtime::Stream stream_;
  Runnable runnable_;
  const Modes modes_;
  const runtime::Event start_, begin_, end_, stop_;  ///< around all of a sample; around what is timed of it
  std::vector<runtime::Event> marks_;                ///< of a cold sample: begin and end of each run
  std::optional<runtime::Graph> graph_;
  double run_us_ = 0;   ///< of one run, from the warm-up
  int runs_ = 0;        ///< of a sample
  int ahead_ = 0;       ///< runs (graphs) queued before it
  double wait_us_ = 0;  ///< that the GPU is made to wait before those
};

CudaStand::CudaStand(runtime::CudaDevice device, StandLimits limits, Prepared prepared)
    : device_(std::move(device)),
      limits_(limits),
      prepared_(std::move(prepared)),
      instruments_(device_.gpu().device),
      nvml_(device_.gpu().uuid) {}
CudaStand::~CudaStand() = default;

double CudaStand::now_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void CudaStand::rest(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

uint64_t CudaStand::throttle_reasons() {
  if (now_s() - asked_nvml_s_ > nvml_every_s) {
    reasons_ = nvml_.throttle_reasons().value_or(0);
    asked_nvml_s_ = now_s();
  }
  return reasons_;
}

std::shared_ptr<CudaStand::Operands> CudaStand::operands_for(const Subject& subject, Cache cache) {
  const Family& family = *subject.family;
  const std::string key = fmt::format("{} {} {} {}", family.name(), subject.problem.text(),
                                      family.operand_key(subject.point, subject.problem), to_text(cache));
  const auto known = std::ranges::find(operands_, key, [](const auto& operands) { return operands->key; });
  if (known != operands_.end()) {
    std::rotate(operands_.begin(), known, known + 1);
    return operands_.front();
  }
  make_room();
  // Random values take a core longer to draw than the GPU to work on them: those of the proof serve as well.
  const std::vector<Buffer>* proven = prepared_ ? prepared_(subject) : nullptr;
  std::vector<Buffer> own;
  if (proven == nullptr) own = family.timing_operands(subject.problem, subject.point, operand_seed);
  const std::vector<Buffer>& buffers = proven != nullptr ? *proven : own;
  const bool weights =
      std::ranges::any_of(buffers, [](const Buffer& buffer) { return buffer.role == Buffer::Role::Weights; });
  const auto rotates = [&](const Buffer& buffer) {
    if (cache != Cache::WeightsCold) return false;
    if (weights) return buffer.role == Buffer::Role::Weights;
    return buffer.role == Buffer::Role::Input || buffer.role == Buffer::Role::InOut;
  };

  auto made = std::make_shared<Operands>();
  made->key = key;
  size_t rotating_bytes = 0;
  for (const Buffer& buffer : buffers) {
    if (rotates(buffer)) rotating_bytes += buffer.size();
  }
  made->turns = rotation_copies(rotating_bytes, static_cast<size_t>(device_.gpu().device.l2_bytes));
  for (const Buffer& buffer : buffers) made->put(buffer, rotates(buffer), stream_);
  operands_.insert(operands_.begin(), made);
  return made;
}

/// Forgets the operands used longest ago until a few are left that leave most of the GPU's memory free.
void CudaStand::make_room() {
  const size_t most_bytes = static_cast<size_t>(device_.gpu().memory_bytes) / 4;
  const auto kept_bytes = [this] {
    size_t bytes = 0;
    for (const auto& operands : operands_) bytes += operands->bytes;
    return bytes;
  };
  while (!operands_.empty() && (operands_.size() >= kept_operands || kept_bytes() > most_bytes)) operands_.pop_back();
}

std::shared_ptr<CudaStand::Variant> CudaStand::variant(const Subject& subject, Cache cache) {
  return std::make_shared<Variant>(subject, device_.gpu().device, operands_for(subject, cache), stream_);
}

std::unique_ptr<Lane> CudaStand::lane(const Subject& subject, Modes modes) {
  const std::shared_ptr<Variant> variant = this->variant(subject, modes.cache);
  Runnable runnable;
  runnable.queue = [variant](size_t turn, const runtime::Stream& stream) {
    variant->reset(stream);  // deployment would do it too
    variant->launch(turn, stream);
  };
  runnable.turns = variant->turns();
  runnable.launches = variant->queued();
  runnable.next = variant->next();
  runnable.keeps = variant;
  return lane(std::move(runnable), modes);
}

std::unique_ptr<Lane> CudaStand::lane(Runnable runnable, Modes modes) {
  return std::make_unique<CudaLane>(*this, std::move(runnable), modes);
}

CudaStand::Replay CudaStand::replay(const Subject& subject) {
  const std::shared_ptr<Variant> loaded = variant(subject, Cache::Cold);
  return {[this, loaded] {
            loaded->reset(stream_);
            instruments_.queue_flush(stream_);
            device_.synchronize();
          },
          [this, loaded] {
            loaded->launch(0, stream_);
            device_.synchronize();
          }};
}

}  // namespace qoq::measure
