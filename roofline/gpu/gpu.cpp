#include "roofline/gpu/gpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "kernels/base/embedded.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "roofline/gpu/sheet.h"

namespace qoq::embedded {
extern const std::span<const File> gpu_sheets;
}

namespace qoq::roofline {
namespace {

/// A rate every sheet has: its key, its unit, what it may be, and where it goes.
struct Field {
  std::string key;
  std::string unit;
  double low, high;
  Rate& (*at)(Gpu&);
};

const std::vector<Field>& fields() {
  static const std::string lanes = "threads/clk/SM", clk = "clk";
  static const std::vector<Field> all = {
      {"clock", "GHz", 0.1, 5, [](Gpu& g) -> Rate& { return g.clock_ghz; }},
      {"tensor_clock", "GHz", 0.1, 5, [](Gpu& g) -> Rate& { return g.tensor_clock_ghz; }},
      {"dram_bandwidth", "GB/s", 10, 1e5, [](Gpu& g) -> Rate& { return g.dram_bandwidth; }},
      {"l2_bandwidth", "B/clk", 64, 1e5, [](Gpu& g) -> Rate& { return g.l2_bandwidth; }},
      {"shared_bandwidth", "B/clk/SM", 16, 1024, [](Gpu& g) -> Rate& { return g.shared_bandwidth; }},
      {"mma_sync_fraction", "of peak", 0.01, 1, [](Gpu& g) -> Rate& { return g.mma_sync_fraction; }},
      {"pipes.alu", lanes, 1, 512, [](Gpu& g) -> Rate& { return g.pipes.alu; }},
      {"pipes.fma", lanes, 1, 512, [](Gpu& g) -> Rate& { return g.pipes.fma; }},
      {"pipes.fma_heavy", lanes, 1, 512, [](Gpu& g) -> Rate& { return g.pipes.fma_heavy; }},
      {"pipes.fp16", lanes, 1, 512, [](Gpu& g) -> Rate& { return g.pipes.fp16; }},
      {"pipes.lsu", lanes, 1, 512, [](Gpu& g) -> Rate& { return g.pipes.lsu; }},
      {"pipes.xu", lanes, 1, 512, [](Gpu& g) -> Rate& { return g.pipes.xu; }},
      {"pipes.issue", "warps/clk/SM", 1, 16, [](Gpu& g) -> Rate& { return g.pipes.issue; }},
      {"latency.dram", clk, 1, 1e4, [](Gpu& g) -> Rate& { return g.latency.dram; }},
      {"latency.l2", clk, 1, 1e4, [](Gpu& g) -> Rate& { return g.latency.l2; }},
      {"latency.queue", clk, 0, 1e4, [](Gpu& g) -> Rate& { return g.latency.queue; }},
      {"latency.shared", clk, 1, 1e3, [](Gpu& g) -> Rate& { return g.latency.shared; }},
      {"latency.mma", clk, 1, 1e3, [](Gpu& g) -> Rate& { return g.latency.mma; }},
      {"latency.barrier", clk, 1, 1e3, [](Gpu& g) -> Rate& { return g.latency.barrier; }},
      {"latency.issue", clk, 1, 100, [](Gpu& g) -> Rate& { return g.latency.issue; }},
      {"same_line", "clk/request", 0, 100, [](Gpu& g) -> Rate& { return g.same_line; }},
      {"launch", "us", 0, 100, [](Gpu& g) -> Rate& { return g.launch_us; }},
      {"block", "us", 0, 100, [](Gpu& g) -> Rate& { return g.block_us; }},
  };
  return all;
}

/// A whole number of the Device: in the sheet in `unit`, in Device in units of `scale`.
struct DeviceField {
  std::string key, unit;
  double low, high;
  double scale;
  void (*set)(Device&, double);
};

const std::vector<DeviceField>& device_fields() {
  constexpr double kib = 1024, mib = 1024 * 1024;
  static const std::vector<DeviceField> all = {
      {"compute_capability", "major·10+minor", 80, 129, 1,
       [](Device& d, double v) { d.compute_capability = static_cast<int>(v); }},
      {"sm_count", "SM", 1, 1024, 1, [](Device& d, double v) { d.sm_count = static_cast<int>(v); }},
      {"shared_per_block", "KiB", 16, 1024, kib,
       [](Device& d, double v) { d.shared_per_block_bytes = static_cast<int64_t>(v); }},
      {"shared_per_sm", "KiB", 16, 1024, kib,
       [](Device& d, double v) { d.shared_per_sm_bytes = static_cast<int64_t>(v); }},
      {"shared_reserved", "KiB", 0, 16, kib,
       [](Device& d, double v) { d.shared_reserved_bytes = static_cast<int64_t>(v); }},
      {"registers_per_sm", "registers", 32768, 1048576, 1,
       [](Device& d, double v) { d.registers_per_sm = static_cast<int>(v); }},
      {"threads_per_sm", "threads", 1024, 4096, 1, [](Device& d, double v) { d.threads_per_sm = static_cast<int>(v); }},
      {"blocks_per_sm", "CTAs", 1, 64, 1, [](Device& d, double v) { d.blocks_per_sm = static_cast<int>(v); }},
      {"l2", "MiB", 0.5, 1024, mib, [](Device& d, double v) { d.l2_bytes = static_cast<int64_t>(v); }},
  };
  return all;
}

const std::vector<std::string> kArithmetics = {"int8", "int4", "fp16", "fp8"};

/// The part of a dotted key before the dot; empty for a key at the top.
std::string group(const std::string& key) {
  const size_t dot = key.find('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

void check_keys(const Sheet& sheet) {
  std::vector<std::string> top = {"id", "name", "device", "tensor", "measured_dram_bandwidth"}, device;
  std::map<std::string, std::vector<std::string>> groups;
  for (const Field& field : fields()) {
    const std::string within = group(field.key);
    if (within.empty()) {
      top.push_back(field.key);
      continue;
    }
    if (groups[within].empty()) top.push_back(within);
    groups[within].push_back(field.key.substr(within.size() + 1));
  }
  for (const DeviceField& field : device_fields()) device.push_back(field.key);
  sheet.allow_only(top);
  sheet.child("device").allow_only(device);
  sheet.child("tensor").allow_only(kArithmetics);
  for (const auto& [name, keys] : groups) sheet.child(name).allow_only(keys);
}

void read_device(const Sheet& sheet, Gpu& gpu) {
  for (const DeviceField& field : device_fields()) {
    const Rate rate = sheet.rate(field.key, field.unit, field.low, field.high);
    const double value = rate.value * field.scale;
    if (value != std::floor(value)) sheet.complain(field.key, "must be a whole number");
    field.set(gpu.device, value);
    gpu.device_rates[field.key] = rate;
  }
  if (gpu.device.shared_per_block_bytes + gpu.device.shared_reserved_bytes > gpu.device.shared_per_sm_bytes)
    sheet.complain("shared_per_block", "and what is reserved beside it are more than shared_per_sm");
}

}  // namespace

double Gpu::dram_gbps(bool measured) const {
  return measured && measured_dram_bandwidth ? measured_dram_bandwidth->value : dram_bandwidth.value;
}

double Gpu::tensor_ops(std::string_view arithmetic) const {
  const auto found = tensor.find(std::string(arithmetic));
  if (found == tensor.end()) return 0;
  return 2 * found->second.macs_per_clock_sm * device.sm_count * tensor_clock_ghz.value * 1e9;
}

double Gpu::cuda_core_ops() const { return 2 * pipes.fma.value * device.sm_count * clock_ghz.value * 1e9; }

std::vector<std::pair<std::string, Rate*>> Gpu::rates() {
  std::vector<std::pair<std::string, Rate*>> all;
  for (const Field& field : fields()) all.emplace_back(field.key, &field.at(*this));
  if (measured_dram_bandwidth) all.emplace_back("measured_dram_bandwidth", &*measured_dram_bandwidth);
  for (auto& [arithmetic, rate] : tensor) all.emplace_back("tensor." + arithmetic, &rate.listed);
  return all;
}

void Gpu::settle() {
  const double clocks = device_rates.at("sm_count").value * tensor_clock_ghz.value * 1e9;
  for (auto& [arithmetic, rate] : tensor) rate.macs_per_clock_sm = rate.listed.value * 1e12 / (2 * clocks);
}

Gpu parse_gpu(std::string_view yaml, const std::string& name) {
  const Sheet sheet = Sheet::parse(yaml, name);
  check_keys(sheet);
  Gpu gpu;
  gpu.id = sheet.text("id");
  gpu.device.name = sheet.text("name");
  read_device(sheet.child("device"), gpu);
  for (const Field& field : fields()) {
    const std::string within = group(field.key);
    const Sheet at = within.empty() ? sheet : sheet.child(within);
    field.at(gpu) =
        at.rate(within.empty() ? field.key : field.key.substr(within.size() + 1), field.unit, field.low, field.high);
  }
  if (sheet.has("measured_dram_bandwidth"))
    gpu.measured_dram_bandwidth = sheet.rate("measured_dram_bandwidth", "GB/s", 10, 1e5);
  const Sheet tensor = sheet.child("tensor");
  for (const std::string& arithmetic : tensor.keys())
    gpu.tensor[arithmetic].listed = tensor.rate(arithmetic, "TOPS", 1, 1e6);
  if (gpu.tensor.empty()) sheet.complain("tensor", "needs at least one rate");
  gpu.settle();
  return gpu;
}

Gpu load_gpu(const std::filesystem::path& path) { return parse_gpu(read_file(path), path.string()); }

namespace {

void insert(std::map<std::string, Gpu>& gpus, Gpu gpu, const std::filesystem::path& path) {
  if (gpu.id != path.stem().string())
    bad_input("{}: its id is '{}'; it must be the file's name, '{}'", path.string(), gpu.id, path.stem().string());
  gpus.emplace(gpu.id, std::move(gpu));
}

}  // namespace

std::map<std::string, Gpu> load_gpus(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) bad_input("{}: no such folder of GPU sheets", folder.string());
  std::map<std::string, Gpu> gpus;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") insert(gpus, load_gpu(entry.path()), entry.path());
  return gpus;
}

std::map<std::string, Gpu> embedded_gpus() {
  std::map<std::string, Gpu> gpus;
  for (const embedded::File& file : embedded::gpu_sheets)
    insert(gpus, parse_gpu(file.text, std::string(file.path)), file.path);
  return gpus;
}

}  // namespace qoq::roofline
