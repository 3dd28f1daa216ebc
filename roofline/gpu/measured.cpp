#include "roofline/gpu/measured.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qoq::roofline {
namespace {

constexpr std::string_view kMmaSync = "mma_sync.", kTensor = "tensor.", kDram = "measured_dram_bandwidth",
                           kLaunch = "launch";

/// A listed tensor rate is of the sheet's SMs; this GPU may have others.
double sms_of_sheet(const Gpu& gpu) { return gpu.device_rates.at("sm_count").value / gpu.device.sm_count; }

Rate rate_of(const Measured& measured, std::string unit) {
  return {measured.value, std::move(unit), Ground::Measured,
          fmt::format("by this program's ceilings on this GPU{}{}", measured.when.empty() ? "" : ", ", measured.when)};
}

bool is_credible(const Gpu& sheet, const Measured& measured) {
  const auto listed = sheet_value(sheet, measured.name);
  return listed && std::isfinite(measured.value) && measured.value > 0 &&
         share_of_sheet(measured.name, measured.value, *listed) >= least_share;
}

/// mma_sync_fraction is of the tensor rate in effect: when that has been replaced by what wgmma reaches, mma.sync keeps
/// the speed that was measured, or the sheet's.
void settle_mma_sync(Gpu& gpu, const Gpu& sheet, std::span<const Measured> measured) {
  const auto listed = sheet_value(sheet, "mma_sync.int8");
  if (!listed) return;
  double tops = *listed;
  for (const Measured& each : measured) {
    if (each.name != "mma_sync.int8" || !is_credible(sheet, each)) continue;
    tops = each.value;
    gpu.mma_sync_fraction = rate_of(each, gpu.mma_sync_fraction.unit);
  }
  gpu.mma_sync_fraction.value = std::min(1.0, tops * 1e12 / gpu.tensor_ops("int8"));
}

}  // namespace

std::optional<double> sheet_value(const Gpu& sheet, std::string_view name) {
  if (name == kDram) return sheet.dram_bandwidth.value;
  if (name.starts_with(kMmaSync)) {
    const auto found = sheet.tensor.find(std::string(name.substr(kMmaSync.size())));
    if (found == sheet.tensor.end()) return std::nullopt;
    return sheet.tensor_ops(found->first) * 1e-12 * sheet.mma_sync_fraction.value;
  }
  if (name.starts_with(kTensor)) {
    const double ops = sheet.tensor_ops(name.substr(kTensor.size()));
    return ops > 0 ? std::optional(ops * 1e-12) : std::nullopt;
  }
  Gpu gpu = sheet;
  for (const auto& [key, rate] : gpu.rates()) {
    if (key == name) return rate->value;
  }
  return std::nullopt;
}

double share_of_sheet(std::string_view name, double measured, double sheet) {
  return name == kLaunch ? sheet / measured : measured / sheet;
}

Gpu with_measured(Gpu sheet, std::span<const Measured> measured) {
  Gpu gpu = sheet;
  for (const Measured& each : measured) {
    // An empty kernel of a graph says nothing of launches that the driver makes one by one, which the model predicts.
    if (each.name == kLaunch || !is_credible(sheet, each)) continue;
    if (each.name == kDram) gpu.measured_dram_bandwidth = rate_of(each, gpu.dram_bandwidth.unit);
    for (auto& [key, rate] : gpu.rates()) {
      if (key != each.name) continue;
      *rate = rate_of(each, rate->unit);
      if (key.starts_with(kTensor)) rate->value *= sms_of_sheet(gpu);
    }
  }
  gpu.settle();
  settle_mma_sync(gpu, sheet, measured);
  return gpu;
}

}  // namespace qoq::roofline
