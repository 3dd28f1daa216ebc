#include "autotune/measure/recorded_device.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/base/digest.h"

namespace qoq::measure {

RecordedPattern::RecordedPattern(std::string text)
    : text_(std::move(text)), expression_(text_, std::regex::ECMAScript | std::regex::optimize) {}

bool RecordedPattern::matches(const std::string& text) const {
  return text_.empty() || text == text_ || std::regex_match(text, expression_);
}

double RecordedDevice::true_us(const std::string& variant, const std::string& problem, const Work& work,
                               Modes modes) const {
  double factor = 1;
  if (modes.cache == Cache::Cold) factor *= cold_factor;
  if (modes.cache == Cache::Hot) factor *= hot_factor;
  if (modes.launch == LaunchMode::Graph) factor *= graph_factor;
  for (const RecordedTime& time : times) {
    if (time.variant.matches(variant) && time.problem.matches(problem)) return time.us * factor;
  }
  const double memory_us = (work.read_bytes + work.write_bytes) / (dram_gb_s * 1e3);
  const double tensor_us = work.ops / (tensor_tops * 1e6);
  const std::string digits = digest(variant + "\n" + problem).substr(0, 12);
  const double drawn = static_cast<double>(std::strtoull(digits.c_str(), nullptr, 16)) / 0x1p48;
  return std::max({memory_us, tensor_us, 1.0}) * (1.1 + 1.9 * drawn) * factor;
}

const RecordedTrouble& RecordedDevice::trouble(const std::string& variant, const std::string& problem,
                                               RecordedPhase phase) const {
  static const RecordedTrouble none;
  for (const RecordedTrouble& trouble : faults) {
    const bool now = trouble.during.empty() || std::ranges::find(trouble.during, phase) != trouble.during.end();
    if (now && trouble.variant.matches(variant) && trouble.problem.matches(problem)) return trouble;
  }
  return none;
}

RecordedDevice RecordedDevice::h200() {
  RecordedDevice device;
  device.gpu.uuid = "GPU-00000000-0000-0000-0000-000000000200";
  device.gpu.driver_version = 13000;
  device.gpu.memory_bytes = 150'754'820'096;
  device.gpu.device = {.name = "NVIDIA H200",
                       .compute_capability = 90,
                       .sm_count = 132,
                       .shared_per_block_bytes = 232448,
                       .shared_per_sm_bytes = 233472,
                       .threads_per_sm = 2048,
                       .blocks_per_sm = 32,
                       .l2_bytes = 62'914'560};
  device.gpu.driver = "580.159.04";
  device.gpu.power_cap_w = 700;
  return device;
}

}  // namespace qoq::measure
