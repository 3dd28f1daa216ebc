#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "kernels/runtime/cuda_device.h"
#include "roofline/gpu/gpu.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) { declare_format(options); }

int run(const Options& options) {
  const runtime::AttachedGpus attached = runtime::list_attached_gpus();
  const auto sheets = roofline::embedded_gpus();
  if (wants_json(options)) {
    nlohmann::ordered_json out{{"attached", nlohmann::json::array()}, {"simulated", nlohmann::json::array()}};
    if (!attached.reason.empty()) out["attached_reason"] = attached.reason;
    for (const auto& gpu : attached.gpus) {
      out["attached"].push_back({{"target", fmt::format("cuda:{}", gpu.index)},
                                 {"product", gpu.device.name},
                                 {"uuid", gpu.uuid},
                                 {"architecture", gpu.device.architecture()},
                                 {"sm_count", gpu.device.sm_count},
                                 {"driver", gpu.driver_version}});
    }
    for (const auto& [id, gpu] : sheets) {
      out["simulated"].push_back({{"target", "sim:" + id},
                                  {"product", gpu.device.name},
                                  {"architecture", gpu.device.architecture()},
                                  {"sm_count", gpu.device.sm_count},
                                  {"dram_gb_per_s", gpu.dram_gbps(false)},
                                  {"int8_tops", gpu.tensor_ops("int8") * 1e-12}});
    }
    fmt::print("{}\n", out.dump(2));
    return 0;
  }
  fmt::print("attached\n");
  if (attached.gpus.empty()) fmt::print("  none: {}\n", attached.reason);
  for (const auto& gpu : attached.gpus) {
    fmt::print("  cuda:{:<11} {:<22} {:<8} {:>4} SMs  {}\n", gpu.index, gpu.device.name, gpu.device.architecture(),
               gpu.device.sm_count, gpu.uuid);
  }
  fmt::print("simulated from their sheets{:>23} SMs   DRAM GB/s   int8 TOPS (listed)\n", "");
  for (const auto& [id, gpu] : sheets) {
    fmt::print("  {:<16} {:<22} {:<8} {:>4} {:>11.0f} {:>11.0f}\n", "sim:" + id, gpu.device.name,
               gpu.device.architecture(), gpu.device.sm_count, gpu.dram_gbps(false), gpu.tensor_ops("int8") * 1e-12);
  }
  return 0;
}

}  // namespace

const Command gpus_command{"gpus", "lists attached GPUs and those that can be simulated", "", declare, run};

}  // namespace qoq::cli
