// The emulator tests' W4A8 kernel on a Hopper GPU: descriptors, fragments, phases and copies are the machine's own
// there.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/base/file.h"
#include "kernels/runtime/cuda_device.h"
#include "tests/kernels/emulator/w4a8_case.h"

namespace qoq::tests {
namespace {

constexpr const char* header = "tests/kernels/emulator/w4a8_kernel.cuh";
constexpr const char* source_text = R"(
#include "tests/kernels/emulator/w4a8_kernel.cuh"
using namespace qoq::tests;
QOQ_ENTRY(w4a8, w4a8_kernel<Bug::None>, W4a8Args, w4a8_threads, 1)
)";

std::string cubin_of_w4a8(const compile::Nvrtc& nvrtc) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("qoq_w4a8_gpu_test." + std::to_string(getpid()));
  compile::Headers headers = compile::device_headers();
  headers[header] = read_file(std::string(QOQ_SOURCE_DIR) + "/" + header);
  compile::NvrtcCompiler compiler(nvrtc, "sm_90a", folder, 1, headers);
  const Source source{source_text, {"w4a8"}};
  const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
  EXPECT_TRUE(build.ok) << build.log;
  const std::string cubin = build.ok ? read_file(build.object) : "";
  std::filesystem::remove_all(folder);
  return cubin;
}

template <class T>
runtime::DeviceMemory upload(const std::vector<T>& from) {
  runtime::DeviceMemory memory(from.size() * sizeof(T));
  memory.upload(0, std::as_bytes(std::span(from)));
  return memory;
}

TEST(W4a8OnGpu, EqualsTheNaiveProduct) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  if (attached.gpus.front().device.compute_capability != 90) GTEST_SKIP() << "the first GPU is no Hopper";
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const runtime::CudaDevice device(0);
  device.make_current();
  const runtime::Module module(cubin_of_w4a8(nvrtc));
  CUfunc_st* function = module.function("w4a8");
  const runtime::Stream stream;
  const qoq::Launch launch{
      .entry = "w4a8", .grid = {}, .block = {w4a8_threads, 1, 1}, .cluster = {}, .shared_bytes = w4a8_shared_bytes};
  runtime::allow_shared_memory(function, launch);
  for (const u32 tiles : {2u, 4u, 10u, 64u}) {
    W4a8Case of(tiles, tiles);
    const runtime::DeviceMemory w = upload(of.w);
    const runtime::DeviceMemory x = upload(of.x);
    const runtime::DeviceMemory out = upload(of.out);
    const W4a8Args args{reinterpret_cast<const u8*>(w.data()), reinterpret_cast<const u8*>(x.data()),
                        reinterpret_cast<i32*>(out.data()), tiles};
    runtime::launch(launch, function, std::as_bytes(std::span(&args, 1)), stream);
    device.synchronize();
    out.download(0, std::as_writable_bytes(std::span(of.out)));
    EXPECT_EQ(of.out, of.reference()) << tiles << " tiles";
  }
}

}  // namespace
}  // namespace qoq::tests
