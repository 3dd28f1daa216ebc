#include "kernels/runtime/cuda_device.h"

#include <fmt/format.h>

#include "kernels/base/error.h"
#include "kernels/runtime/driver.h"
#include "kernels/runtime/nvml.h"

namespace qoq::runtime {

#ifdef QOQ_HAS_CUDA_HEADERS

namespace {

/// The driver, or a fault in its own words.
const Driver& driver() {
  const Driver& loaded = Driver::get();
  if (!loaded.available) fail("{}", loaded.reason);
  return loaded;
}

CUdeviceptr address(const std::byte* data) { return reinterpret_cast<CUdeviceptr>(data); }

int attribute(CUdevice device, CUdevice_attribute which) {
  int value = 0;
  driver().check(driver().cuDeviceGetAttribute(&value, which, device), "asking the GPU's attributes");
  return value;
}

std::string uuid_text(const CUuuid& uuid) {
  std::string text = "GPU";
  for (int i = 0; i < 16; ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
  }
  return text;
}

AttachedGpu describe_gpu(int index) {
  const Driver& cuda = driver();
  AttachedGpu gpu;
  gpu.index = index;
  gpu.driver_version = cuda.version;
  CUdevice device = 0;
  cuda.check(cuda.cuDeviceGet(&device, index), fmt::format("opening GPU {}", index).c_str());
  CUuuid uuid{};
  cuda.check(cuda.cuDeviceGetUuid(&uuid, device), "asking the GPU's UUID");
  gpu.uuid = uuid_text(uuid);
  char name[256] = {};
  cuda.check(cuda.cuDeviceGetName(name, sizeof name, device), "asking the GPU's name");
  size_t memory_bytes = 0;
  cuda.check(cuda.cuDeviceTotalMem(&memory_bytes, device), "asking the GPU's memory");
  gpu.memory_bytes = static_cast<int64_t>(memory_bytes);

  gpu.device.name = name;
  gpu.device.compute_capability = attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) * 10 +
                                  attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  gpu.device.sm_count = attribute(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  gpu.device.shared_per_block_bytes = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  gpu.device.shared_per_sm_bytes = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
  gpu.device.shared_reserved_bytes = attribute(device, CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);
  gpu.device.registers_per_sm = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR);
  gpu.device.threads_per_sm = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
  gpu.device.blocks_per_sm = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR);
  gpu.device.l2_bytes = attribute(device, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  return gpu;
}

}  // namespace

AttachedGpus list_attached_gpus() {
  AttachedGpus attached;
  const Driver& cuda = Driver::get();
  if (!cuda.available) {
    attached.reason = cuda.reason;
    return attached;
  }
  int count = 0;
  cuda.check(cuda.cuDeviceGetCount(&count), "counting GPUs");
  for (int index = 0; index < count; ++index) {
    AttachedGpu& gpu = attached.gpus.emplace_back(describe_gpu(index));
    const Nvml nvml(gpu.uuid);
    gpu.driver = nvml.driver_version().value_or("");
    gpu.power_cap_w = nvml.power_cap_w().value_or(0);
    if (const auto mig = nvml.mig()) gpu.mig = mig->profile;
  }
  if (count == 0) attached.reason = "a CUDA driver is there but no GPU";
  return attached;
}

CudaDevice::CudaDevice(int index) : gpu_(describe_gpu(index)) {
  const Driver& cuda = driver();
  CUcontext context = nullptr;
  cuda.check(cuda.cuDevicePrimaryCtxRetain(&context, index), "opening the GPU's context");
  context_ = {context, [&cuda, index](CUcontext) { cuda.cuDevicePrimaryCtxRelease(index); }};
  make_current();
}

void CudaDevice::make_current() const {
  driver().check(driver().cuCtxSetCurrent(context_.get()), "making the GPU's context current");
}

void CudaDevice::synchronize() const { driver().check(driver().cuCtxSynchronize(), "waiting for the GPU"); }

Module::Module(std::string_view cubin) {
  const Driver& cuda = driver();
  CUmodule module = nullptr;
  cuda.check(cuda.cuModuleLoadData(&module, cubin.data()), "loading the cubin");
  module_ = {module, [&cuda](CUmodule loaded) { cuda.cuModuleUnload(loaded); }};
}

CUfunc_st* Module::function(const std::string& entry) const {
  CUfunction function = nullptr;
  driver().check(driver().cuModuleGetFunction(&function, module_.get(), entry.c_str()),
                 fmt::format("finding the entry {}", entry).c_str());
  return function;
}

Stream::Stream() {
  const Driver& cuda = driver();
  // Not CU_STREAM_NON_BLOCKING: uploads go through the default stream and must be over before a launch here.
  CUstream stream = nullptr;
  cuda.check(cuda.cuStreamCreate(&stream, CU_STREAM_DEFAULT), "making a stream");
  stream_ = {stream, [&cuda](CUstream made) { cuda.cuStreamDestroy(made); }};
}

Event::Event() {
  const Driver& cuda = driver();
  CUevent event = nullptr;
  cuda.check(cuda.cuEventCreate(&event, CU_EVENT_DEFAULT), "making an event");
  event_ = {event, [&cuda](CUevent made) { cuda.cuEventDestroy(made); }};
}

void Event::record(const Stream& stream) const {
  driver().check(driver().cuEventRecord(event_.get(), stream.get()), "recording an event");
}

bool Event::done() const {
  const CUresult result = driver().cuEventQuery(event_.get());
  if (result == CUDA_ERROR_NOT_READY) return false;
  driver().check(result, "the kernel failed");
  return true;
}

double Event::us_since(const Event& start) const {
  float ms = 0;
  driver().check(driver().cuEventElapsedTime(&ms, start.event_.get(), event_.get()), "reading the events' times");
  return double{ms} * 1000;
}

DeviceMemory::DeviceMemory(size_t bytes) : bytes_(bytes) {
  const Driver& cuda = driver();
  CUdeviceptr memory = 0;
  cuda.check(cuda.cuMemAlloc(&memory, bytes == 0 ? 1 : bytes), fmt::format("allocating {} bytes", bytes).c_str());
  data_ = {reinterpret_cast<std::byte*>(memory), [&cuda](std::byte* made) { cuda.cuMemFree(address(made)); }};
}

void DeviceMemory::upload(size_t offset, std::span<const std::byte> from) const {
  driver().check(driver().cuMemcpyHtoD(address(data() + offset), from.data(), from.size()), "copying to the GPU");
}

void DeviceMemory::download(size_t offset, std::span<std::byte> to) const {
  driver().check(driver().cuMemcpyDtoH(to.data(), address(data() + offset), to.size()), "copying from the GPU");
}

void DeviceMemory::fill(size_t offset, size_t bytes, uint8_t value, const Stream& stream) const {
  driver().check(driver().cuMemsetD8Async(address(data() + offset), value, bytes, stream.get()), "filling GPU memory");
}

void DeviceMemory::repeat(size_t offset, size_t bytes, const Stream& stream) const {
  driver().check(driver().cuMemcpyDtoDAsync(address(data() + offset), address(data()), bytes, stream.get()),
                 "copying inside the GPU");
}

void allow_shared_memory(CUfunc_st* function, const qoq::Launch& launch) {
  driver().check(driver().cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                             static_cast<int>(launch.shared_bytes)),
                 fmt::format("{}: asking for {} bytes of shared memory", launch.entry, launch.shared_bytes).c_str());
}

void launch(const qoq::Launch& what, CUfunc_st* function, std::span<const std::byte> argument, const Stream& stream) {
  CUlaunchAttribute cluster{};
  cluster.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  cluster.value.clusterDim.x = what.cluster.x;
  cluster.value.clusterDim.y = what.cluster.y;
  cluster.value.clusterDim.z = what.cluster.z;

  CUlaunchConfig config{};
  config.gridDimX = what.grid.x;
  config.gridDimY = what.grid.y;
  config.gridDimZ = what.grid.z;
  config.blockDimX = what.block.x;
  config.blockDimY = what.block.y;
  config.blockDimZ = what.block.z;
  config.sharedMemBytes = what.shared_bytes;
  config.hStream = stream.get();
  config.attrs = &cluster;
  config.numAttrs = what.cluster.count() > 1 ? 1 : 0;
  // The driver copies the argument's bytes before it returns and never writes through this pointer.
  void* arguments[] = {const_cast<std::byte*>(argument.data())};
  driver().check(driver().cuLaunchKernelEx(&config, function, arguments, nullptr),
                 fmt::format("launching {}", what.entry).c_str());
}

#else

namespace {

[[noreturn]] void absent() { fail("{}", Driver::get().reason); }

}  // namespace

AttachedGpus list_attached_gpus() { return {{}, Driver::get().reason}; }
CudaDevice::CudaDevice(int) { absent(); }
void CudaDevice::make_current() const { absent(); }
void CudaDevice::synchronize() const { absent(); }
Module::Module(std::string_view) { absent(); }
CUfunc_st* Module::function(const std::string&) const { absent(); }
Stream::Stream() { absent(); }
Event::Event() { absent(); }
void Event::record(const Stream&) const { absent(); }
bool Event::done() const { absent(); }
double Event::us_since(const Event&) const { absent(); }
DeviceMemory::DeviceMemory(size_t) { absent(); }
void DeviceMemory::upload(size_t, std::span<const std::byte>) const { absent(); }
void DeviceMemory::download(size_t, std::span<std::byte>) const { absent(); }
void DeviceMemory::fill(size_t, size_t, uint8_t, const Stream&) const { absent(); }
void DeviceMemory::repeat(size_t, size_t, const Stream&) const { absent(); }
void allow_shared_memory(CUfunc_st*, const qoq::Launch&) { absent(); }
void launch(const qoq::Launch&, CUfunc_st*, std::span<const std::byte>, const Stream&) { absent(); }

#endif

}  // namespace qoq::runtime
