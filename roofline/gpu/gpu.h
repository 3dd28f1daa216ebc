#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/device.h"

namespace qoq::roofline {

/// What a number of a sheet rests on.
enum class Ground {
  Datasheet,  ///< the vendor's product sheet or architecture whitepaper
  Guide,      ///< the vendor's programming or tuning guide
  Paper,      ///< a published measurement
  Measured,   ///< measured by us, on the named product
  Derived,    ///< arithmetic from other numbers, shown in the source
  Assumed,    ///< nobody's number: a guess with its reason, or a figure that could not be checked
};
std::string_view text(Ground);

/// One number of a sheet and where it comes from. The unit is fixed per key; the loader refuses another.
struct Rate {
  double value = 0;
  std::string unit;
  Ground ground = Ground::Assumed;
  std::string source;  ///< the document's name, the arithmetic, or the reason of an assumption
};

/// Dense matrix rate of one arithmetic.
struct TensorRate {
  Rate listed;                   ///< TOPS; 1 multiply-add = 2 operations
  double macs_per_clock_sm = 0;  ///< listed / (2 · the sheet's SMs · tensor clock)
};

/// A GPU's sheet (configs/gpus/*.yaml): what the model and the rooflines are computed from. For an attached GPU put the
/// driver's Device in place of the sheet's: rates are per SM or per chip and clock, so its SM count counts.
struct Gpu {
  std::string id;  ///< "h200"; the target is then "sim:h200"
  Device device;
  std::map<std::string, Rate> device_rates;  ///< the same numbers as the sheet has them, with their sources, by key

  Rate clock_ghz;                               ///< SM clock, for everything counted in clocks but the tensor cores
  Rate tensor_clock_ghz;                        ///< the clock behind the listed tensor rates
  Rate dram_bandwidth;                          ///< GB/s, listed
  std::optional<Rate> measured_dram_bandwidth;  ///< GB/s, read + write of a copy, where somebody measured it
  Rate l2_bandwidth;                            ///< B/clk, whole chip
  Rate shared_bandwidth;                        ///< B/clk/SM
  std::map<std::string, TensorRate> tensor;     ///< by arithmetic: int8, int4, fp16, fp8; absent where there is none
  Rate mma_sync_fraction;                       ///< of the tensor rate that mma.sync attains (wgmma, tcgen05: all)

  /// Threads per clock per SM of each pipe, and warps issued per clock per SM.
  struct Pipes {
    Rate alu, fma, fma_heavy, fp16, lsu, xu;
    Rate issue;
  } pipes;

  /// SM clocks from issue to result on an idle GPU.
  struct Latencies {
    Rate dram, l2;  ///< a global load that misses L2, one that hits it
    Rate queue;     ///< what such a load waits besides when all SMs load as fast as they can
    Rate shared, mma, barrier;
    Rate issue;  ///< between two instructions of one warp that has its scheduler to itself, on average
  } latency;

  Rate same_line;  ///< clocks between two requests for one line of L2

  Rate launch_us;  ///< what a kernel costs beyond its CTAs' work when the driver launches one after the other
  Rate block_us;   ///< start and end of one CTA

  /// GB/s: the measured bandwidth where there is one and `measured` asks for it, else the listed one.
  double dram_gbps(bool measured = true) const;
  /// Operations per second of an arithmetic on all SMs; 0 where the GPU has none.
  double tensor_ops(std::string_view arithmetic) const;
  /// 32-bit FMA operations per second of the CUDA cores (1 FMA = 2 operations).
  double cuda_core_ops() const;
  /// Every rate with its dotted key ("pipes.alu"), for reports and for perturbing them. A changed tensor rate counts
  /// after settle().
  std::vector<std::pair<std::string, Rate*>> rates();
  /// Recomputes what follows from the rates (TensorRate::macs_per_clock_sm, for the sheet's own SM count).
  void settle();
};

/// Reads a sheet. Throws Fault::Input with file:line:column for an unknown or missing key, a wrong type or unit, a
/// number out of range, or a rate without a source.
Gpu load_gpu(const std::filesystem::path& path);
/// The same from text; `name` stands for the file in messages.
Gpu parse_gpu(std::string_view yaml, const std::string& name);

/// All sheets (*.yaml) of a folder, by id. Throws as load_gpu, and when an id is not its file's name.
std::map<std::string, Gpu> load_gpus(const std::filesystem::path& folder);
/// The sheets compiled into the program, by id.
std::map<std::string, Gpu> embedded_gpus();
/// The sheet of a product ("NVIDIA H200" → h200) of an architecture ("sm_90a"): its id is a whole word of the name, or
/// two ("RTX 4090"). Of one name's variants (a100-40, a100-80) the one with the memory that the name says ("80GB"), or
/// else the driver (`memory_bytes`, 0: not known). Nothing when none fits, or more than one.
std::optional<Gpu> sheet_of(std::string_view product, std::string_view architecture, int64_t memory_bytes = 0);

}  // namespace qoq::roofline
