#include "autotune/verify/cuda_verifier.h"

#include <fmt/format.h>

#include <algorithm>

#include "autotune/verify/two_runs.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/runtime/loaded_plan.h"

namespace qoq::verify {

namespace {

constexpr size_t guard_bytes = 4096;
constexpr uint8_t guard_value = 0xc3;

/// Device memory between two bands that nobody may write.
class GuardedMemory {
 public:
  GuardedMemory(size_t bytes, const runtime::Stream& stream) : memory_(bytes + 2 * guard_bytes), bytes_(bytes) {
    memory_.fill(0, memory_.size(), guard_value, stream);
  }
  void* data() const { return memory_.data() + guard_bytes; }
  void write(std::span<const std::byte> bytes) const { memory_.upload(guard_bytes, bytes); }
  void read(std::span<std::byte> bytes) const { memory_.download(guard_bytes, bytes); }
  bool guards_whole() const {
    std::vector<std::byte> guards(2 * guard_bytes);
    memory_.download(0, std::span(guards).first(guard_bytes));
    memory_.download(guard_bytes + bytes_, std::span(guards).last(guard_bytes));
    return std::ranges::all_of(guards, [](std::byte byte) { return byte == std::byte{guard_value}; });
  }

 private:
  runtime::DeviceMemory memory_;
  size_t bytes_;
};

using Memories = std::map<std::string, GuardedMemory>;

class CudaMachine final : public Machine {
 public:
  CudaMachine(const runtime::LoadedPlan& plan, const Memories& operands, const Memories& workspaces,
              const runtime::Stream& stream, double timeout_s)
      : plan_(plan), stream_(stream), timeout_s_(timeout_s) {
    for (const auto* memories : {&operands, &workspaces}) {
      for (const auto& [name, memory] : *memories) memories_[name] = &memory;
    }
  }
  Addresses addresses() const override {
    Addresses all;
    for (const auto& [name, memory] : memories_) all[name] = memory->data();
    return all;
  }
  void write(const std::string& name, std::span<const std::byte> bytes) override { memories_.at(name)->write(bytes); }
  void read(const std::string& name, std::span<std::byte> bytes) override { memories_.at(name)->read(bytes); }

  std::optional<Failure> run(const Plan&, const Arguments& arguments, int) override {
    try {
      const runtime::Event end;
      plan_.run(arguments, stream_);
      end.record(stream_);
      if (!runtime::wait_for(end, timeout_s_)) {
        return Failure{Verdict::Status::Timeout, fmt::format("did not end within {} s", timeout_s_)};
      }
    } catch (const Error& error) {
      return Failure{Verdict::Status::LaunchFailed, error.what()};
    }
    for (const auto& [name, memory] : memories_) {
      if (!memory->guards_whole()) {
        return Failure{Verdict::Status::Wrong, fmt::format("wrote outside '{}'", name)};
      }
    }
    return {};
  }

 private:
  const runtime::LoadedPlan& plan_;
  const runtime::Stream& stream_;
  double timeout_s_;
  std::map<std::string, const GuardedMemory*> memories_;
};

}  // namespace

struct CudaVerifier::Operands {
  std::string key;
  std::unique_ptr<Case> values;
  std::vector<Buffer> buffers;
  Memories memory;
};

CudaVerifier::CudaVerifier(runtime::CudaDevice device, CudaLimits limits)
    : device_(std::move(device)), limits_(limits) {}
CudaVerifier::~CudaVerifier() = default;

// The seam for a reference kernel on the GPU: with one, every problem runs at full size and only the reference kernel
// itself is compared with the CPU.
Problem CudaVerifier::problem_to_run(const Family& family, const Point& point, const Problem& problem) const {
  return family.work(problem).ops <= limits_.reference_ops ? problem : family.reduced(point, problem);
}

CudaVerifier::Operands& CudaVerifier::operands_for(const Family& family, const Point& point, const Problem& problem,
                                                   uint64_t seed) {
  const std::string key =
      fmt::format("{} {} {} {}", family.name(), problem.text(), family.operand_key(point, problem), seed);
  if (operands_ && operands_->key == key) return *operands_;
  operands_.reset();  // first, so that both never need room at once
  auto made = std::make_unique<Operands>();
  made->key = key;
  made->values = family.make_case(problem, seed);
  made->buffers = family.prepare(*made->values, point);
  for (const Buffer& buffer : made->buffers) {
    const auto placed = made->memory.try_emplace(buffer.name, buffer.bytes.size(), stream_).first;
    if (buffer.role != Buffer::Role::Output) placed->second.write(buffer.bytes);
  }
  operands_ = std::move(made);
  return *operands_;
}

Verdict CudaVerifier::verify(const Family& family, const Point& point, const Problem& problem,
                             const std::filesystem::path& object, uint64_t seed) {
  if (!lost_.empty()) fail("the GPU's context is lost, start the program again: {}", lost_);
  Verdict verdict;
  verdict.where = "cuda";
  verdict.seed = seed;
  verdict.problem = problem_to_run(family, point, problem);

  const Device& device = device_.gpu().device;
  const Plan plan = family.plan(point, verdict.problem, device);
  Operands& operands = operands_for(family, point, verdict.problem, seed);
  Memories workspaces;
  for (const Workspace& workspace : plan.workspaces) workspaces.try_emplace(workspace.name, workspace.bytes, stream_);

  std::optional<runtime::LoadedPlan> loaded;
  try {
    loaded.emplace(plan, read_file(object));
  } catch (const Error& error) {
    verdict.message = error.what();
    return verdict;
  }
  CudaMachine machine(*loaded, operands.memory, workspaces, stream_, limits_.timeout_s);
  const Arguments arguments = family.bind(point, verdict.problem, device, machine.addresses());
  std::vector<Buffer> buffers = operands.buffers;
  run_twice(machine, family, *operands.values, point, plan, arguments, buffers, verdict);

  if (verdict.status == Verdict::Status::Timeout) {
    lost_ = fmt::format("{} {}", family.variant(point, problem), verdict.message);
    // The kernel still runs, and freeing what it uses would wait for its end: left to the operating system.
    new auto(std::move(workspaces));
    new auto(std::move(loaded));
    new auto(std::move(operands_));
  } else if (verdict.status == Verdict::Status::LaunchFailed) {
    try {
      device_.synchronize();
    } catch (const Error&) {
      lost_ = fmt::format("{}: {}", family.variant(point, problem), verdict.message);
    }
  } else if (verdict.status == Verdict::Status::Wrong) {
    operands_.reset();  // it may have written anywhere
  }
  return verdict;
}

}  // namespace qoq::verify
