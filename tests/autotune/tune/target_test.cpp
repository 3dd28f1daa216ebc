#include "autotune/tune/target.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/autotune/store/synthetic.h"

namespace qoq::tune {
namespace {

using store::testing::fault_of;

std::string fault_for(const std::vector<std::string>& names) {
  return fault_of([&] { resolve_targets(names); });
}

TEST(Targets, ASimulatedOneIsItsSheet) {
  const auto targets = resolve_targets({"sim:h200", "sim:a100-80"});
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].name, "sim:h200");
  EXPECT_TRUE(targets[0].simulated());
  EXPECT_EQ(targets[0].device.compute_capability, 90);
  EXPECT_EQ(targets[1].device.architecture(), "sm_80");
  EXPECT_TRUE(targets[1].sheet.has_value());
}

TEST(Targets, AnUnknownSheetIsRefusedWithTheKnownOnes) {
  for (const std::string name : {"sim:h300", "sim:", "sim:H200"}) {
    const std::string fault = fault_for({name});
    EXPECT_TRUE(fault.starts_with("Input: no GPU sheet is called \"" + name + "\"")) << fault;
    EXPECT_NE(fault.find("sim:a100-80"), std::string::npos) << fault;
    EXPECT_NE(fault.find("sim:h200"), std::string::npos) << fault;
  }
}

TEST(Targets, NonsenseIsRefusedWithWhatCanBeWritten) {
  for (const std::string name :
       {"h200", "cuda", "", "cuda:", "cuda:x", "cuda:0x", "cuda:-1", "cuda:0 ", "cuda:99999999999"}) {
    const std::string fault = fault_for({"sim:h200", name});
    EXPECT_TRUE(fault.starts_with("Input: \"" + name + "\" is no target")) << fault;
    EXPECT_NE(fault.find("sim:h200"), std::string::npos) << fault;
  }
  EXPECT_EQ(fault_for({"auto", "sim:h200"}), "Input: \"auto\" is no target; write cuda:0 or sim:h200")
      << "auto stands alone";
}

TEST(Targets, AnAbsentGpuIsRefusedWithTheReason) {
  const std::string fault = fault_for({"cuda:77"});
  EXPECT_TRUE(fault.starts_with("Input: cuda:77 is not here: ")) << fault;
  EXPECT_GT(fault.size(), std::string("Input: cuda:77 is not here: ").size());
}

TEST(Targets, AutoIsWhatIsAttached) {
  const auto attached = runtime::list_attached_gpus();
  for (const std::vector<std::string>& names : {std::vector<std::string>{}, {"auto"}}) {
    if (attached.gpus.empty()) {
      const std::string fault = fault_for(names);
      EXPECT_TRUE(fault.starts_with("Input: no GPU to tune on (")) << fault;
      EXPECT_NE(fault.find("--gpu sim:"), std::string::npos) << fault;
    } else {
      const auto targets = resolve_targets(names);
      ASSERT_EQ(targets.size(), attached.gpus.size());
      EXPECT_EQ(targets[0].name, "cuda:0");
      EXPECT_FALSE(targets[0].simulated());
    }
  }
}

TEST(EnvironmentOf, SaysAllThatNumbersDependOn) {
  const Target target = resolve_targets({"sim:h200"}).front();
  const store::Environment e = environment_of(target, "nvrtc 13.0 sm_90a");
  EXPECT_EQ(e.target, "sim:h200");
  EXPECT_EQ(e.product, target.device.name);
  EXPECT_EQ(e.architecture, "sm_90a");
  EXPECT_EQ(e.sm_count, target.device.sm_count);
  EXPECT_EQ(e.compiler, "nvrtc 13.0 sm_90a");
  EXPECT_EQ(e.cache_mode, "weights-cold");
  EXPECT_EQ(e.launch_mode, "eager");
  EXPECT_FALSE(e.kernels.empty());
  EXPECT_FALSE(e.predictor.empty()) << "a simulated GPU's numbers come from the model";
  EXPECT_TRUE(e.uuid.empty());
  EXPECT_TRUE(e.driver.empty());
  EXPECT_EQ(environment_of(target, "nvrtc 13.0 sm_90a").key(), e.key()) << "the same twice";
}

TEST(EnvironmentOf, ChangesWithTheKernelsTheCompilerAndTheSheet) {
  const Target target = resolve_targets({"sim:h200"}).front();
  compile::Headers headers{{"kernels/a.cuh", "one"}, {"kernels/b.cuh", "two"}};
  const std::string key = environment_of(target, "c", headers).key();
  EXPECT_NE(environment_of(target, "d", headers).key(), key);

  compile::Headers changed = headers;
  changed["kernels/b.cuh"] = "three";
  EXPECT_NE(environment_of(target, "c", changed).kernels, environment_of(target, "c", headers).kernels);
  EXPECT_NE(environment_of(target, "c", changed).key(), key);

  Target other = target;
  other.sheet->dram_bandwidth.value += 1;
  EXPECT_NE(environment_of(other, "c", headers).key(), key) << "another bandwidth";
  other = target;
  other.sheet->device_rates.begin()->second.value += 1;
  EXPECT_NE(environment_of(other, "c", headers).key(), key) << "another L2, another shared memory …";
}

TEST(EnvironmentOf, AnAttachedGpuIsKnownByItsUuidAndDriver) {
  Target target = resolve_targets({"sim:h200"}).front();
  target.name = "cuda:0";
  target.attached = runtime::AttachedGpu{0, "GPU-1", target.device, 13000, 0};
  const store::Environment e = environment_of(target, "c");
  EXPECT_EQ(e.uuid, "GPU-1");
  EXPECT_EQ(e.driver, "13000") << "the CUDA version that the driver knows, for want of NVML";
  EXPECT_EQ(e.power_cap_w, 0);
  EXPECT_TRUE(e.mig.empty());
  EXPECT_TRUE(e.cupti.empty());
  EXPECT_TRUE(e.predictor.empty()) << "measured";
  EXPECT_EQ(e.cache_mode, "weights-cold");
  EXPECT_EQ(e.launch_mode, "eager");
}

TEST(EnvironmentOf, ChangesWithWhateverAnAttachedGpuIsMeasuredUnder) {
  Target target = resolve_targets({"sim:h200"}).front();
  target.name = "cuda:0";
  target.attached = runtime::AttachedGpu{0, "GPU-1", target.device, 13000, 0, "580.159.04", 700, "1g.18gb"};
  target.cupti = "13.0.1";
  const measure::Modes modes{measure::Cache::Hot, measure::LaunchMode::Graph};
  const store::Environment e = environment_of(target, "c", compile::device_headers(), modes);
  EXPECT_EQ(e.driver, "580.159.04");
  EXPECT_EQ(e.power_cap_w, 700);
  EXPECT_EQ(e.mig, "1g.18gb");
  EXPECT_EQ(e.cupti, "13.0.1");
  EXPECT_EQ(e.cache_mode, "hot");
  EXPECT_EQ(e.launch_mode, "graph");
  std::set<std::string> keys{e.key()};
  const std::vector<void (*)(Target&)> changes = {
      [](Target& t) { t.attached->driver = "580.65"; },
      [](Target& t) { t.attached->power_cap_w = 600; },
      [](Target& t) { t.attached->mig.clear(); },
      [](Target& t) { t.cupti = "13.1.0"; },
  };
  for (const auto change : changes) {
    Target other = target;
    change(other);
    EXPECT_TRUE(keys.insert(environment_of(other, "c", compile::device_headers(), modes).key()).second);
  }
  for (const measure::Modes other : {measure::Modes{}, {measure::Cache::Hot}, {measure::Cache::Cold}})
    EXPECT_TRUE(keys.insert(environment_of(target, "c", compile::device_headers(), other).key()).second);
}

TEST(EnvironmentOf, ASimulatedGpuHasNoModes) {
  const Target target = resolve_targets({"sim:h200"}).front();
  const measure::Modes modes{measure::Cache::Hot, measure::LaunchMode::Graph};
  EXPECT_EQ(environment_of(target, "c", compile::device_headers(), modes).key(), environment_of(target, "c").key())
      << "whatever the attached GPUs beside it are measured with";
}

TEST(Targets, ARecordStandsInForAnAttachedGpu) {
  store::testing::Folder folder;
  const std::string path = (folder / "gpu.json").string();
  std::ofstream(path) << R"({"recorded_gpu": 1, "gpu": {"name": "NVIDIA H200", "uuid": "GPU-7",
    "compute_capability": 90, "sm_count": 132, "shared_per_block_bytes": 232448, "shared_per_sm_bytes": 233472,
    "threads_per_sm": 2048, "blocks_per_sm": 32, "l2_bytes": 62914560, "memory_bytes": 150754820096,
    "driver": "580.159.04", "mig": "1g.18gb", "power_cap_w": 650}})";
  const Target target = resolve_targets({"recorded:" + path}).front();
  EXPECT_FALSE(target.simulated());
  EXPECT_TRUE(target.sheet.has_value());
  const store::Environment e = environment_of(target, "c");
  EXPECT_EQ(e.target, "recorded:" + path);
  EXPECT_EQ(e.uuid, "GPU-7");
  EXPECT_EQ(e.driver, "580.159.04");
  EXPECT_EQ(e.mig, "1g.18gb");
  EXPECT_EQ(e.power_cap_w, 650);
}

TEST(GpuRow, HoldsTheCeilingsWithTheirKinds) {
  const store::GpuRow row = gpu_row(resolve_targets({"sim:h200"}).front());
  const auto ceilings = nlohmann::json::parse(row.ceilings).at("ceilings");
  std::set<std::string> kinds;
  for (const auto& ceiling : ceilings) {
    kinds.insert(ceiling.at("kind").get<std::string>());
    EXPECT_GT(ceiling.at("value").get<double>(), 0);
    EXPECT_FALSE(ceiling.at("source").get<std::string>().empty());
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"memory", "tensor", "cuda_core"}));
}

}  // namespace
}  // namespace qoq::tune
