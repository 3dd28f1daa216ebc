#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/device.h"
#include "kernels/runtime/plan.h"

// The driver's handles by their own tags, so that this header needs no CUDA header.
struct CUctx_st;
struct CUmod_st;
struct CUfunc_st;
struct CUstream_st;
struct CUevent_st;

namespace qoq::runtime {

/// An attached GPU as the driver describes it.
struct AttachedGpu {
  int index = 0;
  std::string uuid;  ///< "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", as nvidia-smi writes it
  Device device;
  int driver_version = 0;  ///< 13000 for CUDA 13.0
  int64_t memory_bytes = 0;
  // What NVML adds (list_attached_gpus only):
  std::string driver = {};  ///< the driver's own version, "580.159.04"; empty not known
  double power_cap_w = 0;   ///< that is enforced; 0 not known
  std::string mig = {};     ///< MIG profile, "1g.18gb"; empty for a whole GPU
};

struct AttachedGpus {
  std::vector<AttachedGpu> gpus;
  std::string reason;  ///< why there are none, a sentence ("no CUDA driver: …"); empty when there are
};

/// Never throws for want of a GPU.
AttachedGpus list_attached_gpus();

// Everything below throws Fault::Work with the driver's words when a call fails, and without a driver.

/// A GPU made ready for work: its primary context, retained. Must outlive what was made on it.
class CudaDevice {
 public:
  explicit CudaDevice(int index);
  const AttachedGpu& gpu() const { return gpu_; }
  /// Makes the context current on the calling thread; needed once on each thread that uses it.
  void make_current() const;
  /// Waits for all work; an error of an earlier launch comes out here.
  void synchronize() const;

 private:
  AttachedGpu gpu_;
  std::shared_ptr<CUctx_st> context_;
};

/// A loaded cubin. The driver may put off loading a function until its first launch: launch once before timing.
class Module {
 public:
  explicit Module(std::string_view cubin);
  CUfunc_st* function(const std::string& entry) const;

 private:
  std::shared_ptr<CUmod_st> module_;
};

class Stream {
 public:
  Stream();
  CUstream_st* get() const { return stream_.get(); }

 private:
  std::shared_ptr<CUstream_st> stream_;
};

class Event {
 public:
  Event();
  void record(const Stream&) const;
  /// Whether everything before the record is done; throws when it failed.
  bool done() const;
  /// Microseconds from `start` to this; both must be done.
  double us_since(const Event& start) const;

 private:
  std::shared_ptr<CUevent_st> event_;
};

/// Device memory, 256-byte aligned.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(size_t bytes);
  std::byte* data() const { return data_.get(); }
  size_t size() const { return bytes_; }
  void upload(size_t offset, std::span<const std::byte> from) const;
  void download(size_t offset, std::span<std::byte> to) const;
  void fill(size_t offset, size_t bytes, uint8_t value, const Stream&) const;
  /// Copies `bytes` from its beginning to an offset behind them, on the GPU.
  void repeat(size_t offset, size_t bytes, const Stream&) const;

 private:
  std::shared_ptr<std::byte> data_;
  size_t bytes_ = 0;
};

/// Raises the function's dynamic shared memory limit to what the launch needs; once before its first launch.
void allow_shared_memory(CUfunc_st* function, const qoq::Launch&);

/// Queues one launch (cuLaunchKernelEx; a cluster larger than 1 becomes a launch attribute). `argument` is the bytes of
/// the kernel's single argument struct.
void launch(const qoq::Launch&, CUfunc_st* function, std::span<const std::byte> argument, const Stream&);

}  // namespace qoq::runtime
