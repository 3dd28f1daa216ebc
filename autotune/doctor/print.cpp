#include "autotune/doctor/print.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace qoq::doctor {

namespace {

using nlohmann::ordered_json;

std::string line(std::string_view name, std::string_view text) { return fmt::format("  {:<14} {}\n", name, text); }

std::string cuda_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

std::string describe(const DriverFinding& driver) {
  if (!driver.reason.empty()) {
    return driver.version.empty() ? driver.reason : fmt::format("{}; {}", driver.version, driver.reason);
  }
  return fmt::format("{}, CUDA {}", driver.version.empty() ? "version not known" : driver.version,
                     cuda_text(driver.cuda_version));
}

std::string describe(const Piece& piece) {
  if (!piece.usable()) return piece.reason;
  const std::string version = piece.version.empty() ? "version not known" : piece.version;
  return piece.path.empty() ? version : fmt::format("{}  {}", version, piece.path);
}

std::string_view describe(CounterAccess access) {
  switch (access) {
    case CounterAccess::Everybody:
      return "everybody";
    case CounterAccess::Administrators:
      return "administrators";
    case CounterAccess::NotKnown:
      return "not known";
  }
  return "";
}

std::string counter_text(const Findings& f) {
  return fmt::format("may be read by: {}{}", describe(f.counter_access),
                     f.administrator ? "; this process is one (CAP_SYS_ADMIN)" : "; this process is none");
}

template <class Value>
std::string or_unknown(const std::optional<Value>& value, std::string_view unit) {
  return value ? fmt::format("{:g} {}", static_cast<double>(*value), unit) : "not known";
}

std::string mig_text(const std::optional<runtime::Mig>& mig) {
  if (!mig) return "not there";
  if (!mig->enabled) return "off";
  return mig->profile.empty() ? "on" : "on, " + mig->profile;
}

std::string clock_text(const GpuFinding& gpu) {
  return fmt::format("SM {} of {}, memory {}; set by: {}", or_unknown(gpu.sm_clock_mhz, "MHz"),
                     or_unknown(gpu.max_sm_clock_mhz, "MHz"), or_unknown(gpu.memory_clock_mhz, "MHz"),
                     gpu.clock_reasons ? runtime::reasons_text(*gpu.clock_reasons) : "not known");
}

std::string others_text(const GpuFinding& gpu) {
  if (!gpu.others) return "not known";
  std::string text;
  for (const runtime::GpuProcess& process : *gpu.others) {
    text += fmt::format("{}process {}", text.empty() ? "" : ", ", process.pid);
    if (process.memory_mib) text += fmt::format(" ({:.0f} MiB)", *process.memory_mib);
  }
  return text.empty() ? "none" : text;
}

std::string switch_text(const std::optional<bool>& on) { return !on ? "not known" : *on ? "on" : "off"; }

std::string gpu_text(const Findings& f) {
  const GpuFinding& gpu = *f.gpu;
  std::string out = fmt::format("{}\n", f.target);
  out += line("product", fmt::format("{}, {}, {}", gpu.product, gpu.architecture, gpu.uuid));
  if (!gpu.nvml_reason.empty()) return out + line("", gpu.nvml_reason);
  if (gpu.memory) {
    out +=
        line("memory", fmt::format("{:.1f} of {:.1f} GiB free", static_cast<double>(gpu.memory->free_bytes) / (1 << 30),
                                   static_cast<double>(gpu.memory->total_bytes) / (1 << 30)));
  }
  out += line("clocks", clock_text(gpu));
  out += line("power cap", or_unknown(gpu.power_cap_w, "W"));
  out += line("temperature", or_unknown(gpu.temperature_c, "°C"));
  out += line("MIG", mig_text(gpu.mig));
  out += line("ECC", switch_text(gpu.ecc));
  out += line("persistence", switch_text(gpu.persistence));
  out += line("others on it", others_text(gpu));
  return out;
}

ordered_json json_of(const Piece& piece) {
  return {{"usable", piece.usable()}, {"version", piece.version}, {"path", piece.path}, {"reason", piece.reason}};
}

template <class Value>
ordered_json json_of(const std::optional<Value>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json json_of(const GpuFinding& gpu) {
  ordered_json out{{"product", gpu.product},
                   {"uuid", gpu.uuid},
                   {"architecture", gpu.architecture},
                   {"nvml_reason", gpu.nvml_reason},
                   {"power_cap_w", json_of(gpu.power_cap_w)},
                   {"sm_clock_mhz", json_of(gpu.sm_clock_mhz)},
                   {"max_sm_clock_mhz", json_of(gpu.max_sm_clock_mhz)},
                   {"memory_clock_mhz", json_of(gpu.memory_clock_mhz)},
                   {"temperature_c", json_of(gpu.temperature_c)},
                   {"ecc", json_of(gpu.ecc)},
                   {"persistence", json_of(gpu.persistence)}};
  out["free_bytes"] = gpu.memory ? ordered_json(gpu.memory->free_bytes) : ordered_json(nullptr);
  out["total_bytes"] = gpu.memory ? ordered_json(gpu.memory->total_bytes) : ordered_json(nullptr);
  out["clock_reasons"] =
      gpu.clock_reasons ? ordered_json(runtime::reasons_text(*gpu.clock_reasons)) : ordered_json(nullptr);
  out["mig"] = gpu.mig ? ordered_json{{"enabled", gpu.mig->enabled}, {"profile", gpu.mig->profile}} : ordered_json();
  out["other_processes"] = nullptr;
  if (gpu.others) {
    out["other_processes"] = ordered_json::array();
    for (const auto& process : *gpu.others)
      out["other_processes"].push_back({{"pid", process.pid}, {"memory_mib", json_of(process.memory_mib)}});
  }
  return out;
}

}  // namespace

std::string to_text(const Findings& f, const std::vector<Ability>& abilities) {
  std::string out = "machine\n";
  out += line("driver", describe(f.driver));
  out += line("NVML", describe(f.nvml));
  out += line("NVRTC", describe(f.nvrtc));
  out += line("CUPTI", describe(f.cupti));
  out += line("cuBLASLt", describe(f.cublaslt));
  out += line("host compiler", describe(f.host_compiler));
  out += line("counters", counter_text(f));
  out += line("cache", f.cache_reason.empty() ? f.cache_folder : f.cache_reason);
  if (f.gpu) out += gpu_text(f);
  out += "what works here\n";
  const std::vector<Obstacle>* said = nullptr;  // a missing driver stands in many ways: once is enough
  for (const Ability& ability : abilities) {
    const bool again = !ability.obstacles.empty() && said != nullptr && *said == ability.obstacles;
    out += fmt::format("  {:<8} {}{}\n", to_text(ability.verdict), ability.name, again ? " (as above)" : "");
    if (again) continue;
    said = &ability.obstacles;
    for (const Obstacle& obstacle : ability.obstacles)
      out += fmt::format("           why: {}\n           fix: {}\n", obstacle.why, obstacle.fix);
  }
  return out;
}

std::string to_json(const Findings& f, const std::vector<Ability>& abilities) {
  ordered_json machine{{"driver",
                        {{"usable", f.driver.reason.empty()},
                         {"version", f.driver.version},
                         {"cuda_version", f.driver.cuda_version},
                         {"module_loaded", f.driver.module_loaded},
                         {"closed_nodes", f.driver.closed_nodes},
                         {"gpus", f.gpu_count},
                         {"reason", f.driver.reason}}}};
  machine["nvml"] = json_of(f.nvml);
  machine["nvrtc"] = json_of(f.nvrtc);
  machine["cupti"] = json_of(f.cupti);
  machine["cublaslt"] = json_of(f.cublaslt);
  machine["host_compiler"] = json_of(f.host_compiler);
  machine["counters"] = {{"access", describe(f.counter_access)}, {"administrator", f.administrator}};
  machine["cache"] = {{"folder", f.cache_folder}, {"reason", f.cache_reason}};
  ordered_json list = ordered_json::array();
  for (const Ability& ability : abilities) {
    ordered_json obstacles = ordered_json::array();
    for (const Obstacle& obstacle : ability.obstacles)
      obstacles.push_back({{"why", obstacle.why}, {"fix", obstacle.fix}});
    list.push_back({{"name", ability.name}, {"verdict", to_text(ability.verdict)}, {"obstacles", obstacles}});
  }
  return ordered_json{{"target", f.target},
                      {"machine", machine},
                      {"gpu", f.gpu ? json_of(*f.gpu) : ordered_json(nullptr)},
                      {"abilities", list}}
      .dump(2);
}

}  // namespace qoq::doctor
