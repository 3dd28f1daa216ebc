#include "autotune/verify/emulator_verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "autotune/verify/two_runs.h"
#include "kernels/base/error.h"
#include "kernels/emulator/emulator.h"
#include "kernels/runtime/library.h"

namespace qoq::verify {

namespace {

/// Host memory aligned as device memory is, so that alignment faults are the kernel's own.
class AlignedBytes {
 public:
  explicit AlignedBytes(size_t bytes)
      : data_(static_cast<std::byte*>(::operator new(std::max<size_t>(bytes, 1), alignment))), bytes_(bytes) {}
  std::span<std::byte> span() const { return {data_.get(), bytes_}; }

 private:
  static constexpr std::align_val_t alignment{256};
  struct Delete {
    void operator()(std::byte* data) const { ::operator delete(data, alignment); }
  };
  std::unique_ptr<std::byte, Delete> data_;
  size_t bytes_;
};

class EmulatedMachine final : public Machine {
 public:
  EmulatedMachine(runtime::Library library, uint64_t seed) : library_(std::move(library)), seed_(seed) {}

  void place(const std::string& name, size_t bytes, emulator::Access access) {
    memory_.try_emplace(name, AlignedBytes(bytes), access);
  }
  Addresses addresses() const override {
    Addresses all;
    for (const auto& [name, place] : memory_) all[name] = place.first.span().data();
    return all;
  }
  void write(const std::string& name, std::span<const std::byte> bytes) override {
    std::ranges::copy(bytes, memory_.at(name).first.span().begin());
  }
  void read(const std::string& name, std::span<std::byte> bytes) override {
    std::ranges::copy(memory_.at(name).first.span(), bytes.begin());
  }

  std::optional<Failure> run(const Plan& plan, const Arguments& arguments, int run) override {
    emulator::Memory memory;  // a fresh one each run: what the last run wrote counts as never written
    for (auto& [name, place] : memory_) {
      memory.add(name, place.first.span().data(), place.first.span().size(), place.second);
    }
    emulator::Options options;
    options.seed = seed_;
    if (run == 1) {
      options.schedule = emulator::Schedule::Random;
      options.async = emulator::AsyncLanding::Random;
    }
    for (size_t i = 0; i < plan.launches.size(); ++i) {
      // A random schedule starts all CTAs that may be resident, and every thread has a stack: no more than two SMs'
      // worth.
      options.resident_ctas = std::max(2, 4096 / static_cast<int>(plan.launches[i].block.count()));
      if (auto failure = launch(plan.launches[i], arguments.at(i), memory, options)) return failure;
    }
    return {};
  }

 private:
  std::optional<Failure> launch(const Launch& launch, const std::vector<std::byte>& argument, emulator::Memory& memory,
                                const emulator::Options& options) {
    const auto failed = [&](const std::string& why) {
      return Failure{Verdict::Status::LaunchFailed, fmt::format("{}: {}", launch.entry, why)};
    };
    const auto entry = library_.find_as<void (*)(const void*)>(launch.entry.c_str());
    if (entry == nullptr) return failed("no such entry in the built object");
    const auto* threads = library_.find_as<const unsigned*>((launch.entry + "_threads").c_str());
    if (threads != nullptr && *threads != launch.block.count()) {
      return failed(fmt::format("the plan launches {} threads, the source is for {}", launch.block.count(), *threads));
    }
    if (launch.cluster.count() != 1) return failed("the emulator runs no clusters");
    // The struct's own alignment, which the vector's memory has; a copy keeps it whole through the launch.
    AlignedBytes aligned(argument.size());
    std::ranges::copy(argument, aligned.span().begin());
    try {
      const emulator::Result result =
          emulator::launch(entry, aligned.span().data(), launch.grid, static_cast<unsigned>(launch.block.count()),
                           launch.shared_bytes, memory, options);
      if (!result.fault) return {};
      Failure failure = failed(*result.fault);
      if (result.kind == emulator::FaultKind::Deadlock) failure.status = Verdict::Status::Timeout;
      // These run on a GPU too, most of the time with the right answer.
      if (result.kind == emulator::FaultKind::Race || result.kind == emulator::FaultKind::Uninitialised) {
        failure.status = Verdict::Status::Wrong;
      }
      return failure;
    } catch (const Error& error) {  // an impossible launch
      return failed(error.what());
    }
  }

  runtime::Library library_;
  uint64_t seed_;
  std::map<std::string, std::pair<AlignedBytes, emulator::Access>> memory_;
};

}  // namespace

EmulatorVerifier::EmulatorVerifier(Device device) : device_(std::move(device)) {}

Verdict EmulatorVerifier::verify(const Family& family, const Point& point, const Problem& problem,
                                 const std::filesystem::path& object, uint64_t seed) {
  Verdict verdict;
  verdict.where = "emulator";
  verdict.seed = seed;
  verdict.problem = family.reduced(point, problem);
  runtime::Library library = runtime::Library::open(object);
  if (!library) {
    verdict.message = library.reason();
    return verdict;
  }

  const Plan plan = family.plan(point, verdict.problem, device_);
  const auto operands = family.make_case(verdict.problem, seed);
  std::vector<Buffer> buffers = family.prepare(*operands, point);
  EmulatedMachine machine(std::move(library), seed);
  for (const Buffer& buffer : buffers) {
    const bool output = buffer.role == Buffer::Role::Output;
    machine.place(buffer.name, buffer.bytes.size(),
                  output             ? emulator::Access::Scratch
                  : buffer.written() ? emulator::Access::ReadWrite
                                     : emulator::Access::ReadOnly);
    if (!output) machine.write(buffer.name, buffer.bytes);
  }
  for (const Workspace& workspace : plan.workspaces) {
    const bool zeroed = workspace.init != Workspace::Init::None;
    machine.place(workspace.name, workspace.bytes, zeroed ? emulator::Access::ReadWrite : emulator::Access::Scratch);
  }
  const Arguments arguments = family.bind(point, verdict.problem, device_, machine.addresses());
  const auto check = [&](const std::vector<Buffer>& results) { return family.check(*operands, point, results); };
  run_twice(machine, check, plan, arguments, buffers, verdict);
  return verdict;
}

}  // namespace qoq::verify
