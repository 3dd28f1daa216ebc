#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "autotune/store/store.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::store {
namespace {

namespace fs = std::filesystem;
using testing::candidate;
using testing::Disk;
using testing::fault_of;
using testing::Folder;
using testing::open_with_problem;
using testing::simulated;

std::string open_fault(const fs::path& path, Mode mode) {
  return fault_of([&] { Store::open(path, mode); });
}

/// Runs `body` in a child; its exit status.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 99;
    try {
      code = body();
    } catch (...) {
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A child that holds the store open until it is killed.
pid_t hold_open(const fs::path& path) {
  int ready[2];
  if (::pipe(ready) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    Store store = open_with_problem(path);
    store.record(store.environment(simulated()), candidate(1));
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  return child;
}

void kill_and_wait(pid_t child) {
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(Open, SaysWhatIsWrongWithTheFile) {
  Folder folder;
  std::ofstream(folder / "text.db") << "model: llama-3-8b\n";
  std::ofstream(folder / "long.db") << std::string(100000, 'x');
  std::ofstream(folder / "empty.db");
  SQLite::Database((folder / "other.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
      .exec("CREATE TABLE photos (id INTEGER)");
  const std::string at = folder.path().string();
  for (const Mode mode : {Mode::ReadWrite, Mode::ReadOnly}) {
    EXPECT_EQ(open_fault(folder.path(), mode), "Input: " + at + ": is a folder, expected a database file");
    EXPECT_EQ(open_fault(folder / "text.db", mode), "Input: " + at + "/text.db: is not an SQLite database");
    EXPECT_EQ(open_fault(folder / "long.db", mode), "Input: " + at + "/long.db: is not an SQLite database");
    EXPECT_EQ(open_fault(folder / "other.db", mode),
              "Input: " + at + "/other.db: is an SQLite database of another program, not one of qoqtune");
  }
  EXPECT_EQ(open_fault(folder / "none.db", Mode::ReadOnly), "Input: " + at + "/none.db: no such database");
  EXPECT_EQ(open_fault(folder / "empty.db", Mode::ReadOnly),
            "Input: " + at + "/empty.db: is empty, holds nothing tuned yet");
  EXPECT_FALSE(fs::exists(folder / "none.db")) << "asking must not make a file";
  EXPECT_FALSE(fs::exists(folder / "other.db.lock")) << "nothing may be left beside another program's file";
  EXPECT_EQ(SQLite::Database((folder / "other.db").string()).execAndGet("PRAGMA journal_mode").getString(), "delete")
      << "another program's file must stay as it was";
  EXPECT_EQ(open_fault(folder / "text.db" / "tune.db", Mode::ReadWrite).substr(0, 6), "Work: ");
  EXPECT_EQ(open_fault(folder / "empty.db", Mode::ReadWrite), "");
  EXPECT_EQ(open_fault(folder / "new" / "folder" / "tune.db", Mode::ReadWrite), "");
}

TEST(Open, RefusesANewerSchema) {
  Folder folder;
  const fs::path path = folder / "tune.db";
  open_with_problem(path);
  SQLite::Database(path.string(), SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 12");
  for (const Mode mode : {Mode::ReadWrite, Mode::ReadOnly}) {
    EXPECT_EQ(open_fault(path, mode), "Input: " + path.string() +
                                          ": was written by a newer qoqtune (schema 12, this one knows 3): use that "
                                          "version, or another file");
  }
}

TEST(Open, SaysThatADamagedFileIsDamaged) {
  Folder folder;
  const fs::path path = folder / "tune.db";
  {
    Store store = open_with_problem(path);
    const int64_t here = store.environment(simulated());
    for (int i = 0; i < 200; ++i) store.record(here, candidate(i));
  }
  fs::resize_file(path, fs::file_size(path) / 2);
  const std::string fault = fault_of([&] { Store::open(path, Mode::ReadOnly).candidates({}); });
  EXPECT_EQ(fault.substr(0, fault.find(" (")), "Work: " + path.string() + ": is damaged");
}

TEST(Open, RefusesASecondWriterAtOnceAndNamesTheFirst) {
  Folder folder;
  const fs::path path = folder / "tune.db";
  const pid_t holder = hold_open(path);
  const auto start = std::chrono::steady_clock::now();
  const std::string fault = open_fault(path, Mode::ReadWrite);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_EQ(fault, "Input: " + path.string() + ": process " + std::to_string(holder) +
                       " is tuning into this database: wait for it, or use another file");
  fs::create_symlink(path, folder / "alias.db");
  EXPECT_NE(open_fault(folder / "alias.db", Mode::ReadWrite).find("is tuning into"), std::string::npos);
  EXPECT_EQ(Store::open(path, Mode::ReadOnly).candidates({}).size(), 1u) << "a reader works beside the writer";

  kill_and_wait(holder);
  EXPECT_EQ(Store::open(path, Mode::ReadOnly).candidates({}).size(), 1u) << "and after it was killed";
  Store store = Store::open(path, Mode::ReadWrite);
  EXPECT_EQ(store.candidates({}).size(), 1u);
  EXPECT_NE(open_fault(path, Mode::ReadWrite).find("is tuning into"), std::string::npos) << "in one process too";
}

TEST(Open, AReaderSeesEachRowAsItIsCommittedAndCannotWrite) {
  Folder folder;
  Store writer = open_with_problem(folder / "tune.db");
  const int64_t here = writer.environment(simulated());
  Store reader = Store::open(folder / "tune.db", Mode::ReadOnly);
  for (int i = 0; i < 5; ++i) {
    writer.record(here, candidate(i));
    EXPECT_EQ(reader.finished(here, testing::kProblem).size(), static_cast<size_t>(i + 1));
  }
  EXPECT_NE(fault_of([&] { reader.record(here, candidate(9)); }).find("opened for reading only"), std::string::npos);
}

TEST(Open, IsOneFileOnceClosed) {
  Folder folder;
  { open_with_problem(folder / "tune.db"); }
  EXPECT_FALSE(fs::exists(folder / "tune.db-wal"));
  fs::copy(folder / "tune.db", folder / "carried.db");
  EXPECT_EQ(Store::open(folder / "carried.db", Mode::ReadOnly).problems().size(), 1u);
}

/// Records until it fails; the number of rows committed and the fault.
std::pair<int, std::string> record_until_fault(Store& store, int64_t environment, int first, int limit) {
  int i = first;
  const std::string fault = fault_of([&] {
    for (; i < limit; ++i) store.record(environment, candidate(i));
  });
  return {i, fault};
}

TEST(FullDisk, KeepsEveryCommittedRowAndGoesOnWhenThereIsRoom) {
  Disk disk(1024);
  if (!disk.mounted()) GTEST_SKIP() << disk.refusal();
  const fs::path path = disk / "tune.db";
  Store store = open_with_problem(path);
  const int64_t here = store.environment(simulated());
  auto [committed, fault] = record_until_fault(store, here, 0, 100000);
  EXPECT_TRUE(fault.starts_with("Work: " + path.string() + ": the disk ")) << fault;
  EXPECT_NE(fault.find("every row committed before is kept"), std::string::npos) << fault;
  EXPECT_GT(committed, 10);
  EXPECT_EQ(Store::open(path, Mode::ReadOnly).candidates({}).size(), static_cast<size_t>(committed));
  EXPECT_EQ(store.candidates({}).size(), static_cast<size_t>(committed));

  disk.resize(8192);
  EXPECT_EQ(record_until_fault(store, here, committed, committed + 100).second, "");
  EXPECT_EQ(store.candidates({}).size(), static_cast<size_t>(committed) + 100);
}

TEST(FullDisk, AFileThatMayNotGrowLosesNoRow) {
  Folder folder;
  const fs::path path = folder / "tune.db";
  { open_with_problem(path); }
  const int committed = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{400000, 400000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Store store = Store::open(path, Mode::ReadWrite);
    const auto [rows, fault] = record_until_fault(store, store.environment(simulated()), 0, 90);
    return fault.find("every row committed before is kept") == std::string::npos ? 98 : rows;
  });
  ASSERT_LT(committed, 90) << "98: another message, 99: another exception";
  EXPECT_GT(committed, 0);
  EXPECT_EQ(Store::open(path, Mode::ReadOnly).candidates({}).size(), static_cast<size_t>(committed));
}

TEST(ReadOnlyDisk, CanBeReadButNotTunedInto) {
  Disk disk(4096);
  if (!disk.mounted()) GTEST_SKIP() << disk.refusal();
  const fs::path path = disk / "tune.db";
  {
    Store store = open_with_problem(path);
    store.record(store.environment(simulated()), candidate(1));
  }
  disk.make_read_only();
  EXPECT_EQ(open_fault(path, Mode::ReadWrite), "Work: " + path.string() + ": is read-only, cannot be tuned into");
  EXPECT_EQ(open_fault(disk / "new.db", Mode::ReadWrite).substr(0, 6), "Work: ");
  EXPECT_EQ(Store::open(path, Mode::ReadOnly).candidates({}).size(), 1u);
}

TEST(ReadOnlyDisk, ReadsWhatAKilledWriterLeft) {
  Disk disk(4096);
  if (!disk.mounted()) GTEST_SKIP() << disk.refusal();
  kill_and_wait(hold_open(disk / "tune.db"));
  ASSERT_GT(fs::file_size(disk / "tune.db-wal"), 0u);
  disk.make_read_only();
  EXPECT_EQ(Store::open(disk / "tune.db", Mode::ReadOnly).candidates({}).size(), 1u);
}

}  // namespace
}  // namespace qoq::store
