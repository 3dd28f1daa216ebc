#include "autotune/verify/two_runs.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/autotune/verify/tiny_family.h"

namespace qoq::verify {
namespace {

/// A machine whose kernel is a function over its memory.
class FakeMachine final : public Machine {
 public:
  using Memory = std::map<std::string, std::vector<std::byte>>;
  Memory memory;
  std::function<void(Memory&, int run)> kernel;
  int fails_in_run = -1;

  Addresses addresses() const override { return {}; }
  void write(const std::string& name, std::span<const std::byte> bytes) override {
    memory[name].assign(bytes.begin(), bytes.end());
  }
  void read(const std::string& name, std::span<std::byte> bytes) override {
    ASSERT_EQ(memory.at(name).size(), bytes.size());
    std::ranges::copy(memory.at(name), bytes.begin());
  }
  std::optional<Failure> run(const Plan&, const Arguments&, int run) override {
    if (run == fails_in_run) return Failure{Verdict::Status::Timeout, "did not end"};
    kernel(memory, run);
    return {};
  }
};

class TwoRuns : public testing::Test {
 protected:
  Verdict run(std::function<void(FakeMachine::Memory&, int)> kernel, int fails_in_run = -1) {
    const Problem problem = Problem::parse("tiny i32 n=64");
    const Point point = {{"fault", 0}};
    const auto operands = family_.make_case(problem, 7);
    auto buffers = family_.prepare(*operands, point);
    FakeMachine machine;
    machine.kernel = std::move(kernel);
    machine.fails_in_run = fails_in_run;
    machine.write("x", buffers[0].bytes);
    Verdict verdict;
    Plan plan = family_.plan(point, problem, {});
    plan.workspaces.push_back({"each", 8, 256, Workspace::Init::ZeroEach});
    const auto check = [&](const std::vector<Buffer>& results) { return family_.check(*operands, point, results); };
    run_twice(machine, check, plan, {}, buffers, verdict);
    return verdict;
  }

  static void correct(FakeMachine::Memory& memory) {
    for (size_t i = 0; i < memory.at("x").size(); i += 4) {
      int32_t x = 0;
      std::memcpy(&x, memory.at("x").data() + i, 4);
      const int32_t y = 3 * x + 1;
      std::memcpy(memory.at("y").data() + i, &y, 4);
    }
  }

  TinyFamily family_;
};

TEST_F(TwoRuns, ACorrectKernelIsOk) {
  const Verdict verdict = run([](auto& memory, int) { correct(memory); });
  EXPECT_EQ(verdict.status, Verdict::Status::Ok) << verdict.message;
  EXPECT_EQ(verdict.message, "");
}

TEST_F(TwoRuns, EverythingIsSetUpAfreshButWhatRestoresItself) {
  std::vector<std::byte> first_output;
  const Verdict verdict = run([&](auto& memory, int run) {
    EXPECT_EQ(memory.at("each"), std::vector<std::byte>(8));
    EXPECT_EQ(memory.at("counter"), std::vector<std::byte>(4));
    EXPECT_EQ(memory.at("scratch")[0], run == 0 ? std::byte{0xa5} : std::byte{0x5a});
    if (run == 0) first_output = memory.at("y");
    if (run == 1) {
      for (size_t i = 0; i < first_output.size(); ++i) EXPECT_EQ(memory.at("y")[i], ~first_output[i]);
    }
    memory.at("each")[0] = std::byte{1};
    correct(memory);
  });
  EXPECT_EQ(verdict.status, Verdict::Status::Ok) << verdict.message;
}

TEST_F(TwoRuns, AWrongSecondRunIsSeen) {
  const Verdict verdict = run([](auto& memory, int run) {
    correct(memory);
    if (run == 1) memory.at("y")[9] ^= std::byte{1};
  });
  EXPECT_EQ(verdict.status, Verdict::Status::Wrong);
  EXPECT_NE(verdict.message.find("two runs differ: byte 9 of 'y'"), std::string::npos) << verdict.message;
}

TEST_F(TwoRuns, ADirtyWorkspaceIsSeen) {
  const Verdict verdict = run([](auto& memory, int) {
    correct(memory);
    memory.at("counter")[2] = std::byte{5};
  });
  EXPECT_EQ(verdict.status, Verdict::Status::Wrong);
  EXPECT_NE(verdict.message.find("'counter' is not zero again after the launches: byte 2 is 5"), std::string::npos);
}

TEST_F(TwoRuns, AChangedInputIsSeen) {
  const Verdict verdict = run([](auto& memory, int run) {
    correct(memory);
    if (run == 1) memory.at("x")[0] ^= std::byte{1};
  });
  EXPECT_EQ(verdict.status, Verdict::Status::Wrong);
  EXPECT_NE(verdict.message.find("wrote to its input 'x'"), std::string::npos) << verdict.message;
}

TEST_F(TwoRuns, WhatIsReadAndWrittenBeginsAlikeAndComesBack) {
  const std::vector<std::byte> before{std::byte{3}, std::byte{4}};
  FakeMachine machine;
  machine.kernel = [&](FakeMachine::Memory& memory, int) {
    EXPECT_EQ(memory.at("pool"), before);
    memory.at("pool")[1] = std::byte{9};
  };
  std::vector<Buffer> buffers{{"pool", Buffer::Role::InOut, before}};
  Verdict verdict;
  const auto check = [](const std::vector<Buffer>& results) {
    return Check{results[0].bytes == std::vector<std::byte>{std::byte{3}, std::byte{9}}, 0, "not appended"};
  };
  run_twice(machine, check, {}, {}, buffers, verdict);
  EXPECT_EQ(verdict.status, Verdict::Status::Ok) << verdict.message;
}

TEST_F(TwoRuns, AWrongResultCarriesTheFamilysWords) {
  const Verdict verdict = run([](auto&, int) {});
  EXPECT_EQ(verdict.status, Verdict::Status::Wrong);
  EXPECT_EQ(verdict.max_error, 1.0);
  EXPECT_NE(verdict.message.find("y[0] is "), std::string::npos) << verdict.message;
}

TEST_F(TwoRuns, AFailureNamesItsRun) {
  const Verdict verdict = run([](auto& memory, int) { correct(memory); }, 1);
  EXPECT_EQ(verdict.status, Verdict::Status::Timeout);
  EXPECT_EQ(verdict.message, "run 2: did not end");
}

}  // namespace
}  // namespace qoq::verify
