#include "autotune/worker/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "autotune/worker/descriptor.h"
#include "autotune/worker/lines.h"
#include "tests/autotune/worker/scripted_gpu.h"

namespace qoq::worker {
namespace {

/// serve() on a thread of this process; the test speaks its lines itself.
class Server : public ::testing::Test {
 protected:
  Server() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    here_ = Descriptor(ends[0]);
    there_ = Descriptor(ends[1]);
    thread_ = std::thread([this] {
      ScriptedGpu gpu("GPU-a", there_.get());
      end_ = serve(gpu, Hello{1, "GPU-a", ""}, there_.get(), there_.get());
      there_.close();
    });
  }
  ~Server() override { finish(); }

  ChildExit finish() {
    here_.close();
    if (thread_.joinable()) thread_.join();
    return end_;
  }
  std::string next() {
    for (;;) {
      if (auto line = lines_.take()) return *line;
      if (lines_.read_from(here_.get()) != Lines::Arrived::Bytes) return "closed";
    }
  }

  Descriptor here_, there_;
  Lines lines_;
  ChildExit end_ = ChildExit::NoGpu;
  std::thread thread_;
};

TEST_F(Server, SaysHelloAndAnswersInTurn) {
  EXPECT_EQ(read_hello(next()).gpu, "GPU-a");
  const std::string two = to_line(Request{1, Request::Kind::Time, {subject(answers)}, {}, 0, 0}) + "\n" +
                          to_line(Request{2, Request::Kind::Verify, {subject(wrong_output)}, {}, 9, 0});
  ASSERT_TRUE(write_line(here_.get(), two));
  EXPECT_EQ(std::get<measure::Sample>(read_answer(next()).value).samples_us.size(), 300u);
  const Answer second = read_answer(next());
  EXPECT_EQ(second.number, 2u);
  EXPECT_EQ(std::get<verify::Verdict>(second.value).seed, 9u);
  EXPECT_EQ(finish(), ChildExit::Done);
}

TEST_F(Server, WhatTheGpuThrowsIsAnAnswer) {
  next();
  ASSERT_TRUE(write_line(here_.get(), to_line(Request{1, Request::Kind::Count, {subject(throws_work)}, {}, 0, 0})));
  EXPECT_EQ(std::get<Failure>(read_answer(next()).value).message, "no room for its operands");
  ASSERT_TRUE(write_line(here_.get(), "nonsense"));
  EXPECT_NE(std::get<Failure>(read_answer(next()).value).message.find("not JSON"), std::string::npos);
  ASSERT_TRUE(write_line(here_.get(), to_line(Request{3, Request::Kind::Time, {subject(infinite)}, {}, 0, 0})));
  EXPECT_NE(std::get<Failure>(read_answer(next()).value).message.find("median_us is inf"), std::string::npos);
  EXPECT_EQ(finish(), ChildExit::Done);
}

TEST_F(Server, EndsAfterTheAnswerThatTheContextIsLost) {
  next();
  ASSERT_TRUE(write_line(here_.get(), to_line(Request{1, Request::Kind::Verify, {subject(throws_lost)}, {}, 0, 0})));
  EXPECT_TRUE(read_answer(next()).context_lost());
  EXPECT_EQ(next(), "closed");
  EXPECT_EQ(finish(), ChildExit::ContextLost);
}

TEST_F(Server, HalfALineIsNotServed) {
  next();
  ASSERT_EQ(::write(here_.get(), "{\"number\":", 10), 10);
  ASSERT_EQ(::shutdown(here_.get(), SHUT_WR), 0);
  EXPECT_EQ(next(), "closed");
  EXPECT_EQ(finish(), ChildExit::Done);
}

}  // namespace
}  // namespace qoq::worker
