#include "kernels/runtime/cuda_device.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/runtime/loaded_plan.h"

namespace qoq::runtime {
namespace {

class CudaDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (attached_.gpus.empty()) GTEST_SKIP() << attached_.reason;
  }
  AttachedGpus attached_ = list_attached_gpus();
};

TEST_F(CudaDeviceTest, DescribesTheGpu) {
  const AttachedGpu& gpu = attached_.gpus[0];
  EXPECT_EQ(gpu.uuid.size(), std::string("GPU-00000000-0000-0000-0000-000000000000").size()) << gpu.uuid;
  EXPECT_GE(gpu.device.compute_capability, 75);
  EXPECT_GT(gpu.device.sm_count, 0);
  EXPECT_GE(gpu.device.shared_per_sm_bytes, gpu.device.shared_per_block_bytes);
  EXPECT_GE(gpu.device.l2_bytes, 1 << 20);
  EXPECT_GE(gpu.device.threads_per_sm, 1024);
}

TEST_F(CudaDeviceTest, MemoryKeepsWhatIsWritten) {
  const CudaDevice device(0);
  const Stream stream;
  const DeviceMemory memory(1000);
  memory.fill(0, 1000, 0xab, stream);
  device.synchronize();
  const std::vector<std::byte> written(10, std::byte{1});
  memory.upload(500, written);
  std::vector<std::byte> read(1000);
  memory.download(0, read);
  EXPECT_EQ(std::ranges::count(read, std::byte{0xab}), 990);
  EXPECT_EQ(read[500], std::byte{1});
  EXPECT_EQ(read[509], std::byte{1});
}

TEST_F(CudaDeviceTest, EventsMeasureAndWaitingEnds) {
  const CudaDevice device(0);
  const Stream stream;
  const DeviceMemory memory(256 << 20);
  const Event begin, end;
  begin.record(stream);
  memory.fill(0, memory.size(), 1, stream);
  end.record(stream);
  ASSERT_TRUE(wait_for(end, 10));
  EXPECT_GT(end.us_since(begin), 5);  // 256 MiB at less than 50 TB/s
}

TEST_F(CudaDeviceTest, ABadCubinIsAFault) {
  const CudaDevice device(0);
  EXPECT_THROW(Module("no cubin at all"), Error);
}

}  // namespace
}  // namespace qoq::runtime
