#include "autotune/worker/protocol.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "kernels/families.h"
#include "tests/autotune/worker/scripted_gpu.h"

namespace qoq::worker {
namespace {

std::string failure_of(auto&& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Protocol, RequestReadsBackWhole) {
  Request request{7, Request::Kind::Race, {subject(answers), subject(hangs)}, {}, ~uint64_t{0}, 1};
  request.modes = {measure::Cache::Cold, measure::LaunchMode::Graph};
  request.subjects[0].object = "/cache/a b\"\n.cubin";
  const Request read = read_request(to_line(request));
  EXPECT_EQ(read.number, 7u);
  EXPECT_EQ(read.kind, Request::Kind::Race);
  EXPECT_EQ(read.modes, request.modes);
  EXPECT_EQ(read.seed, ~uint64_t{0});
  EXPECT_EQ(read.incumbent, 1u);
  ASSERT_EQ(read.subjects.size(), 2u);
  EXPECT_EQ(read.subjects[0].family, request.subjects[0].family);
  EXPECT_EQ(read.subjects[0].object, request.subjects[0].object);
  EXPECT_EQ(read.subjects[1].point, request.subjects[1].point);
  EXPECT_EQ(read.subjects[1].problem, request.subjects[1].problem);
  EXPECT_EQ(to_line(request).find('\n'), std::string::npos);
}

TEST(Protocol, DoublesKeepEveryBit) {
  measure::Sample sample;
  for (const double us : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, 123456.78901234567, 2.0})
    sample.samples_us.push_back(us);
  sample.throttled = 1ull << 63;
  const Answer read = read_answer(to_line(Answer{3, sample}));
  const auto& back = std::get<measure::Sample>(read.value);
  ASSERT_EQ(back.samples_us.size(), sample.samples_us.size());
  for (size_t i = 0; i < sample.samples_us.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint64_t>(back.samples_us[i]), std::bit_cast<uint64_t>(sample.samples_us[i])) << i;
  EXPECT_EQ(back.throttled, 1ull << 63);
}

TEST(Protocol, EveryFieldOfASampleGoesThrough) {
  const measure::Sample sample{{1, 2, 3}, 2, 0.5, true, "stability", 1980, 4, 5, 0.25, "none", true, true, true};
  const auto back = std::get<measure::Sample>(read_answer(to_line(Answer{1, sample})).value);
  EXPECT_EQ(back.samples_us, sample.samples_us);
  EXPECT_EQ(back.median_us, 2);
  EXPECT_EQ(back.relative_iqr, 0.5);
  EXPECT_TRUE(back.settled);
  EXPECT_EQ(back.stopped_by, "stability");
  EXPECT_EQ(back.sm_mhz, 1980);
  EXPECT_EQ(back.discarded, 4);
  EXPECT_EQ(back.throttled, 5u);
  EXPECT_EQ(back.gpu_s, 0.25);
  EXPECT_EQ(back.failure, "none");
  EXPECT_TRUE(back.timed_out);
  EXPECT_TRUE(back.context_lost);
  EXPECT_TRUE(back.transient);
}

TEST(Protocol, VerdictKeepsAnInfiniteErrorAndItsProblem) {
  verify::Verdict verdict;
  verdict.status = verify::Verdict::Status::Wrong;
  verdict.max_error = std::numeric_limits<double>::infinity();
  verdict.message = "broken \xff byte";
  verdict.problem = Problem::parse("gemm w4a8-g128 m=5 n=128 k=256");
  verdict.seed = ~uint64_t{0} - 1;
  const auto back = std::get<verify::Verdict>(read_answer(to_line(Answer{1, verdict})).value);
  EXPECT_EQ(back.status, verdict.status);
  EXPECT_EQ(back.max_error, verdict.max_error);
  EXPECT_EQ(back.message, "broken \xef\xbf\xbd byte");
  EXPECT_EQ(back.problem, verdict.problem);
  EXPECT_EQ(back.seed, verdict.seed);
}

TEST(Protocol, RefusesToWriteWhatIsNoNumber) {
  measure::Sample sample;
  sample.samples_us = {1, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_NE(failure_of([&] { to_line(Answer{1, sample}); }).find("a sample is nan"), std::string::npos);
  EXPECT_NE(failure_of([&] {
              to_line(Answer{1, Gpu::CrossCheck{1, std::numeric_limits<double>::infinity(), 1, ""}});
            }).find("activity_us is inf"),
            std::string::npos);
  counters::CounterReading reading;
  reading.values["cycles"] = -std::numeric_limits<double>::infinity();
  EXPECT_NE(failure_of([&] { to_line(Answer{1, reading}); }).find("cycles is -inf"), std::string::npos);
}

TEST(Protocol, SaysWhatIsWrongWithALine) {
  const std::string good = to_line(Request{1, Request::Kind::Time, {subject(answers)}, {}, 0, 0});
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string line = good;
    const size_t at = line.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    line.replace(at, from.size(), to);
    return failure_of([&] { read_request(line); });
  };
  EXPECT_EQ(failure_of([&] { read_request(good); }), "");
  EXPECT_NE(failure_of([&] { read_request(good.substr(0, good.size() / 2)); }).find("not JSON"), std::string::npos);
  EXPECT_NE(failure_of([&] { read_request(""); }).find("not JSON"), std::string::npos);
  EXPECT_NE(failure_of([&] { read_request("[1]"); }).find("expected an object"), std::string::npos);
  EXPECT_NE(failure_of([&] { read_request("{}"); }).find("\"number\" is missing"), std::string::npos);
  EXPECT_NE(changed("\"time\"", "\"sing\"").find("nobody can answer"), std::string::npos);
  EXPECT_NE(changed("\"gemm/mma\"", "\"gemm/none\"").find("gemm/mma"), std::string::npos);
  EXPECT_NE(changed("\"act\":0", "\"act\":99999999999").find("out of range"), std::string::npos);
  EXPECT_NE(changed("\"act\":0", "\"act\":0.5").find("another kind"), std::string::npos);
  EXPECT_NE(changed("\"seed\":0", "\"seed\":-1").find("\"seed\""), std::string::npos);
  EXPECT_NE(changed("\"incumbent\":0", "\"incumbent\":1").find("\"incumbent\" is 1 of 1"), std::string::npos);
}

TEST(Protocol, SaysWhatIsWrongWithAnAnswer) {
  const std::string good = to_line(Answer{1, measure::Sample{}});
  EXPECT_EQ(failure_of([&] { read_answer(good); }), "");
  EXPECT_NE(failure_of([&] { read_answer(R"({"number":1})"); }).find("no known kind"), std::string::npos);
  std::string line = good;
  line.replace(line.find("\"median_us\":0.0"), 15, "\"median_us\":1e999");
  EXPECT_NE(failure_of([&] { read_answer(line); }).find("not JSON"), std::string::npos);
  line = good;
  line.replace(line.find("\"median_us\":0.0"), 15, "\"median_us\":null");
  EXPECT_NE(failure_of([&] { read_answer(line); }).find("\"median_us\" is null"), std::string::npos);
}

TEST(Protocol, AnAnswerFitsItsRequestOnly) {
  const Request time{4, Request::Kind::Time, {subject(answers)}, {}, 0, 0};
  const Request race{4, Request::Kind::Race, {subject(answers), subject(answers)}, {}, 0, 0};
  const Request verify{4, Request::Kind::Verify, {subject(answers)}, {}, 0, 0};
  const Request check{4, Request::Kind::CrossCheck, {subject(answers)}, {}, 0, 0};
  const Request count{4, Request::Kind::Count, {subject(answers)}, {}, 0, 0};
  EXPECT_TRUE((Answer{4, measure::Sample{}}).answers(time));
  EXPECT_FALSE((Answer{5, measure::Sample{}}).answers(time));
  EXPECT_FALSE((Answer{4, measure::Sample{}}).answers(race));
  EXPECT_TRUE((Answer{4, verify::Verdict{}}).answers(verify));
  EXPECT_TRUE((Answer{4, Gpu::CrossCheck{}}).answers(check));
  EXPECT_TRUE((Answer{4, counters::CounterReading{}}).answers(count));
  const Request baselines{4, Request::Kind::Baselines, {subject(answers)}, {}, 0, 0};
  EXPECT_TRUE((Answer{4, baselines::BaselineRun{}}).answers(baselines));
  EXPECT_TRUE((Answer{4, Failure{}}).answers(race));
  measure::RaceResult result;
  result.samples.resize(2);
  EXPECT_FALSE((Answer{4, result}).answers(race));
  result.left_after.resize(2);
  EXPECT_TRUE((Answer{4, result}).answers(race));
}

}  // namespace
}  // namespace qoq::worker
