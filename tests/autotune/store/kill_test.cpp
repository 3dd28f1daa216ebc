// A tuner is killed (SIGKILL) at random moments; the file must stay whole, keep what was committed, and the next run
// must repeat nothing.
#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "autotune/store/store.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::store {
namespace {

using testing::candidate;
using testing::Folder;
using testing::kProblem;

struct Message {
  int candidate;
  bool committed;  ///< false: about to be worked on
};

/// What tune does: records every candidate that is not finished, one commit each, and reports to `out`.
[[noreturn]] void tune(const std::filesystem::path& path, int out) {
  Store store = testing::open_with_problem(path);
  const int64_t here = store.environment(testing::simulated());
  const auto finished = store.finished(here, kProblem);
  const auto say = [&](Message message) {
    if (::write(out, &message, sizeof message) != sizeof message) ::_exit(1);
  };
  for (int i = 0;; ++i) {
    const Candidate row = candidate(i);
    if (finished.contains(row.variant)) continue;
    say({i, false});
    store.record(here, row);
    say({i, true});
  }
}

struct Heard {
  std::set<int> begun, committed;
};

/// Runs a tuner for `life`, kills it, and returns what it had said.
Heard tune_and_kill(const std::filesystem::path& path, std::chrono::microseconds life) {
  int pipe[2];
  EXPECT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    try {
      tune(path, pipe[1]);
    } catch (const std::exception& error) {
      ::fprintf(stderr, "%s\n", error.what());
      ::_exit(2);
    }
  }
  ::close(pipe[1]);
  std::thread killer([&] {
    std::this_thread::sleep_for(life);
    ::kill(child, SIGKILL);
  });
  Heard heard;
  Message message;
  while (::read(pipe[0], &message, sizeof message) == sizeof message) {
    (message.committed ? heard.committed : heard.begun).insert(message.candidate);
  }
  killer.join();
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the tuner ended by itself";
  ::close(pipe[0]);
  return heard;
}

TEST(Killed, AtTwentyRandomMomentsLosesAndRepeatsNothing) {
  Folder folder;
  const auto path = folder / "tune.db";
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::set<int> recorded;
  int while_opening = 0;
  for (int round = 0; round < 20; ++round) {
    // A quarter of the kills come early: while the file is opened or its schema made.
    const int most_us = round % 4 == 0 ? 8000 : 120000;
    const Heard heard =
        tune_and_kill(path, std::chrono::microseconds(std::uniform_int_distribution<>(500, most_us)(random)));
    if (heard.begun.empty()) ++while_opening;
    for (const int i : heard.begun) EXPECT_FALSE(recorded.contains(i)) << "candidate " << i << " was repeated";

    if (std::filesystem::exists(path)) {
      SQLite::Database raw(path.string(), SQLite::OPEN_READWRITE, 1000);
      EXPECT_EQ(raw.execAndGet("PRAGMA integrity_check").getString(), "ok");
      EXPECT_EQ(raw.execAndGet("SELECT count(*) FROM pragma_foreign_key_check").getInt(), 0);
    }
    std::set<int> now;
    const Store store = Store::open(path, Mode::ReadWrite);
    for (const Candidate& row : store.candidates({})) {
      EXPECT_EQ(row.kernels.size(), 2u) << "half a candidate: " << row.variant;
      now.insert(static_cast<int>(row.kernels.at(0).ctas) - 128);
    }
    for (const int i : heard.committed) EXPECT_TRUE(now.contains(i)) << "candidate " << i << " was lost";
    for (const int i : recorded) EXPECT_TRUE(now.contains(i)) << "candidate " << i << " was lost later";
    recorded = now;
  }
  EXPECT_GT(recorded.size(), 100u) << "the kills came too early to show anything";
  RecordProperty("killed_before_the_first_row", while_opening);
}

}  // namespace
}  // namespace qoq::store
