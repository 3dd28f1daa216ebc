#include "roofline/gpu/gpu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>

#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::roofline {
namespace {

const std::filesystem::path kSheets = std::filesystem::path(QOQ_SOURCE_DIR) / "configs/gpus";

std::string h200() { return read_file(kSheets / "h200.yaml"); }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) ADD_FAILURE() << "the sheet has no " << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string complaint(const std::string& yaml) {
  try {
    parse_gpu(yaml, "x.yaml");
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::Input);
    return e.what();
  }
  return "";
}

TEST(Gpu, EverySheetLoadsAndIsEmbedded) {
  const auto gpus = load_gpus(kSheets);
  auto embedded = embedded_gpus();
  for (const char* id : {"a100-80", "a100-40", "l40s", "rtx4090", "h100", "h200", "b200", "a10", "l4", "rtx5090"})
    EXPECT_TRUE(gpus.contains(id)) << id;
  ASSERT_EQ(gpus.size(), embedded.size());
  for (auto [id, gpu] : gpus) {
    ASSERT_TRUE(embedded.contains(id)) << id;
    auto other = embedded.at(id).rates();
    const auto rates = gpu.rates();
    ASSERT_EQ(rates.size(), other.size());
    for (size_t i = 0; i < rates.size(); ++i) EXPECT_EQ(rates[i].second->value, other[i].second->value) << id;
  }
}

TEST(Gpu, EveryNumberHasASource) {
  for (auto& [id, gpu] : load_gpus(kSheets)) {
    for (const auto& [key, rate] : gpu.rates()) EXPECT_FALSE(rate->source.empty()) << id << " " << key;
    EXPECT_EQ(gpu.device_rates.size(), 9u) << id;
    for (const auto& [key, rate] : gpu.device_rates) EXPECT_FALSE(rate.source.empty()) << id << " " << key;
  }
}

// Multiply-adds per clock and SM are powers of two, so the listed TOPS, SM counts and clocks must agree with one.
TEST(Gpu, ListedRatesClocksAndSmCountsAgree) {
  for (const auto& [id, gpu] : load_gpus(kSheets)) {
    for (const auto& [arithmetic, rate] : gpu.tensor) {
      const double exponent = std::log2(rate.macs_per_clock_sm);
      EXPECT_NEAR(exponent, std::round(exponent), 0.03) << id << " " << arithmetic << ": " << rate.macs_per_clock_sm;
    }
    EXPECT_NEAR(gpu.tensor_ops("int8"), gpu.tensor.at("int8").listed.value * 1e12, 1e6) << id;
    EXPECT_LE(gpu.tensor_clock_ghz.value, gpu.clock_ghz.value) << id;
    EXPECT_EQ(gpu.tensor.contains("int4"), gpu.device.compute_capability < 90)
        << id << ": mma.s4 is emulated from 9.0 on";
  }
}

TEST(Gpu, TheH200AsKnown) {
  const Gpu gpu = load_gpu(kSheets / "h200.yaml");
  EXPECT_EQ(gpu.id, "h200");
  EXPECT_EQ(gpu.device.architecture(), "sm_90a");
  EXPECT_EQ(gpu.device.sm_count, 132);
  EXPECT_EQ(gpu.device.shared_per_block_bytes, 227 * 1024);
  EXPECT_EQ(gpu.device.shared_reserved_bytes, 1024);
  EXPECT_EQ(gpu.dram_gbps(true), 4626);
  EXPECT_EQ(gpu.dram_gbps(false), 4800);
  EXPECT_NEAR(gpu.tensor.at("int8").macs_per_clock_sm, 4096, 5);
  EXPECT_EQ(gpu.tensor_ops("int4"), 0);
  EXPECT_NEAR(gpu.cuda_core_ops(), 67e12, 1e12);
  EXPECT_EQ(gpu.mma_sync_fraction.ground, Ground::Paper);
  const Gpu a100 = load_gpu(kSheets / "a100-80.yaml");
  EXPECT_EQ(a100.dram_gbps(true), 2039) << "nobody measured it: the listed one";
}

TEST(Gpu, AnAttachedDevicesSmCountScalesTheRates) {
  Gpu gpu = load_gpu(kSheets / "h100.yaml");
  const double full = gpu.tensor_ops("int8");
  gpu.device.sm_count = 66;
  EXPECT_DOUBLE_EQ(gpu.tensor_ops("int8"), full / 2);
}

TEST(Gpu, PerturbedRatesSettle) {
  Gpu gpu = load_gpu(kSheets / "h200.yaml");
  for (const auto& [key, rate] : gpu.rates())
    if (key == "tensor.int8") rate->value *= 1.3;
  gpu.settle();
  EXPECT_NEAR(gpu.tensor_ops("int8"), 1.3 * 1979e12, 1e6);
}

TEST(Gpu, FaultsNamePlaceFindingAndCure) {
  struct Case {
    const char *from, *to, *message;
  };
  const Case cases[] = {
      {"clock:  ", "clokc:  ", R"(x\.yaml:17:1: unknown key 'clokc'; known here: .*clock.*)"},
      {"  sm_count:", "  sm_cuont:", R"(x\.yaml:8:3: unknown key 'device\.sm_cuont'; known here: .*sm_count.*)"},
      {"\ndram_bandwidth:", "\n#", R"(x\.yaml:\d+:\d+: dram_bandwidth is missing)"},
      {"value: 4800", "value: fast", R"(x\.yaml:\d+:34: dram_bandwidth\.value must be a number of GB/s)"},
      {"value: 4800", "value: -1",
       R"(x\.yaml:\d+:34: dram_bandwidth\.value is -1; it must lie between 10 and 100000 GB/s)"},
      {"value: 4800", "value: .nan", R"(x\.yaml:\d+:34: dram_bandwidth\.value is nan; it must lie between.*)"},
      {"value: 4800, unit: GB/s", "value: 4.8, unit: TB/s",
       R"(x\.yaml:.*dram_bandwidth\.unit is 'TB/s'; it must be 'GB/s')"},
      {"value: 4800, unit: GB/s, datasheet:", "value: 4800, unit: GB/s, rumour:",
       R"(x\.yaml:.*unknown key 'dram_bandwidth\.rumour'.*)"},
      {"unit: GB/s, datasheet: \"NVIDIA H200 Tensor Core GPU datasheet\"", "unit: GB/s",
       R"(x\.yaml:.*dram_bandwidth needs one source.*)"},
      {"unit: GB/s, datasheet:", "unit: GB/s, assumed: why, datasheet:",
       R"(x\.yaml:.*dram_bandwidth needs one source.*)"},
      {"{value: 132,", "{value: 132.5,", R"(x\.yaml:.*device\.sm_count must be a whole number)"},
      {"shared_per_block:    {value: 227", "shared_per_block:    {value: 229", R"(x\.yaml:.*more than shared_per_sm)"},
      {"int8:  {", "int9:  {", R"(x\.yaml:.*unknown key 'tensor\.int9'.*)"},
      {"tensor:  # dense", "tensor: 7\nwas:", R"(x\.yaml:.*)"},
      {"id: h200", "id: h200\nid: h100", R"(x\.yaml:4:1: id is given twice)"},
      {"id: h200", "id: [h200]", R"(x\.yaml:3:5: id must be a text)"},
      {"id: h200", "id: {h200", R"(x\.yaml:\d+:\d+: not YAML: .*)"},
  };
  for (const Case& bad : cases) {
    const std::string message = complaint(replaced(h200(), bad.from, bad.to));
    EXPECT_TRUE(std::regex_match(message, std::regex(bad.message))) << bad.to << " → " << message;
  }
  EXPECT_EQ(complaint("[1, 2]"), "x.yaml:1:1: the sheet must be a mapping of keys");
  EXPECT_NE(complaint(""), "");
}

TEST(Gpu, AProductHasTheSheetOfItsWholeNameAndItsMemory) {
  struct Case {
    const char *product, *architecture, *id;  ///< id "": there is no sheet of it
    int64_t memory_bytes = 0;
  };
  const Case cases[] = {
      {"NVIDIA A100-SXM4-80GB", "sm_80", "a100-80"},
      {"NVIDIA A100-SXM4-40GB", "sm_80", "a100-40"},
      {"NVIDIA A100-PCIE-40GB", "sm_80", "a100-40"},
      {"NVIDIA A100 80GB PCIe", "sm_80", "a100-80"},
      {"NVIDIA A100-SXM-64GB", "sm_80", ""},
      {"NVIDIA A100", "sm_80", ""},
      {"NVIDIA A100", "sm_80", "a100-40", 42298834944},
      {"NVIDIA A100", "sm_80", "a100-80", 85031714816},
      {"NVIDIA A100-SXM4-80GB", "sm_80", "a100-80", 42298834944},
      {"NVIDIA L40S", "sm_89", "l40s"},
      {"NVIDIA L40", "sm_89", ""},
      {"NVIDIA L4", "sm_89", "l4"},
      {"NVIDIA A10", "sm_86", "a10"},
      {"NVIDIA A10G", "sm_86", ""},
      {"NVIDIA H200", "sm_90a", "h200"},
      {"NVIDIA H200", "sm_80", ""},
      {"NVIDIA GH200 480GB", "sm_90a", ""},
      {"NVIDIA H100 80GB HBM3", "sm_90a", "h100"},
      {"NVIDIA H100 PCIe", "sm_90a", ""},
      {"NVIDIA GeForce RTX 4090", "sm_89", "rtx4090"},
      {"NVIDIA GeForce RTX 4090 Laptop GPU", "sm_89", ""},
      {"", "sm_80", ""},
  };
  for (const Case& each : cases) {
    const auto sheet = sheet_of(each.product, each.architecture, each.memory_bytes);
    EXPECT_EQ(sheet ? sheet->id : "", each.id) << each.product << " " << each.memory_bytes;
  }
  // Every sheet's own name is its.
  for (const auto& [id, gpu] : embedded_gpus()) {
    const auto sheet = sheet_of(gpu.device.name, gpu.device.architecture());
    ASSERT_TRUE(sheet) << gpu.device.name;
    EXPECT_EQ(sheet->id, id);
  }
}

TEST(Gpu, AFoldersSheetsBearTheirNames) {
  const auto folder = std::filesystem::temp_directory_path() / "qoq_gpu_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "h300.yaml") << h200();
  try {
    load_gpus(folder);
    FAIL() << "h300.yaml holds an h200";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("its id is 'h200'; it must be the file's name, 'h300'"), std::string::npos);
  }
  std::filesystem::remove_all(folder);
  EXPECT_THROW(load_gpus(folder), Error);
}

}  // namespace
}  // namespace qoq::roofline
