#include "tests/roofline/probe.h"

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "kernels/runtime/library.h"

#ifdef QOQ_HAS_CUDA_HEADERS
#include <nvrtc.h>
#endif

namespace qoq::roofline {

#ifdef QOQ_HAS_CUDA_HEADERS
namespace {

const runtime::Library& nvrtc_library() {
  const std::vector<std::string> names = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
  // Never closed: NVRTC's own allocations would count as leaks once its code is gone.
  static const auto& library = *new runtime::Library(runtime::Library::open(names, runtime::cuda_library_folders()));
  return library;
}

}  // namespace

std::string nvrtc_version() {
  const runtime::Library& library = nvrtc_library();
  int major = 0, minor = 0;
  if (!library || library.find_as<decltype(&::nvrtcVersion)>("nvrtcVersion")(&major, &minor) != NVRTC_SUCCESS)
    return "";
  return std::to_string(major) + "." + std::to_string(minor);
}

std::optional<std::string> compile_probe(const std::string& source, const std::string& architecture) {
  const runtime::Library& library = nvrtc_library();
  if (!library) return std::nullopt;
#define QOQ_NVRTC(name) const auto name = library.find_as<decltype(&::name)>(#name)
  QOQ_NVRTC(nvrtcCreateProgram);
  QOQ_NVRTC(nvrtcCompileProgram);
  QOQ_NVRTC(nvrtcGetProgramLogSize);
  QOQ_NVRTC(nvrtcGetProgramLog);
  QOQ_NVRTC(nvrtcGetCUBINSize);
  QOQ_NVRTC(nvrtcGetCUBIN);
  QOQ_NVRTC(nvrtcDestroyProgram);
#undef QOQ_NVRTC
  nvrtcProgram program;
  if (nvrtcCreateProgram(&program, source.c_str(), "probe.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS)
    throw std::runtime_error("nvrtcCreateProgram failed");
  const std::string target = "--gpu-architecture=" + architecture;
  const char* options[] = {target.c_str(), "--std=c++20", "--fmad=false", "-default-device", "-I" QOQ_SOURCE_DIR};
  const nvrtcResult result = nvrtcCompileProgram(program, std::size(options), options);
  size_t size = 0;
  std::string cubin;
  if (result == NVRTC_SUCCESS) {
    nvrtcGetCUBINSize(program, &size);
    cubin.resize(size);
    nvrtcGetCUBIN(program, cubin.data());
  } else {
    nvrtcGetProgramLogSize(program, &size);
    cubin.resize(size);
    nvrtcGetProgramLog(program, cubin.data());
  }
  nvrtcDestroyProgram(&program);
  if (result != NVRTC_SUCCESS) throw std::runtime_error(architecture + ": " + cubin);
  return cubin;
}
#else
std::string nvrtc_version() { return ""; }
std::optional<std::string> compile_probe(const std::string&, const std::string&) { return std::nullopt; }
#endif

std::string vocabulary_source() {
  return R"(#include "kernels/prim/prim.cuh"
using namespace qoq;
using namespace qoq::prim;
struct Args { u32* words; float* floats; const char* bytes; i32* counters; int trips; };
__device__ void probe_body(const Args& a) {
  const u32 s = shared_base() + thread_index() * 16;
  u32 r[4], pair[2] = {a.words[7], a.words[8]}, one[1];
  i32 d[4] = {a.counters[0], a.counters[1], a.counters[2], a.counters[3]};
  float f[4] = {a.floats[0], a.floats[1], a.floats[2], a.floats[3]};
  cp_async_16(s, a.bytes + thread_index() * 16, a.trips > static_cast<int>(thread_index()));
  cp_async_commit();
  QOQ_NO_UNROLL for (int k = 0; k < a.trips; ++k) {
    cp_async_16(s + (k & 3) * 4096, a.bytes + k * 512 + thread_index() * 16);
    cp_async_commit();
    cp_async_wait<2>();
    sync_threads();
    ldmatrix_x4(r, s + (k % 3) * 128);
    ldmatrix_x2(pair, s + k * 64 + 512);
    ldmatrix_x1(one, s + k * 64 + 1024);
    mma_s8s8(d, r, pair);
    pair[0] ^= one[0];
    mma_s8u8(d, r, pair);
    mma_u8s8(d, r, pair);
    mma_f16(f, r, pair);
    mma_bf16(f, r, pair);
    ldmatrix_x2_trans(pair, s + k * 64 + 2048);
    ldmatrix_x4_trans(r, s + k * 32);
    mma_f16(f, r, pair);
    u32 w = load_shared_u32(s + k * 4 + 4096);
    w = lop3<0x78>(w, r[0], a.trips);
    w = prmt(w, r[1], 0x5140);
    w = imad(w, r[2], 0x01010101u);
    d[0] += dp4a(w, r[3], d[1]);
    w = add_bytes(w, r[1]);
    w = ((w >> 4) & 0x0f0f0f0f) << (k & 7);
    const u32x2 two = load_shared_u32x2(s + k * 8 + 8192);
    const u32x4 four = load_shared_u32x4(s + k * 16 + 8192);
    d[2] += w + two.x * two.y + four.x * four.y - four.z + (four.w ^ 3);
    store_shared_u32(s + k * 4, w);
    store_shared_u32x4(s + k * 16, four);
    sync_named(1 + (k & 3), 64);
    sync_warp();
    d[3] += shuffle_xor(w, 1) + shuffle(w, k & 31);
    f[0] = qoq::prim::fma(f[0], f[1], f[2]);
    f[1] = f[1] * f[2] + f[3];
    f[2] += int_to_float(d[0]);
    f[3] *= to_float(half{static_cast<u16>(w)});
    f[3] += to_float(bfloat{static_cast<u16>(w >> 16)});
    a.words[k * 3] = pack_half2(f[0], f[1]);
    a.words[k * 3 + 1] = pack_bfloat2(f[2], f[3]);
    d[0] += atomic_add_acq_rel(a.counters + k, d[1]);
    atomic_add_relaxed(a.counters + k + 1, d[2]);
    while (load_acquire(a.counters + 99) != k) {}
    store_release(a.counters + 98, k);
    d[1] += load_readonly(reinterpret_cast<const i32*>(a.bytes) + k);
    a.floats[k + 100] = to_float(load_readonly(reinterpret_cast<const half*>(a.bytes) + k * 2)) * f[0];
    store_global(reinterpret_cast<u32x4*>(a.words) + k, load_global(reinterpret_cast<const u32x4*>(a.bytes) + k));
    d[3] = d[3] > d[2] ? d[2] : d[3];
    d[2] += a.trips / (k + 1) % 7 + d[0] / 3;
  }
  cp_async_wait<0>();
  for (int i = 0; i < 4; ++i) {
    a.counters[1000 + i + thread_index()] = d[i];
    a.floats[i + thread_index() * 4 + block_index_x() * grid_size_y() + block_index_y() * grid_size_z() +
             block_index_z() * grid_size_x()] = f[i];
  }
}
QOQ_ENTRY(probe, probe_body, Args, 128, 1)
)";
}

std::filesystem::path find_nvdisasm() {
  std::vector<std::filesystem::path> folders;
  std::istringstream path(std::getenv("PATH") ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');) folders.emplace_back(folder);
  if (const char* home = std::getenv("CUDA_HOME")) folders.push_back(std::filesystem::path(home) / "bin");
  folders.emplace_back("/usr/local/cuda/bin");
  folders.emplace_back(QOQ_SOURCE_DIR "/.deps/nvdisasm/nvidia/cu13/bin");
  for (const auto& folder : folders)
    if (std::filesystem::exists(folder / "nvdisasm")) return folder / "nvdisasm";
  return {};
}

}  // namespace qoq::roofline
