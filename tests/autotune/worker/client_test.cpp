#include "autotune/worker/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <set>

#include "autotune/worker/descriptor.h"
#include "tests/autotune/worker/scripted_gpu.h"

namespace qoq::worker {
namespace {

namespace fs = std::filesystem;
using Status = verify::Verdict::Status;

/// Kinds that a test lets hang get little time; the others so much that no busy machine matters.
WorkerLimits limits() {
  WorkerLimits limits;
  limits.rest_s = 0.01;
  return limits;
}
constexpr Patience little{0.3, 0};

std::vector<std::string> child(const std::string& start, const std::string& file = "") {
  return {QOQ_WORKER_CHILD, start, file};
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

/// What a process has open that only one holder may have, the standard descriptors aside.
std::set<std::string> lines_of(int64_t process) {
  std::set<std::string> lines;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", process))) {
    std::error_code gone;  // the folder's own descriptor
    const std::string target = fs::read_symlink(entry.path(), gone);
    const bool line = target.starts_with("socket:") || target.starts_with("pipe:");
    if (line && std::stoi(entry.path().filename()) > 2) lines.insert(target);
  }
  return lines;
}

void expect_no_children() {
  errno = 0;
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left, or its zombie";
  EXPECT_EQ(errno, ECHILD);
}

/// A path in a folder of the test's own that does not exist yet.
class FreshFile {
 public:
  FreshFile() {
    std::string name = fs::temp_directory_path() / "qoq_worker_XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~FreshFile() { fs::remove_all(folder_); }
  std::string path() const { return folder_ / "started"; }

 private:
  fs::path folder_;
};

TEST(Worker, AnswersEveryKindOfQuestion) {
  {
    Worker worker(child("normal"), limits());
    EXPECT_EQ(worker.uuid(), "GPU-a");
    const verify::Verdict verdict = worker.verify(subject(answers), ~uint64_t{0});
    EXPECT_EQ(verdict.status, Status::Ok);
    EXPECT_EQ(verdict.max_error, 1.0 / 3);
    EXPECT_EQ(verdict.seed, ~uint64_t{0});
    EXPECT_EQ(verdict.problem.field("m"), "5");
    const measure::Sample sample = worker.time(subject(answers), {measure::Cache::Cold, measure::LaunchMode::Graph});
    ASSERT_EQ(sample.samples_us.size(), 300u);
    EXPECT_EQ(sample.samples_us[1], 11 + 1 / 3.0);
    EXPECT_EQ(sample.throttled, ~uint64_t{0});
    const std::vector<measure::Subject> finalists(3, subject(answers));
    const measure::RaceResult race = worker.race(finalists, 1, {});
    EXPECT_EQ(race.winner, 0u);
    EXPECT_EQ(race.samples.size(), 3u);
    EXPECT_EQ(race.left_after, (std::vector<int>{-1, -1, -1}));
    EXPECT_EQ(worker.cross_check(subject(answers), {}).activity_us, 10.0);
    const counters::CounterReading reading = worker.count(subject(answers));
    EXPECT_EQ(reading.rung, counters::Rung::Activity);
    EXPECT_EQ(reading.values.at("occupancy_pct"), 0.1);
    const baselines::BaselineRun baselines = worker.run_baselines(subject(answers), {});
    ASSERT_EQ(baselines.rows.size(), 1u);
    EXPECT_EQ(baselines.rows[0].sample.samples_us[1], 10 + 1 / 3.0);
    EXPECT_EQ(baselines.rows[0].verdict.seed, 3u);
    ASSERT_EQ(baselines.absent.size(), 1u);
    EXPECT_TRUE(baselines.absent[0].missing);
    EXPECT_EQ(worker.children(), 1);
  }
  expect_no_children();
}

TEST(Worker, AWrongOutputIsAVerdictAndCostsNoChild) {
  Worker worker(child("normal"), limits());
  const verify::Verdict verdict = worker.verify(subject(wrong_output), 1);
  EXPECT_EQ(verdict.status, Status::Wrong);
  EXPECT_EQ(verdict.max_error, std::numeric_limits<double>::infinity());
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(worker.children(), 1);
}

TEST(Worker, AHangIsATimeoutAndTheNextRequestFindsANewChild) {
  WorkerLimits limits = worker::limits();
  limits.verify = limits.race = limits.cross_check = limits.count = little;
  Worker worker(child("normal"), limits);
  const verify::Verdict verdict = worker.verify(subject(hangs), 5);
  EXPECT_EQ(verdict.status, Status::Timeout);
  EXPECT_EQ(verdict.message, "the process that ran it did not answer within 0.3 s and was killed");
  EXPECT_EQ(verdict.where, "cuda");
  EXPECT_EQ(verdict.seed, 5u);
  EXPECT_EQ(verdict.problem, subject(hangs).problem);
  EXPECT_FALSE(verdict.context_lost);
  EXPECT_EQ(worker.time(subject(answers), {}).failure, "");
  EXPECT_EQ(worker.children(), 2);

  const std::vector<measure::Subject> finalists{subject(answers), subject(hangs)};
  const measure::RaceResult race = worker.race(finalists, 1, {});
  EXPECT_EQ(race.winner, 1u);
  EXPECT_FALSE(race.changed);
  ASSERT_EQ(race.samples.size(), 2u);
  EXPECT_TRUE(race.samples[0].timed_out);
  EXPECT_EQ(race.left_after.size(), 2u);
  EXPECT_NE(race.reason.find("did not answer within"), std::string::npos);
  EXPECT_NE(worker.cross_check(subject(hangs), {}).failure.find("did not answer"), std::string::npos);
  EXPECT_NE(worker.count(subject(hangs)).reason.find("did not answer"), std::string::npos);
  EXPECT_EQ(worker.time(subject(answers), {}).samples_us.size(), 300u);
  EXPECT_EQ(worker.children(), 5);
}

TEST(Worker, ATimedHangIsASampleThatTimedOut) {
  WorkerLimits limits = worker::limits();
  limits.time = little;
  Worker worker(child("normal"), limits);
  const measure::Sample sample = worker.time(subject(hangs), {});
  EXPECT_TRUE(sample.timed_out);
  EXPECT_TRUE(sample.samples_us.empty());
  EXPECT_FALSE(sample.context_lost);
  EXPECT_NE(sample.failure.find("did not answer within 0.3 s"), std::string::npos);
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
}

TEST(Worker, DeathSaysHowAndItsLastWords) {
  std::string log;
  Worker worker(child("normal"), limits(), [&](std::string_view said) { log += said; });
  const verify::Verdict exited = worker.verify(subject(exits), 1);
  EXPECT_EQ(exited.status, Status::LaunchFailed);
  EXPECT_EQ(exited.message,
            "the process that ran it exited with code 7; its last words: first words / the GPU fell / off the bus");
  EXPECT_EQ(log, "first words\nthe GPU fell\noff the bus\n");
  const measure::Sample aborted = worker.time(subject(aborts), {});
  EXPECT_EQ(aborted.failure, "the process that ran it was killed by signal 6 (Aborted)");
  EXPECT_FALSE(aborted.timed_out);
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(worker.children(), 3);
}

TEST(Worker, ALostContextCostsOneAnswerAndAChild) {
  Worker worker(child("normal"), limits());
  const measure::Sample sample = worker.time(subject(loses_context), {});
  EXPECT_EQ(sample.failure, "an illegal address");
  EXPECT_FALSE(sample.context_lost) << "a new child takes over";
  const verify::Verdict thrown = worker.verify(subject(throws_lost), 1);
  EXPECT_EQ(thrown.status, Status::LaunchFailed);
  EXPECT_EQ(thrown.message, "an illegal address");
  const verify::Verdict lost = worker.verify(subject(loses_context), 1);
  EXPECT_EQ(lost.status, Status::LaunchFailed);
  EXPECT_FALSE(lost.context_lost);
  const baselines::BaselineRun baselines = worker.run_baselines(subject(loses_context), {});
  EXPECT_FALSE(baselines.context_lost);
  EXPECT_EQ(baselines.rows.size(), 1u);
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(worker.children(), 5);
}

TEST(Worker, AnErrorCostsOneAnswerAndNoChild) {
  Worker worker(child("normal"), limits());
  EXPECT_EQ(worker.verify(subject(throws_work), 1).message, "no room for its operands");
  EXPECT_EQ(worker.time(subject(throws_work), {}).failure, "no room for its operands");
  EXPECT_NE(worker.time(subject(infinite), {}).failure.find("median_us is inf"), std::string::npos);
  EXPECT_THROW(worker.verify(subject(throws_input), 1), Error);
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(worker.children(), 1);
}

TEST(Worker, NonsenseCostsOneAnswerAndAChild) {
  Worker worker(child("normal"), limits());
  const verify::Verdict nonsense = worker.verify(subject(talks_nonsense), 1);
  EXPECT_EQ(nonsense.status, Status::LaunchFailed);
  EXPECT_NE(nonsense.message.find("answered \"Segmentation fault\", which cannot be read"), std::string::npos);
  const measure::Sample half = worker.time(subject(half_line), {});
  EXPECT_EQ(half.failure, "the process that ran it exited with code 0 in the middle of its answer");
  EXPECT_NE(worker.time(subject(other_number), {}).failure.find("it answers another request"), std::string::npos);
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(worker.children(), 4);
}

TEST(Worker, WhatTheChildPrintsDoesNotDisturb) {
  size_t printed = 0;
  Worker worker(child("normal"), limits(), [&](std::string_view said) { printed += said.size(); });
  EXPECT_EQ(worker.time(subject(prints_much), {}).samples_us.size(), 300u);
  EXPECT_GT(printed, 200'000u);
  EXPECT_EQ(worker.children(), 1);
}

TEST(Worker, AChildThatDiesIdleHarmsNoVariant) {
  Worker worker(child("normal"), limits());
  const auto process = static_cast<pid_t>(worker.process());
  ASSERT_EQ(::kill(process, SIGKILL), 0);
  siginfo_t ended;  // waited for, and left for the worker to find
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(process), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(worker.children(), 2);
}

TEST(Worker, WithoutAGpuItSaysWhyAtOnce) {
  try {
    Worker worker(child("no-gpu"), limits());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Work);
    EXPECT_STREQ(error.what(), "no CUDA driver: libcuda.so.1 is missing");
  }
  EXPECT_THROW(Worker({"/no/such/program"}, limits()), Error);
  expect_no_children();
}

TEST(Worker, AChildThatNeverStartsIsAnError) {
  try {
    Worker worker(child("dies"), limits());
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "there is no GPU to work with: 3 processes in a row did not start to work on it; of the last: it was "
                 "killed by signal 6 (Aborted); its last words: libcuda: cannot open");
  }
  WorkerLimits limits = worker::limits();
  limits.starts = 2;
  EXPECT_THROW(Worker(child("babbles"), limits), Error);
  limits.start_s = 0.3;
  EXPECT_THROW(Worker(child("silent"), limits), Error);
  expect_no_children();
}

TEST(Worker, AGpuThatIsLostOnTheWayIsAnErrorNotARow) {
  FreshFile file;
  Worker worker(child("dies-later", file.path()), limits());
  EXPECT_EQ(worker.verify(subject(aborts), 1).status, Status::LaunchFailed);
  for (int i = 0; i < 2; ++i) {
    try {
      worker.verify(subject(answers), 1);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::Work);
      EXPECT_NE(std::string(error.what()).find("the GPU is lost: 3 processes"), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("libcuda: cannot open"), std::string::npos);
    }
  }
}

TEST(Worker, AnotherGpuInItsPlaceIsAnError) {
  FreshFile file;
  Worker worker(child("moves-later", file.path()), limits());
  EXPECT_EQ(worker.verify(subject(aborts), 1).status, Status::LaunchFailed);
  try {
    worker.verify(subject(answers), 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the GPU is lost: in place of GPU-a there is now GPU-b");
  }
}

TEST(Worker, TheChildEndsWithItsLine) {
  std::optional<Worker> worker(std::in_place, child("normal"), limits());
  const auto process = static_cast<pid_t>(worker->process());
  worker.reset();
  EXPECT_EQ(::kill(process, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  expect_no_children();
}

TEST(Worker, AnInterruptionAtTheTerminalIsNotTheChilds) {
  Worker worker(child("normal"), limits());
  const auto process = static_cast<pid_t>(worker.process());
  EXPECT_EQ(::getpgid(process), process) << "Ctrl-C goes to this process's group";
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) ASSERT_EQ(::kill(process, each), 0);
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(worker.process(), process);
  EXPECT_EQ(worker.children(), 1);
}

TEST(Worker, ChildrenThatComeAndGoLeaveNothingOpen) {
  WorkerLimits limits = worker::limits();
  limits.cross_check = {0.02, 0};
  Worker worker(child("normal"), limits);
  const size_t before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    const Act act = i % 10 == 3 ? aborts : i % 10 == 6 ? loses_context : answers;
    worker.verify(subject(act), 1);
    if (i % 25 == 0) worker.cross_check(subject(hangs), {});
  }
  EXPECT_EQ(worker.verify(subject(answers), 1).status, Status::Ok);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Worker, OneChildDoesNotHoldAnothersLine) {
  const std::set<std::string> before = lines_of(::getpid());
  Worker first(child("normal"), limits()), second(child("normal"), limits());  // one may lie where a child puts its own
  const std::set<std::string> ours = lines_of(::getpid());
  Worker third(child("normal"), limits());
  EXPECT_EQ(ours.size(), before.size() + 4);
  for (const std::string& line : lines_of(third.process())) {
    EXPECT_TRUE(before.contains(line) || !ours.contains(line)) << line;
  }
}

TEST(Child, GoneWithItsOwner) {
  { const Child child(worker::child("normal"), {}); }
  expect_no_children();
}

TEST(Worker, AHangingChildDoesNotOutliveAParentThatIsKilled) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // the orphan becomes ours, so its end can be seen
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl(QOQ_WORKER_CHILD, QOQ_WORKER_CHILD, "parent", nullptr);
    ::_exit(127);
  }
  Descriptor writer(ends[1]);
  writer.close();
  Descriptor reader(ends[0]);
  Lines lines;
  std::optional<std::string> line;
  while (!(line = lines.take()) && lines.read_from(reader.get()) == Lines::Arrived::Bytes) {
  }
  ASSERT_TRUE(line);
  const auto process = static_cast<pid_t>(std::stol(*line));
  ASSERT_EQ(::kill(process, 0), 0);
  ASSERT_EQ(::kill(parent, SIGKILL), 0);
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
  EXPECT_EQ(::waitpid(process, nullptr, 0), process);  // or ctest's time-out says that it never ended
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace qoq::worker
