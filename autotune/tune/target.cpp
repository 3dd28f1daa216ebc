#include "autotune/tune/target.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "autotune/counters/cupti.h"
#include "autotune/measure/recorded_device.h"
#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "roofline/model/model.h"

namespace qoq::tune {

namespace {

/// The predictor's version: raise it when roofline/model changes what it says.
constexpr int predictor_version = 3;

Target simulated_target(const std::string& name) {
  const auto sheets = roofline::embedded_gpus();
  const auto found = sheets.find(name.substr(4));
  if (found == sheets.end()) {
    std::string known;
    for (const auto& [id, gpu] : sheets) known += (known.empty() ? "sim:" : ", sim:") + id;
    bad_input("no GPU sheet is called \"{}\"; there are: {}", name, known);
  }
  return {name, found->second.device, found->second, std::nullopt};
}

Target attached_target(const std::string& name, const runtime::AttachedGpus& attached) {
  int index = -1;
  const char* end = name.data() + name.size();
  if (std::from_chars(name.data() + 5, end, index).ptr != end || index < 0)
    bad_input("\"{}\" is no target; write cuda:0 or sim:h200", name);
  for (const auto& gpu : attached.gpus) {
    if (gpu.index == index)
      return {name, gpu.device, roofline::sheet_of(gpu.device.name, gpu.device.architecture(), gpu.memory_bytes), gpu,
              counters::Cupti::get().version_text()};
  }
  bad_input("{} is not here: {}", name,
            attached.gpus.empty() ? attached.reason : fmt::format("{} GPUs are attached", attached.gpus.size()));
}

Target recorded_target(const std::string& name) {
  const runtime::AttachedGpu gpu = measure::RecordedDevice::load(name.substr(name.find(':') + 1)).gpu;
  return {name, gpu.device, roofline::sheet_of(gpu.device.name, gpu.device.architecture(), gpu.memory_bytes), gpu};
}

}  // namespace

std::string kernel_digest(const compile::Headers& headers) {
  std::string texts;
  for (const auto& [path, text] : headers) texts += path + text;
  return digest(texts).substr(0, 12);
}

std::vector<Target> resolve_targets(const std::vector<std::string>& names) {
  std::vector<Target> targets;
  const bool automatic = names.empty() || (names.size() == 1 && names[0] == "auto");
  const bool wants_attached =
      automatic || std::any_of(names.begin(), names.end(), [](const auto& n) { return n.starts_with("cuda:"); });
  const runtime::AttachedGpus attached = wants_attached ? runtime::list_attached_gpus() : runtime::AttachedGpus{};
  if (automatic) {
    if (attached.gpus.empty())
      bad_input("no GPU to tune on ({}); name a simulated one, such as --gpu sim:h200", attached.reason);
    for (const auto& gpu : attached.gpus)
      targets.push_back(attached_target(fmt::format("cuda:{}", gpu.index), attached));
    return targets;
  }
  for (const std::string& name : names) {
    if (name.starts_with("sim:"))
      targets.push_back(simulated_target(name));
    else if (name.starts_with("cuda:"))
      targets.push_back(attached_target(name, attached));
    else if (name.starts_with("recorded:"))
      targets.push_back(recorded_target(name));
    else
      bad_input("\"{}\" is no target; write {}cuda:0 or sim:h200", name, names.size() == 1 ? "auto, " : "");
  }
  return targets;
}

store::Environment environment_of(const Target& target, const std::string& compiler, const compile::Headers& headers,
                                  measure::Modes modes) {
  if (target.simulated()) modes = {};
  store::Environment e;
  e.target = target.name;
  e.product = target.device.name;
  e.architecture = target.device.architecture();
  e.sm_count = target.device.sm_count;
  e.compiler = compiler;
  e.kernels = kernel_digest(headers);
  e.cache_mode = measure::to_text(modes.cache);
  e.launch_mode = measure::to_text(modes.launch);
  if (target.attached) {
    e.uuid = target.attached->uuid;
    // Without NVML only the CUDA version that the driver knows is to be had.
    e.driver =
        target.attached->driver.empty() ? std::to_string(target.attached->driver_version) : target.attached->driver;
    e.power_cap_w = target.attached->power_cap_w;
    e.mig = target.attached->mig;
    e.cupti = target.cupti;
  } else {
    std::string sheet;
    roofline::Gpu gpu = *target.sheet;
    for (const auto& [key, rate] : gpu.rates()) sheet += fmt::format("{}={};", key, rate->value);
    for (const auto& [key, rate] : gpu.device_rates) sheet += fmt::format("{}={};", key, rate.value);
    e.predictor = fmt::format("model {} sheet {}", predictor_version, digest(sheet).substr(0, 12));
  }
  return e;
}

store::GpuRow gpu_row(const Target& target) {
  nlohmann::json list = nlohmann::json::array();
  if (target.sheet) {
    for (const roofline::Ceiling& ceiling : roofline::ceilings(*target.sheet)) {
      const char* kinds[] = {"memory", "tensor", "cuda_core"};
      list.push_back({{"name", ceiling.name},
                      {"kind", kinds[static_cast<int>(ceiling.kind)]},
                      {"value", ceiling.value},
                      {"source", ceiling.source}});
    }
  }
  return {target.device.name, nlohmann::json{{"ceilings", list}}.dump()};
}

}  // namespace qoq::tune
