#include "autotune/compile/cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "tests/autotune/compile/tiny_source.h"

namespace qoq::compile {
namespace {

namespace fs = std::filesystem;

Build some_build() {
  Build build;
  build.ok = true;
  build.log = "what the compiler said\n";
  build.compile_ms = 12.5;
  build.entries["entry"] = {40, 128, 8, 4, 16};
  return build;
}

class CacheTest : public testing::Test {
 protected:
  Build store(const std::string& key, const std::string& object_bytes = std::string(5000, 'x')) {
    const TemporaryFolder work = cache_.work_folder();
    write_text(work.path() / "made.so", object_bytes);
    return cache_.store(key, "the source", work.path() / "made.so", some_build());
  }

  ScratchFolder folder_;
  Cache cache_{folder_.path() / "cache", ".so"};
  const std::string key_ = digest("some key");
};

TEST_F(CacheTest, GivesBackWhatWasStored) {
  EXPECT_FALSE(cache_.find(key_).build);
  EXPECT_EQ(cache_.find(key_).damage, "");
  const Build stored = store(key_);
  const auto found = cache_.find(key_);
  ASSERT_TRUE(found.build);
  EXPECT_TRUE(found.build->ok);
  EXPECT_TRUE(found.build->from_cache);
  EXPECT_EQ(found.build->key, key_);
  EXPECT_EQ(found.build->object, stored.object);
  EXPECT_EQ(found.build->log, some_build().log);
  EXPECT_EQ(found.build->compile_ms, 12.5);
  EXPECT_EQ(found.build->entries, some_build().entries);
  EXPECT_EQ(text_of(found.build->object.parent_path() / "source.cu"), "the source");
  EXPECT_EQ(text_of(found.build->object.parent_path() / "log.txt"), some_build().log);
}

TEST_F(CacheTest, DamageIsNoticedWhereverItIs) {
  for (const char* file : {"object.so", "build.json", "log.txt"}) {
    for (const bool truncated : {true, false}) {
      const Build stored = store(key_);
      const fs::path damaged = stored.object.parent_path() / file;
      std::string text = text_of(damaged);
      if (truncated) {
        text.resize(text.size() / 2);
      } else {
        text[text.size() / 2] ^= 4;
      }
      write_text(damaged, text);
      const auto found = cache_.find(key_);
      EXPECT_FALSE(found.build) << file;
      EXPECT_NE(found.damage.find("damaged"), std::string::npos) << file << ": " << found.damage;
      store(key_);
      EXPECT_TRUE(cache_.find(key_).build) << "a damaged entry must be replaced: " << file;
    }
  }
}

TEST_F(CacheTest, MissingPartsAreDamage) {
  for (const char* file : {"object.so", "build.json", "log.txt"}) {
    fs::remove(store(key_).object.parent_path() / file);
    const auto found = cache_.find(key_);
    EXPECT_FALSE(found.build);
    EXPECT_NE(found.damage, "") << file;
    store(key_);
    EXPECT_TRUE(cache_.find(key_).build) << file;
  }
}

TEST_F(CacheTest, StoringTwiceKeepsOneAndLeavesNothingBehind) {
  store(key_);
  store(key_);
  EXPECT_TRUE(cache_.find(key_).build);
  EXPECT_TRUE(fs::is_empty(folder_.path() / "cache/tmp"));
}

TEST_F(CacheTest, KillInTheMiddleOfAWriteLeavesNothingThatLooksWhole) {
  std::mt19937 random(std::random_device{}());
  const fs::path drafts = folder_.path() / "cache/tmp";
  int stored_in_all = 0, abandoned = 0;
  // 20 kills, and more where chance has not yet put one behind a store and one into the middle of one.
  for (int round = 0; round < 20 || (round < 500 && (stored_in_all == 0 || abandoned == 0)); ++round) {
    const int count = 400;
    const auto key = [round](int i) { return digest(fmt::format("{} {}", round, i)); };
    const auto object = [](int i) { return std::string(20000, static_cast<char>('a' + i % 26)); };
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0; i < count; ++i) store(key(i), object(i));
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (int i = 0; i < count; ++i) {
      const auto found = cache_.find(key(i));
      EXPECT_EQ(found.damage, "") << "half an entry was published";
      if (!found.build) continue;
      ++stored_in_all;
      EXPECT_EQ(text_of(found.build->object), object(i));
    }
    if (fs::exists(drafts) && !fs::is_empty(drafts)) ++abandoned;
    fs::remove_all(drafts);
  }
  EXPECT_GT(stored_in_all, 0) << "no kill came after a store: the test showed nothing";
  EXPECT_GT(abandoned, 0) << "no kill came in the middle of a store: the test showed nothing";
}

TEST_F(CacheTest, AbandonedDraftsAreRemovedAfterADay) {
  const fs::path fresh = folder_.path() / "cache/tmp/fresh", old = folder_.path() / "cache/tmp/old";
  fs::create_directories(fresh);
  fs::create_directories(old);
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(30));
  const Cache again(folder_.path() / "cache", ".so");
  EXPECT_TRUE(fs::exists(fresh));
  EXPECT_FALSE(fs::exists(old));
}

TEST_F(CacheTest, AFolderThatCannotBeMadeIsOneSentence) {
  write_text(folder_.path() / "file", "in the way");
  try {
    const Cache cache(folder_.path() / "file/cache", ".so");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Work);
    EXPECT_NE(std::string(error.what()).find("file/cache: the cache folder cannot be made"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace qoq::compile
