#include "kernels/base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "kernels/base/error.h"

namespace qoq {
namespace {

namespace fs = std::filesystem;

struct FileTest : testing::Test {
  FileTest() : folder(fs::temp_directory_path() / ("qoq_file_test." + std::to_string(getpid()))) {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  ~FileTest() override { fs::remove_all(folder); }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {})); }
  fs::path folder;
};

template <class Action>
std::pair<Fault, std::string> thrown_by(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return {error.fault(), error.what()};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST_F(FileTest, BytesComeBack) {
  std::string bytes("a\0b\r\n\xff", 6);
  write_file_atomically(folder / "x", bytes);
  EXPECT_EQ(read_file(folder / "x"), bytes);
  EXPECT_EQ(read_file_if_present(folder / "x"), bytes);
  write_file_atomically(folder / "x", "");
  EXPECT_EQ(read_file(folder / "x"), "");
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, MissingFoldersAreMade) {
  write_file_atomically(folder / "a" / "b" / "c", "deep");
  EXPECT_EQ(read_file(folder / "a" / "b" / "c"), "deep");
}

TEST_F(FileTest, FoldersAreSynced) {
  EXPECT_EQ(sync_folder_of(folder / "not-there-yet"), 0);
  EXPECT_EQ(sync_folder_of("beside-the-program"), 0);
  EXPECT_EQ(sync_folder_of(folder / "gone" / "x"), ENOENT);
  write_file_atomically(folder / "file", "");
  EXPECT_EQ(sync_folder_of(folder / "file" / "x"), ENOTDIR);
}

TEST_F(FileTest, AMissingFileIsBadInputThatNamesIt) {
  const auto [fault, what] = thrown_by([&] { read_file(folder / "none"); });
  EXPECT_EQ(fault, Fault::Input);
  EXPECT_NE(what.find((folder / "none").string()), std::string::npos);
  EXPECT_EQ(read_file_if_present(folder / "none"), std::nullopt);
}

TEST_F(FileTest, AFolderIsNotAFile) {
  EXPECT_EQ(thrown_by([&] { read_file(folder); }).first, Fault::Input);
  EXPECT_EQ(thrown_by([&] { read_file_if_present(folder); }).first, Fault::Input);
}

TEST_F(FileTest, AnUnwritablePlaceIsAFaultAndLeavesNothing) {
  write_file_atomically(folder / "file", "");
  const auto [fault, what] = thrown_by([&] { write_file_atomically(folder / "file" / "below", "x"); });
  EXPECT_EQ(fault, Fault::Work);
  EXPECT_NE(what.find("below"), std::string::npos);
  fs::create_directory(folder / "taken");  // a rename over a folder fails after the writing
  EXPECT_EQ(thrown_by([&] { write_file_atomically(folder / "taken", "x"); }).first, Fault::Work);
  EXPECT_EQ(files(), 2u);
}

TEST_F(FileTest, AFullDiskIsAFaultAndKeepsTheOldBytes) {
  write_file_atomically(folder / "x", "old");
  // A limit on file sizes stands in for the disk: write() fails half way.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto [fault, what] = thrown_by([&] { write_file_atomically(folder / "x", std::string(10000, 'n')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(fault, Fault::Work);
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, ReadersSeeOneVersionOrAnother) {
  const fs::path path = folder / "x";
  const auto version = [](int i) { return std::string(20000, static_cast<char>('a' + i)); };
  write_file_atomically(path, version(0));
  std::vector<std::thread> writers;
  for (int w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 20; ++i) write_file_atomically(path, version(2 * i % 20 + w));
    });
  }
  for (int i = 0; i < 200; ++i) {
    const std::string seen = read_file(path);
    ASSERT_EQ(seen.size(), 20000u);
    ASSERT_EQ(seen.find_first_not_of(seen[0]), std::string::npos);
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace qoq
