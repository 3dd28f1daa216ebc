#include "autotune/worker/recorded_gpu.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "autotune/worker/client.h"
#include "autotune/worker/open_gpu.h"
#include "kernels/families.h"

namespace qoq::worker {
namespace {

namespace fs = std::filesystem;
using Status = verify::Verdict::Status;

/// A variant that QServe's table names; what goes wrong with it goes by the problem's m.
measure::Subject subject(int m) {
  const Problem problem = parse_problem(fmt::format("gemm w4a8-g128 m={} n=4096 k=4096", m));
  const Family& family = family_named("gemm/mma");
  return {&family, family.published(problem).value(), problem, "/no/file"};
}

constexpr const char* record = R"({"recorded_gpu": 1, "seed": 3, "really": REALLY,
  "gpu": {"name": "NVIDIA H200", "uuid": "GPU-recorded", "compute_capability": 90, "sm_count": 132,
          "shared_per_block_bytes": 232448, "shared_per_sm_bytes": 233472, "threads_per_sm": 2048,
          "blocks_per_sm": 32, "l2_bytes": 62914560, "memory_bytes": 150754820096},
  "noise": {"share": 0.001}, "activity_factor": 0.99,
  "times": [{"problem": ".* m=1 .*", "us": 16}, {"problem": ".* m=2 .*", "us": 12}],
  "faults": [{"problem": ".* m=3 .*", "fault": "hang"},
             {"problem": ".* m=4 .*", "fault": "crash"},
             {"problem": ".* m=5 .*", "fault": "wrong-output"},
             {"problem": ".* m=6 .*", "fault": "sticky-error"},
             {"problem": ".* m=7 .*", "fault": "out-of-memory"},
             {"problem": ".* m=8 .*", "fault": "hang", "during": ["count"]}],
  "counters": {"occupancy_pct": 42}})";

/// The record in a file; `really`: it hangs and crashes as a real one does.
class RecordedFile {
 public:
  explicit RecordedFile(bool really) {
    std::string name = fs::temp_directory_path() / "qoq_recorded_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    std::string text = record;
    text.replace(text.find("REALLY"), 6, really ? "true" : "false");
    std::ofstream(path()) << text;
  }
  ~RecordedFile() { fs::remove_all(folder_); }
  std::string path() const { return folder_ / "gpu.json"; }
  std::string target() const { return "recorded:" + path(); }

 private:
  fs::path folder_;
};

TEST(RecordedGpu, DoesWhatItsRecordSays) {
  const RecordedFile file(false);
  const auto gpu = open_gpu(file.target(), "");
  EXPECT_EQ(gpu->uuid(), "GPU-recorded");
  EXPECT_EQ(recorded_gpu(file.path()).device.sm_count, 132);
  EXPECT_EQ(gpu->verify(subject(1), 9).status, Status::Ok);
  EXPECT_EQ(gpu->verify(subject(1), 9).where, "recorded");
  EXPECT_EQ(gpu->verify(subject(5), 9).status, Status::Wrong);
  const verify::Verdict no_room = gpu->verify(subject(7), 9);
  EXPECT_EQ(no_room.status, Status::LaunchFailed);
  EXPECT_FALSE(no_room.context_lost);
  EXPECT_NEAR(gpu->time(subject(1), {}).median_us, 16, 0.1);
  const std::vector<measure::Subject> finalists{subject(1), subject(2)};
  EXPECT_EQ(gpu->race(finalists, 0, {}).winner, 1u);
  const Gpu::CrossCheck check = gpu->cross_check(subject(1), {});
  EXPECT_NEAR(check.activity_us / check.events_us, 0.99, 1e-9);
  const counters::CounterReading reading = gpu->count(subject(1));
  EXPECT_EQ(reading.rung, counters::Rung::Counters);
  EXPECT_EQ(reading.values.at("occupancy_pct"), 42);
}

TEST(RecordedGpu, AHangLosesTheContextForGood) {
  const RecordedFile file(false);
  const auto gpu = open_gpu(file.target(), "");
  const verify::Verdict hung = gpu->verify(subject(3), 9);
  EXPECT_EQ(hung.status, Status::Timeout);
  EXPECT_TRUE(hung.context_lost);
  EXPECT_TRUE(gpu->verify(subject(1), 9).context_lost);
  EXPECT_TRUE(gpu->time(subject(1), {}).context_lost);
  EXPECT_THROW(gpu->count(subject(1)), measure::ContextLost);
}

TEST(RecordedGpu, InAChildEveryFaultCostsOneAnswer) {
  const RecordedFile file(true);
  WorkerLimits limits;
  limits.verify = {60, 0};
  limits.count = limits.cross_check = {0.3, 0};
  Worker worker({QOQ_WORKER_CHILD, file.target()}, limits);
  EXPECT_EQ(worker.uuid(), "GPU-recorded");
  EXPECT_NE(worker.cross_check(subject(3), {}).failure.find("did not answer within 0.3 s"), std::string::npos);
  EXPECT_EQ(worker.children(), 1);
  const verify::Verdict crashed = worker.verify(subject(4), 9);
  EXPECT_EQ(crashed.status, Status::LaunchFailed);
  EXPECT_EQ(crashed.message, "the process that ran it was killed by signal 6 (Aborted)");
  EXPECT_EQ(worker.verify(subject(5), 9).status, Status::Wrong);
  EXPECT_EQ(worker.verify(subject(6), 9).status, Status::LaunchFailed);
  EXPECT_NE(worker.time(subject(6), {}).failure.find("ILLEGAL_ADDRESS"), std::string::npos);
  EXPECT_NE(worker.time(subject(7), {}).failure.find("OUT_OF_MEMORY"), std::string::npos);
  EXPECT_NE(worker.count(subject(8)).reason.find("did not answer"), std::string::npos);
  EXPECT_EQ(worker.verify(subject(8), 9).status, Status::Ok);
  EXPECT_NEAR(worker.time(subject(1), {}).median_us, 16, 0.1);
  const std::vector<measure::Subject> finalists{subject(1), subject(4), subject(2)};
  EXPECT_NE(worker.race(finalists, 0, {}).reason.find("the race did not come to its end"), std::string::npos);
  EXPECT_NEAR(worker.time(subject(2), {}).median_us, 12, 0.1);
  EXPECT_EQ(worker.children(), 7);
}

TEST(OpenGpu, RefusesWhatIsNoGpu) {
  for (const char* target : {"sim:h200", "cuda:", "cuda:x", "cuda:-1", "recorded:/no/such/file.json", ""}) {
    try {
      open_gpu(target, "");
      ADD_FAILURE() << target;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::Input) << target;
    }
  }
}

}  // namespace
}  // namespace qoq::worker
