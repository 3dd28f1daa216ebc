// Databases, disks and caches that are not as they should be: one sentence, and what was there stays there.
#include <SQLiteCpp/Database.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "autotune/store/schema.h"
#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;

#define NEEDS_NVRTC() \
  if (const std::string reason = no_nvrtc(); !reason.empty()) GTEST_SKIP() << reason

class Database : public ::testing::Test {
 protected:
  Folder folder_;
  void SetUp() override { write_text(folder_ / "job.yaml", tiny_job()); }
  std::string db() const { return folder_ / "tune.db"; }

  /// A database with an environment, a problem and candidates, without any compiler.
  void make_database(int candidates = 3) const {
    store::Store store = store::testing::open_with_problem(db());
    const int64_t id = store.environment(store::testing::simulated());
    for (int i = 0; i < candidates; ++i) store.record(id, store::testing::candidate(i));
  }
};

TEST_F(Database, OfANewerSchema) {
  make_database();
  {
    SQLite::Database(db(), SQLite::OPEN_READWRITE)
        .exec(fmt::format("PRAGMA user_version = {}", store::migrations().back().version + 1));
  }
  for (const auto& command :
       {tune(folder_.path()), {"report", "--db", db(), "--out", folder_ / "out"}, {"select", "--db", db()}}) {
    SCOPED_TRACE(command[0]);
    EXPECT_SENTENCE(run(command), 2, db(), "newer qoqtune");
  }
  EXPECT_EQ(checked_rows(db()).size(), 3u);
}

TEST_F(Database, ThatIsNone) {
  write_text(db(), "this is a letter, and no database, whatever its name says; it is long enough to be looked at");
  for (const auto& command :
       {tune(folder_.path()), {"report", "--db", db(), "--out", folder_ / "out"}, {"select", "--db", db()}}) {
    SCOPED_TRACE(command[0]);
    EXPECT_SENTENCE(run(command), 2, db(), "not an SQLite database");
  }
  EXPECT_TRUE(read_text(db()).starts_with("this is a letter"));
}

TEST_F(Database, OfAnotherProgram) {
  { SQLite::Database(db(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE recipe (name TEXT)"); }
  EXPECT_SENTENCE(run(tune(folder_.path())), 2, db(), "another program");
  EXPECT_EQ(SQLite::Database(db(), SQLite::OPEN_READWRITE).execAndGet("SELECT count(*) FROM recipe").getInt(), 0);
}

TEST_F(Database, ThatIsNotThere) {
  EXPECT_SENTENCE(run({"report", "--db", db(), "--out", folder_ / "out"}), 2, db(), "no such database");
  EXPECT_SENTENCE(run({"select", "--db", db()}), 2, db(), "no such database");
  EXPECT_FALSE(fs::exists(db())) << "readers make none";
  EXPECT_SENTENCE(run({"tune", folder_ / "job.yaml", "--db", folder_.path()}), 2, folder_.path().string(),
                  "is a folder");
}

TEST_F(Database, InAFolderThatCannotBeWritten) {
  if (::geteuid() == 0) {
    Disk disk(4096);
    if (!disk.mounted()) GTEST_SKIP() << disk.refusal();
    write_text(disk / "job.yaml", tiny_job());
    disk.make_read_only();
    EXPECT_SENTENCE(run({"tune", disk / "job.yaml", "--db", disk / "tune.db"}), 1, (disk / "tune.db").string());
    EXPECT_SENTENCE(run({"tune", disk / "job.yaml", "--db", disk / "new/tune.db"}), 1, (disk / "new/tune.db").string());
  } else {
    fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_SENTENCE(run(tune(folder_.path())), 1, db());
    fs::permissions(folder_.path(), fs::perms::owner_all);
  }
}

TEST_F(Database, ThatIsWriteProtectedIsStillRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "another user is needed to be refused: not root";
  make_database();
  fs::permissions(folder_.path(), fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
  const Ran ran = run(tune(folder_.path()), {.folder = "/", .unprivileged = true});
  EXPECT_SENTENCE(ran, 1, db());
  EXPECT_EQ(checked_rows(db()).size(), 3u);
}

TEST_F(Database, OnAFullDisk) {
  NEEDS_NVRTC();
  Disk disk(64);
  if (!disk.mounted()) GTEST_SKIP() << disk.refusal();
  std::vector<std::string> problems;
  for (int m = 1; m <= 100; ++m) problems.push_back(fmt::format("gemm w4a8-g128 m={} n=256 k=1024", m));
  write_text(folder_ / "job.yaml", tiny_job(problems));
  const std::vector<std::string> command{"tune",    folder_ / "job.yaml", "--db",   disk / "tune.db",
                                         "--cache", QOQTUNE_CACHE,        "--quiet"};
  size_t before = 0;
  for (const size_t kibibytes : {64, 512, 1024, 2048}) {  // full while the schema is made, then among the candidates
    disk.resize(kibibytes);
    EXPECT_SENTENCE(run(command), 1, (disk / "tune.db").string(), "full");
    const auto rows = checked_rows(disk / "tune.db");
    EXPECT_GE(rows.size(), before) << "nothing is lost";
    before = rows.size();
  }
  EXPECT_GT(before, 0u) << "the disk was always full: this shows nothing";
  disk.resize(16384);
  const Ran rest = run(command);
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_NE(rest.out.find(fmt::format("{} known before", before)), std::string::npos) << rest.out;
}

TEST_F(Database, ACacheThatCannotBeWritten) {
  NEEDS_NVRTC();
  write_text(folder_ / "file", "");
  EXPECT_SENTENCE(run({"tune", folder_ / "job.yaml", "--db", db(), "--cache", folder_ / "file"}), 1,
                  (folder_ / "file").string(), "cache");
  Disk disk(96);
  if (!disk.mounted()) GTEST_SKIP() << disk.refusal();
  EXPECT_SENTENCE(run({"tune", folder_ / "job.yaml", "--db", db(), "--cache", disk / "cache"}), 1,
                  (disk / "cache").string());
  EXPECT_EQ(checked_rows(db()), std::vector<std::string>{}) << "a full disk is no candidate's fault";
}

TEST_F(Database, ATruncatedCacheEntryIsCompiledAgainAndSaid) {
  NEEDS_NVRTC();
  const auto command = [&](const std::string& database) {
    return std::vector<std::string>{"tune",    folder_ / "job.yaml", "--db",   folder_ / database,
                                    "--cache", folder_ / "cache",    "--quiet"};
  };
  const Ran first = run(command("first.db"));
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.err, "");
  size_t cut = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "cache")) {
    if (entry.path().extension() != ".cubin") continue;
    fs::resize_file(entry.path(), fs::file_size(entry.path()) / 2);
    ++cut;
  }
  ASSERT_GT(cut, 0u);
  const Ran second = run(command("second.db"));
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(static_cast<size_t>(std::count(second.err.begin(), second.err.end(), '\n')), cut) << second.err;
  EXPECT_NE(second.err.find("was damaged"), std::string::npos) << second.err;
  EXPECT_NE(second.err.find((folder_ / "cache").string()), std::string::npos) << second.err;
  EXPECT_EQ(checked_rows(folder_ / "first.db"), checked_rows(folder_ / "second.db"));
  EXPECT_EQ(run(command("third.db")).err, "") << "whole again";
}

TEST_F(Database, TwoTunersOnOne) {
  NEEDS_NVRTC();
  write_text(folder_ / "job.yaml", long_job());
  Program first(tune(folder_.path(), {"--quiet"}));
  while (first.running() && !fs::exists(db() + ".lock")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const Ran second = run(tune(folder_.path(), {"--quiet"}));
  ASSERT_TRUE(first.running()) << "too quick to show anything";
  EXPECT_SENTENCE(second, 2, db(), "process ", "is tuning into this database");
  EXPECT_LT(second.seconds, 5);
  first.signal(SIGINT);
  const Ran ran = first.wait();
  EXPECT_EQ(ran.code, 130) << ran.err;
  EXPECT_EQ(ran.err, "") << "unharmed";
  checked_rows(db());
}

TEST_F(Database, ReportIntoAFolderThatCannotBeWritten) {
  make_database();
  write_text(folder_ / "file", "");
  EXPECT_SENTENCE(run({"report", "--db", db(), "--out", folder_ / "file"}), 1, (folder_ / "file").string());
  EXPECT_SENTENCE(run({"report", "--db", db(), "--out", folder_ / "file/below"}), 1, (folder_ / "file/below").string());
  EXPECT_SENTENCE(run({"report", "--db", db(), "--out", "/proc/qoqtune"}), 1, "/proc/qoqtune");
}

TEST_F(Database, SelectFromOneThatHoldsNothing) {
  { store::Store::open(db(), store::Mode::ReadWrite); }
  EXPECT_SENTENCE(run({"select", "--db", db()}), 1, db(), "no tuned problem");
  EXPECT_SENTENCE(run({"select", "--db", db(), "--gpu", "sim:h200"}), 2, db(), "sim:h200");
}

}  // namespace
}  // namespace qoq::cli
