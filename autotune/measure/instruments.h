#pragma once
#include <cstddef>
#include <vector>

#include "kernels/runtime/cuda_device.h"

namespace qoq::measure {

/// Where the SMs' clocks stood: of each SM its cycle counter and the GPU's nanoseconds, read together.
struct Stamp {
  std::vector<uint64_t> cycles, nanoseconds;  ///< by SM; 0 where no stamp was taken
};

/// Mean SM clock between two stamps in MHz: the median over the SMs in both; 0 when none is, or they lie closer than
/// the GPU's timer can tell to half a per cent (its steps are up to 1 µs).
double mean_mhz(const Stamp& from, const Stamp& to);

/// Three small kernels that the driver builds from PTX: one reads the clocks of all SMs, one reads memory so that the
/// L2 cache holds that and nothing else, one waits. (PTX ISA, "Special Registers": %clock64, %globaltimer, %smid.)
class Instruments {
 public:
  /// Takes memory for the flush: twice the L2 cache.
  explicit Instruments(const Device& device);

  enum class When { Before, After };
  /// Queues the reading of all clocks.
  void queue_stamp(When when, const runtime::Stream& stream) const;
  /// What the last queued stamp read; the stream must have reached it.
  Stamp stamp(When when) const;
  /// Queues reading more than the cache holds: what was in it is gone, and nothing is left to be written back.
  void queue_flush(const runtime::Stream& stream) const;
  /// Queues a kernel of one thread that ends after so long.
  void queue_wait(double us, const runtime::Stream& stream) const;

 private:
  runtime::Module module_;
  CUfunc_st* stamp_;
  CUfunc_st* flush_;
  CUfunc_st* wait_;
  uint32_t sm_count_;
  runtime::DeviceMemory stamps_[2], flushed_, sink_;
};

}  // namespace qoq::measure
