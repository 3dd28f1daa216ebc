#include "kernels/runtime/driver.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "kernels/base/error.h"
#include "kernels/runtime/cuda_device.h"
#include "kernels/runtime/library.h"

namespace qoq::runtime {
namespace {

namespace fs = std::filesystem;

TEST(Driver, IsThereOrSaysWhyNot) {
  const Driver& driver = Driver::get();
  if (driver.available) {
    EXPECT_GT(driver.version, 12000);
    EXPECT_EQ(driver.reason, "");
    EXPECT_EQ(driver.lack, Driver::Lack::Nothing);
    return;
  }
  EXPECT_TRUE(driver.reason.starts_with("no CUDA driver: ")) << driver.reason;
  EXPECT_NE(driver.lack, Driver::Lack::Nothing);
  EXPECT_EQ(driver.start_error != 0, driver.lack == Driver::Lack::Start);
  const AttachedGpus attached = list_attached_gpus();
  EXPECT_TRUE(attached.gpus.empty());
  EXPECT_EQ(attached.reason, driver.reason);
  try {
    const CudaDevice device(0);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), driver.reason);
    EXPECT_EQ(error.fault(), Fault::Work);
  }
}

// Run by the test below in a process of its own.
TEST(Driver, DISABLED_PrintReason) {
  std::printf("reason: %s\nlack: %d\n", Driver::get().reason.c_str(), static_cast<int>(Driver::get().lack));
}

TEST(Driver, TheToolkitsStubIsNoDriver) {
  fs::path stub;
  for (const fs::path& folder : cuda_library_folders()) {
    if (fs::exists(folder / "stubs/libcuda.so")) stub = folder / "stubs/libcuda.so";
  }
  if (stub.empty()) GTEST_SKIP() << "no CUDA toolkit with a driver stub on this machine";
#ifndef QOQ_HAS_CUDA_HEADERS
  GTEST_SKIP() << "built without CUDA headers: no driver is ever opened";
#endif
  std::string path = (fs::temp_directory_path() / "qoq_stub_XXXXXX").string();
  const fs::path folder = ::mkdtemp(path.data());
  fs::create_symlink(stub, folder / "libcuda.so.1");
  const std::string command = "LD_LIBRARY_PATH=" + folder.string() + " " + fs::read_symlink("/proc/self/exe").string() +
                              " --gtest_also_run_disabled_tests --gtest_filter=Driver.DISABLED_PrintReason 2>&1";
  std::string output;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  ::pclose(pipe);
  fs::remove_all(folder);
  EXPECT_NE(output.find("reason: no CUDA driver: libcuda.so.1 is the toolkit's stub"), std::string::npos) << output;
  EXPECT_NE(output.find("lack: " + std::to_string(static_cast<int>(Driver::Lack::RealDriver))), std::string::npos);
}

}  // namespace
}  // namespace qoq::runtime
