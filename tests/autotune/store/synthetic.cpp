#include "tests/autotune/store/synthetic.h"

#include <fmt/format.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>

namespace qoq::store::testing {

namespace fs = std::filesystem;

Folder::Folder() {
  std::string name = (fs::temp_directory_path() / "qoq-store-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail("{}: {}", name, std::strerror(errno));
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Disk::Disk(size_t kibibytes) {
  // In a mount namespace of this process alone, so that nothing outside sees it or is left with it.
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, fmt::format("size={}k", kibibytes).c_str()) != 0) {
    refusal_ = fmt::format("no disk of our own can be mounted here: {}", std::strerror(errno));
  }
}

Disk::~Disk() {
  if (mounted()) ::umount2(folder_.path().c_str(), MNT_DETACH);
}

void Disk::resize(size_t kibibytes) {
  if (::mount("tmpfs", folder_.path().c_str(), "tmpfs", MS_REMOUNT, fmt::format("size={}k", kibibytes).c_str()) != 0) {
    fail("remounting: {}", std::strerror(errno));
  }
}

void Disk::make_read_only() {
  if (::mount("tmpfs", folder_.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
    fail("remounting read-only: {}", std::strerror(errno));
  }
}

Environment simulated(const std::string& target) {
  return {.target = target,
          .product = "NVIDIA H200",
          .uuid = "",
          .architecture = "sm_90a",
          .sm_count = 132,
          .power_cap_w = 700,
          .driver = "",
          .compiler = "NVRTC 13.0",
          .kernels = "k1",
          .cache_mode = "weights-cold",
          .launch_mode = "eager",
          .predictor = "model 1"};
}

ProblemRow gemm_row(const std::string& text) {
  return {.text = text,
          .op = "gemm",
          .scheme = "w4a8-g128",
          .layout_group = "n=4096 k=4096",
          .ops = 2.0 * 64 * 4096 * 4096,
          .arithmetic = "int8",
          .read_bytes = 8.5e6,
          .write_bytes = 524288};
}

Candidate candidate(int i, const std::string& problem) {
  Candidate row;
  row.problem = problem;
  row.family = "gemm/mma";
  row.variant = fmt::format("mma.bm{}.st{}", 16 * (i % 8 + 1), i);
  row.layout = i % 2 == 0 ? "qserve" : "fragment";
  row.point = fmt::format(R"({{"block_m":{},"stages":{}}})", 16 * (i % 8 + 1), i);
  row.source = Source::Predicted;
  row.median_us = 10.0 + 0.1 * i;
  row.noise = 0.015;
  row.samples_us = {10.0 + 0.1 * i, 1.0 / 3.0, 11.25};
  row.speed_of_light_us = 2.5;
  row.details = R"({"dram_us":2.5})";
  row.verified_on = "emulator";
  row.verify_problem = "gemm w4a8-g128 m=40 n=256 k=1152";
  row.max_error = 1e-3;
  row.seed = 0x8000000000000000u + static_cast<unsigned>(i);
  for (const char* entry : {"main", "merge"}) {
    KernelRow kernel;
    kernel.digest = fmt::format("cubin{}", i % 50);
    kernel.entry = entry;
    kernel.registers = 128;
    kernel.static_shared_bytes = 1024;
    kernel.local_bytes = 16;
    kernel.details = R"({"imma":64})";
    kernel.dynamic_shared_bytes = 65536;
    kernel.ctas = 128 + i;
    kernel.threads = 256;
    row.kernels.push_back(kernel);
  }
  return row;
}

Store open_with_problem(const fs::path& path, const std::string& problem) {
  Store store = Store::open(path, Mode::ReadWrite);
  store.put_problem(gemm_row(problem));
  return store;
}

}  // namespace qoq::store::testing
