#include "autotune/compile/build_all.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "kernels/base/error.h"
#include "tests/autotune/compile/tiny_source.h"

namespace qoq::compile {
namespace {

/// What the pool does with a compiler that only counts: no real one is needed to see it.
class BuildAllTest : public testing::Test {
 protected:
  BuildAll build_all(int jobs, size_t group_size, const std::string& identity = "test compiler") {
    return {identity,
            headers_,
            cache_,
            jobs,
            group_size,
            [this](std::span<const Source* const> group, const std::filesystem::path& work, std::stop_token) {
              ++calls_;
              std::vector<Compiled> compiled(group.size());
              for (size_t i = 0; i < group.size(); ++i) {
                ++compiled_;
                if (group[i]->text == "fault") fail("the disk is full");
                compiled[i].build.ok = group[i]->text != "bad";
                compiled[i].build.log = "log of " + group[i]->text;
                compiled[i].object = work / fmt::format("{}.so", i);
                write_text(compiled[i].object, "object of " + group[i]->text);
              }
              return compiled;
            }};
  }

  static std::vector<Source> sources(std::initializer_list<const char*> texts) {
    std::vector<Source> all;
    for (const char* text : texts) all.push_back({text, {}});
    return all;
  }

  ScratchFolder folder_;
  Headers headers_;
  Cache cache_{folder_.path(), ".so"};
  std::atomic<int> calls_ = 0, compiled_ = 0;
};

TEST_F(BuildAllTest, AnswersInOrderAndCompilesEqualSourcesOnce) {
  const auto wanted = sources({"a", "b", "a", "bad", "c", "a"});
  std::vector<int> told(wanted.size());
  const auto here = std::this_thread::get_id();
  const auto builds = build_all(3, 2)(wanted,
                                      [&](size_t i, const Build&) {
                                        EXPECT_EQ(std::this_thread::get_id(), here);
                                        ++told[i];
                                      },
                                      {});
  EXPECT_EQ(compiled_, 4);
  EXPECT_EQ(told, std::vector<int>(wanted.size(), 1));
  ASSERT_EQ(builds.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(builds[i].ok, wanted[i].text != "bad");
    EXPECT_FALSE(builds[i].from_cache);
    EXPECT_EQ(builds[i].log, "log of " + wanted[i].text);
    if (!builds[i].ok) continue;
    EXPECT_EQ(text_of(builds[i].object), "object of " + wanted[i].text);
  }
  EXPECT_EQ(builds[0].key, builds[2].key);
}

TEST_F(BuildAllTest, SecondTimeComesFromTheCacheButFailuresAreTriedAgain) {
  build_all(2, 1)(sources({"a", "b", "bad"}), {}, {});
  const auto again = build_all(2, 1)(sources({"a", "b", "bad"}), {}, {});
  EXPECT_EQ(compiled_, 4);
  EXPECT_TRUE(again[0].from_cache);
  EXPECT_TRUE(again[1].from_cache);
  EXPECT_FALSE(again[2].ok);
  EXPECT_FALSE(again[2].from_cache);
}

TEST_F(BuildAllTest, AnotherCompilerDoesNotAnswer) {
  build_all(1, 1)(sources({"a"}), {}, {});
  EXPECT_FALSE(build_all(1, 1, "newer compiler")(sources({"a"}), {}, {})[0].from_cache);
}

TEST_F(BuildAllTest, ADamagedEntryIsCompiledAgainAndSaidSo) {
  const auto first = build_all(1, 1)(sources({"a"}), {}, {});
  write_text(first[0].object, "objec");
  const auto second = build_all(1, 1)(sources({"a"}), {}, {});
  EXPECT_TRUE(second[0].ok);
  EXPECT_FALSE(second[0].from_cache);
  EXPECT_NE(second[0].log.find("was damaged"), std::string::npos) << second[0].log;
  EXPECT_EQ(text_of(second[0].object), "object of a");
  EXPECT_TRUE(build_all(1, 1)(sources({"a"}), {}, {})[0].from_cache);
}

TEST_F(BuildAllTest, GroupsHoldAtMostTheirSizeAndKeepAllJobsBusy) {
  std::vector<Source> many;
  for (int i = 0; i < 20; ++i) many.push_back({fmt::format("source {}", i), {}});
  build_all(2, 16)(many, {}, {});
  EXPECT_EQ(calls_, 2);
}

TEST_F(BuildAllTest, AStopCancelsTheRest) {
  std::vector<Source> many;
  for (int i = 0; i < 50; ++i) many.push_back({fmt::format("source {}", i), {}});
  std::stop_source stop;
  int told = 0;
  const auto builds = build_all(1, 1)(
      many,
      [&](size_t, const Build&) {
        if (++told == 3) stop.request_stop();
      },
      stop.get_token());
  int cancelled = 0;
  for (const Build& build : builds) {
    EXPECT_NE(build.ok, build.cancelled);
    cancelled += build.cancelled;
  }
  EXPECT_EQ(told, 50 - cancelled);
}

TEST_F(BuildAllTest, StoppedBeforeItBeganCompilesNothing) {
  std::stop_source stop;
  stop.request_stop();
  const auto builds = build_all(2, 4)(sources({"a", "b"}), {}, stop.get_token());
  EXPECT_EQ(compiled_, 0);
  EXPECT_TRUE(builds[0].cancelled && builds[1].cancelled);
}

TEST_F(BuildAllTest, AFaultInAWorkerReachesTheCaller) {
  EXPECT_THROW(build_all(2, 1)(sources({"a", "fault", "b"}), {}, {}), Error);
}

TEST_F(BuildAllTest, AFaultInTheCallersHandlerDoesNotHang) {
  EXPECT_THROW(build_all(2, 1)(sources({"a", "b", "c"}), [](size_t, const Build&) { fail("no disk"); }, {}), Error);
}

}  // namespace
}  // namespace qoq::compile
