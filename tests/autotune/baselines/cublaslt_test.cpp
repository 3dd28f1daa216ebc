// cuBLASLt as we call it, against a stand-in that multiplies on the CPU: layouts, types, what is missing and why.
#include "autotune/baselines/cublaslt.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "autotune/baselines/baseline.h"
#include "autotune/baselines/gemm_proof.h"
#include "kernels/base/error.h"

namespace qoq::baselines {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const CublasLt> open_in(const fs::path& folder) { return CublasLt::open(std::vector{folder}); }
std::shared_ptr<const CublasLt> fake() { return open_in(fs::path(FAKE_CUBLASLT) / "whole"); }

/// The stand-in's mood for one test.
struct Mood {
  explicit Mood(const char* mood) { ::setenv("QOQ_FAKE_CUBLASLT", mood, 1); }
  ~Mood() { ::unsetenv("QOQ_FAKE_CUBLASLT"); }
};

struct Way {
  const char* name;
  ProductTypes types;
  Format operands, output;
  double tolerance;
};
const Way ways[] = {
    {"int8", {lt::compute_32i, lt::r_32i, lt::r_8i, lt::r_32i, false}, Format::Int8, Format::Int32, 0},
    {"fp8", {lt::compute_32f, lt::r_32f, lt::r_8f_e4m3, lt::r_16bf, false}, Format::E4M3, Format::BF16, 0x1p-8},
    {"fp8 fast", {lt::compute_32f, lt::r_32f, lt::r_8f_e4m3, lt::r_16f, true}, Format::E4M3, Format::F16, 0x1p-8},
    {"bf16", {lt::compute_32f, lt::r_32f, lt::r_16bf, lt::r_16bf, false}, Format::BF16, Format::BF16, 0x1p-8}};

TEST(CublasLt, MultipliesRowMajorActivationsByRowMajorWeights) {
  const auto library = fake();
  ASSERT_EQ(library->reason(), "");
  EXPECT_EQ(library->version(), "13.2.4");
  for (const Way& way : ways) {
    SCOPED_TRACE(way.name);
    GemmProof proof(way.operands, way.output, 7, 48, 80, 3);
    const CublasLtProduct product(library, way.types, 7, 48, 80);
    const auto found = product.algorithms(size_t{1} << 20, 16);
    ASSERT_EQ(found.size(), 2u) << "of three results one is not to be used";
    EXPECT_EQ(found[1].algorithm.data[0], 42u);
    EXPECT_EQ(found[0].workspace_bytes, size_t{1} << 19) << "the limit reached the library";
    std::vector<std::byte> y(proof.output_bytes(), std::byte(proof.poison())), workspace(64);
    EXPECT_FALSE(proof.check(y, 1).pass);
    product.queue(found[0].algorithm, {proof.x().data(), proof.w().data(), y.data(), workspace.data(), 64}, nullptr);
    const Check check = proof.check(y, way.tolerance);
    EXPECT_TRUE(check.pass) << check.message;
    EXPECT_LE(check.max_error, way.tolerance);
  }
}

TEST(CublasLt, NothingForTheseTypesIsNoError) {
  const Mood none("none");
  EXPECT_TRUE(CublasLtProduct(fake(), ways[0].types, 7, 48, 80).algorithms(1, 16).empty());
}

TEST(CublasLt, SaysWhatTheLibraryRefused) {
  const auto library = fake();
  const CublasLtProduct product(library, ways[0].types, 1, 16, 16);
  try {
    product.queue({}, {nullptr, nullptr, nullptr, nullptr, 0}, nullptr);
    FAIL() << "an algorithm of zeros was run";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cuBLASLt 13.2.4, running a product: CUBLAS_STATUS_OTHER");
  }
}

TEST(CublasLt, DescribesAlgorithmsByTheLibrarysNumbers) {
  const auto told = describe(*fake(), lt::Algorithm{{7}});
  EXPECT_EQ(told.at("id"), 70);
  EXPECT_EQ(told.at("cluster_shape"), 78);
  EXPECT_FALSE(told.contains("custom")) << "what it does not tell is left out";
}

TEST(CublasLt, WithoutAGpuItIsMissing) {
  const Mood down("down");
  EXPECT_EQ(fake()->reason(), "cuBLASLt 13.2.4 does not start on this GPU and driver: CUBLAS_STATUS_NOT_INITIALIZED");
}

TEST(CublasLt, AnOlderLibraryIsMissing) {
  const auto library = open_in(fs::path(FAKE_CUBLASLT) / "partial");
  EXPECT_NE(library->reason().find("has no cublasLtMatmul"), std::string::npos) << library->reason();
}

TEST(CublasLt, ADamagedFileIsNamed) {
  const fs::path folder = fs::path(testing::TempDir()) / fmt::format("qoq-cublaslt-{}", ::getpid());
  fs::create_directories(folder);
  const std::string name = "libcublasLt-of-this-test.so";
  std::ofstream(folder / name) << "no library";
  const auto library = CublasLt::open(std::vector{folder}, {name});
  fs::remove_all(folder);
  EXPECT_EQ(library->version(), "");
  EXPECT_TRUE(library->reason().starts_with("cuBLASLt is not here: ")) << library->reason();
  EXPECT_NE(library->reason().find(folder.string()), std::string::npos) << library->reason();
}

Device hopper() {
  Device device;
  device.name = "NVIDIA H200";
  device.compute_capability = 90;
  return device;
}

TEST(Baselines, AreThreeWithTheirPeaks) {
  std::vector<std::string> seen;
  for (const auto& baseline : baselines()) {
    EXPECT_EQ(baseline->op(), "gemm");
    seen.push_back(fmt::format("{} {}", baseline->name(), baseline->arithmetic()));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"cublaslt/int8 int8", "cublaslt/fp8 fp8", "cublaslt/bf16 fp16"}));
}

TEST(Baselines, WithoutAGpuSayWhyTheyAreMissing) {
  if (!runtime::list_attached_gpus().gpus.empty()) GTEST_SKIP() << "there is a GPU";
  for (const auto& baseline : baselines())
    EXPECT_TRUE(baseline->missing().starts_with("cuBLASLt ")) << baseline->name();
}

TEST(Baselines, SayWhichSizesTheyCannot) {
  const auto all = baselines();
  const auto say = [&](size_t which, const char* problem, Device device) {
    return all[which]->unsupported(Problem::parse(problem), device).value_or("");
  };
  Device ampere = hopper();
  ampere.compute_capability = 80;
  ampere.name = "NVIDIA A100";
  EXPECT_EQ(say(0, "gemm w4a8-g128 m=7 n=4096 k=4096", ampere), "");
  EXPECT_EQ(say(1, "gemm w4a8-g128 m=7 n=4096 k=4096", hopper()), "");
  EXPECT_EQ(say(1, "gemm w4a8-g128 m=7 n=4096 k=4096", ampere),
            "cublaslt/fp8 needs compute capability 8.9, NVIDIA A100 has 8.0");
  EXPECT_EQ(say(2, "gemm w8a8 m=7 n=4104 k=4096", hopper()), "cublaslt/bf16 needs n in multiples of 16, not 4104");
  EXPECT_EQ(say(0, "gemm w8a8 m=16 n=4096 k=4112", hopper()), "");
}

}  // namespace
}  // namespace qoq::baselines
