#include "tests/kernels/gemm/bench.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>

#include "kernels/base/error.h"

namespace qoq::test {

namespace {

/// 16-byte aligned storage, as device memory is.
struct Storage {
  std::unique_ptr<std::byte[]> bytes;
  std::byte* data;
  explicit Storage(size_t size) : bytes(new std::byte[size + 256]) {
    data = bytes.get() + (256 - reinterpret_cast<uintptr_t>(bytes.get()) % 256);
  }
};

}  // namespace

Device test_device() {
  Device device;
  device.name = "test";
  device.compute_capability = 90;
  device.sm_count = 132;
  device.shared_per_block_bytes = 227 * 1024;
  device.shared_per_sm_bytes = 228 * 1024;
  device.threads_per_sm = 2048;
  device.blocks_per_sm = 32;
  device.l2_bytes = 50 << 20;
  return device;
}

Point mma_point(int block_m, int block_n, int block_k, int warp_m, int warp_n, int stages) {
  return {{"block_m", block_m}, {"block_n", block_n}, {"block_k", block_k}, {"warp_m", warp_m},
          {"warp_n", warp_n},   {"stages", stages},   {"slices", 1},        {"split_k", 1},
          {"raster", 1},        {"dequant", 0},       {"layout", 0}};
}

uint64_t fresh_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

Bench::Bench(compile::Headers headers) {
  static std::atomic<int> serial{0};
  folder_ = std::filesystem::temp_directory_path() / fmt::format("qoqtune-bench-{}-{}", ::getpid(), serial++);
  compiler_ = std::make_unique<compile::HostCompiler>(folder_, 2, std::move(headers));
}

Bench::~Bench() {
  for (void* library : libraries_) ::dlclose(library);
  std::filesystem::remove_all(folder_);
}

void Bench::build(const std::vector<Job>& jobs) {
  std::vector<Source> sources;
  for (const Job& job : jobs) sources.push_back(job.family->source(job.point, job.problem));
  const auto builds = compiler_->build(sources, {}, {});
  for (size_t i = 0; i < builds.size(); ++i) {
    ASSERT_TRUE(builds[i].ok) << jobs[i].family->variant(jobs[i].point, jobs[i].problem) << "\n" << builds[i].log;
    objects_[sources[i].entries.front()] = builds[i].object;
  }
}

RunResult Bench::run(const Job& job, uint64_t seed, const emulator::Options& options, int launches) {
  const Family& family = *job.family;
  const auto operands = family.make_case(job.problem, seed);
  std::vector<Buffer> buffers = family.prepare(*operands, job.point);
  RunResult result{run(job, buffers, options, launches), {}};
  if (!result.result.fault) result.check = family.check(*operands, job.point, buffers);
  return result;
}

emulator::Result Bench::run(const Job& job, std::vector<Buffer>& buffers, const emulator::Options& options,
                            int launches) {
  const Family& family = *job.family;
  const Plan plan = family.plan(job.point, job.problem, test_device());

  emulator::Memory memory;
  Addresses addresses;
  std::vector<Storage> storages;
  for (Buffer& buffer : buffers) {
    Storage& storage = storages.emplace_back(buffer.bytes.size());
    std::memcpy(storage.data, buffer.bytes.data(), buffer.bytes.size());
    addresses[buffer.name] = storage.data;
    memory.add(buffer.name, storage.data, buffer.bytes.size(),
               buffer.role == Buffer::Role::Output ? emulator::Access::Scratch
               : buffer.written()                  ? emulator::Access::ReadWrite
                                                   : emulator::Access::ReadOnly);
  }
  for (const Workspace& workspace : plan.workspaces) {
    Storage& storage = storages.emplace_back(workspace.bytes);
    const bool zero = workspace.init != Workspace::Init::None;
    std::memset(storage.data, zero ? 0 : 0xa5, workspace.bytes);
    addresses[workspace.name] = storage.data;
    memory.add(workspace.name, storage.data, workspace.bytes,
               zero ? emulator::Access::ReadWrite : emulator::Access::Scratch);
  }

  void* library = ::dlopen(objects_.at(plan.launches.front().entry).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(::dlerror());
  libraries_.push_back(library);
  const Arguments arguments = family.bind(job.point, job.problem, test_device(), addresses);
  emulator::Result result;
  for (int i = 0; i < launches; ++i) {
    for (const Buffer& buffer : buffers) {
      if (buffer.role == Buffer::Role::Output) std::memset(addresses[buffer.name], 0xcd, buffer.bytes.size());
      if (buffer.role == Buffer::Role::InOut)
        std::memcpy(addresses[buffer.name], buffer.bytes.data(), buffer.bytes.size());
    }
    for (size_t l = 0; l < plan.launches.size(); ++l) {
      const Launch& launch = plan.launches[l];
      const auto entry = reinterpret_cast<void (*)(const void*)>(::dlsym(library, launch.entry.c_str()));
      if (entry == nullptr) throw std::runtime_error(::dlerror());
      result = emulator::launch(entry, arguments[l].data(), launch.grid, launch.block.x, launch.shared_bytes, memory,
                                options);
      if (result.fault) return result;
    }
  }
  for (Buffer& buffer : buffers) std::memcpy(buffer.bytes.data(), addresses[buffer.name], buffer.bytes.size());
  return result;
}

}  // namespace qoq::test
