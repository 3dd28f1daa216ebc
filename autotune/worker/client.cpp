#include "autotune/worker/client.h"

#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

namespace qoq::worker {

namespace {

Patience patience_for(const WorkerLimits& limits, Request::Kind kind) {
  switch (kind) {
    case Request::Kind::Verify:
      return limits.verify;
    case Request::Kind::Time:
      return limits.time;
    case Request::Kind::Race:
      return limits.race;
    case Request::Kind::CrossCheck:
      return limits.cross_check;
    case Request::Kind::Count:
      return limits.count;
    case Request::Kind::Baselines:
      return limits.baselines;
  }
  return limits.time;
}

std::string with_last_words(std::string sentence, const Child& child) {
  const std::string words = child.last_words();
  return words.empty() ? sentence : sentence + "; its last words: " + words;
}

measure::Sample failed_sample(const Failure& failure) {
  measure::Sample sample;
  sample.failure = failure.message;
  sample.timed_out = failure.timed_out;
  return sample;
}

std::string shortened(const std::string& line) { return line.size() <= 80 ? line : line.substr(0, 80) + "…"; }

}  // namespace

void Worker::print_to_stderr(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

std::vector<std::string> worker_command(const std::string& target, const std::string& cache_folder) {
  return {"/proc/self/exe", "worker", "--gpu", target, "--cache", cache_folder};
}

Worker::Worker(std::vector<std::string> command, WorkerLimits limits, Child::Log log)
    : command_(std::move(command)), limits_(limits), log_(std::move(log)) {
  have_child();
}

Worker::~Worker() {
  if (!child_) return;
  try {
    child_->end(limits_.end_s);
  } catch (const Error&) {
    // It was told to end; whoever asked for this GPU has all answers.
  }
}

/// Why there is no child; nothing when there is.
std::optional<std::string> Worker::try_to_start() {
  auto child = std::make_unique<Child>(command_, log_);
  ++children_;
  process_ = child->process();
  const Child::Heard heard = child->listen(limits_.start_s);
  if (heard.what == Child::Heard::What::Late) {
    child->end(0);
    return with_last_words(fmt::format("it said nothing within {} s and was killed", limits_.start_s), *child);
  }
  if (heard.what != Child::Heard::What::Line) {
    const std::string how = child->end(limits_.end_s);
    return with_last_words("it " + how, *child);
  }
  Hello hello;
  try {
    hello = read_hello(heard.text);
  } catch (const Error& error) {
    child->end(0);
    return fmt::format("it said \"{}\" ({})", shortened(heard.text), error.what());
  }
  if (!hello.failure.empty()) {
    child->end(limits_.end_s);
    if (children_ == 1) fail("{}", hello.failure);  // there never was one, and there will be none in a second
    return hello.failure;
  }
  if (!uuid_.empty() && hello.gpu != uuid_) {
    child->end(limits_.end_s);
    fail("the GPU is lost: in place of {} there is now {}", uuid_, hello.gpu);
  }
  uuid_ = hello.gpu;
  child_ = std::move(child);
  return std::nullopt;
}

void Worker::have_child() {
  for (int failed = 0; !child_;) {
    const std::optional<std::string> why = try_to_start();
    if (!why) return;
    if (++failed >= limits_.starts) {
      fail("{}: {} processes in a row did not start to work on it; of the last: {}",
           uuid_.empty() ? "there is no GPU to work with" : "the GPU is lost", failed, *why);
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(limits_.rest_s));
  }
}

/// Kills a child for what it did, the end of a sentence.
Failure Worker::lose_child(const std::string& did, bool timed_out) {
  child_->end(0);
  Failure failure{with_last_words("the process that ran it " + did, *child_), Fault::Work, timed_out, true};
  child_.reset();
  return failure;
}

Answer Worker::hear(const Request& request, double seconds) {
  const Child::Heard heard = child_->listen(seconds);
  switch (heard.what) {
    case Child::Heard::What::Line:
      break;
    case Child::Heard::What::Late:
      return {request.number, lose_child(fmt::format("did not answer within {} s and was killed", seconds), true)};
    case Child::Heard::What::Gone:
      return {
          request.number,
          lose_child(child_->end(limits_.end_s) + (heard.text.empty() ? "" : " in the middle of its answer"), false)};
    case Child::Heard::What::Unreadable:
      return {request.number, lose_child("answered without end and was killed", false)};
  }
  std::string wrong;
  try {
    const Answer answer = read_answer(heard.text);
    if (answer.answers(request)) return answer;
    wrong = "it answers another request";
  } catch (const Error& error) {
    wrong = error.what();
  }
  return {request.number, lose_child(fmt::format("answered \"{}\", which cannot be read ({}), and was killed",
                                                 shortened(heard.text), wrong),
                                     false)};
}

Answer Worker::ask(Request request) {
  request.number = ++requests_;
  const std::string line = to_line(request);
  const Patience patience = patience_for(limits_, request.kind);
  have_child();
  // One that died between two requests is found out here: no variant is to blame.
  if (!child_->say(line)) {
    child_->end(0);
    child_.reset();
    have_child();
    child_->say(line);  // if not, it does not answer either
  }
  Answer answer = hear(request, patience.base_s + patience.each_s * static_cast<double>(request.subjects.size()));
  if (child_ && answer.context_lost()) {
    child_->end(limits_.end_s);
    child_.reset();
  }
  return answer;
}

template <class Value>
std::variant<Value, Failure> Worker::answer(Request request) {
  Answer answer = ask(std::move(request));
  if (auto* value = std::get_if<Value>(&answer.value)) return std::move(*value);
  auto& failure = std::get<Failure>(answer.value);
  // What is wrong with the request itself (an unknown family, a missing file) is not the variant's failure.
  if (failure.fault == Fault::Input) throw Error(Fault::Input, failure.message);
  return std::move(failure);
}

verify::Verdict Worker::verify(const measure::Subject& subject, uint64_t seed) {
  auto answered = answer<verify::Verdict>({0, Request::Kind::Verify, {subject}, {}, seed, 0});
  if (const auto* failure = std::get_if<Failure>(&answered)) {
    verify::Verdict verdict;
    verdict.status = failure->timed_out ? verify::Verdict::Status::Timeout : verify::Verdict::Status::LaunchFailed;
    verdict.where = "cuda";
    verdict.message = failure->message;
    verdict.seed = seed;
    verdict.problem = subject.problem;
    return verdict;
  }
  auto& verdict = std::get<verify::Verdict>(answered);
  verdict.context_lost = false;
  return verdict;
}

measure::Sample Worker::time(const measure::Subject& subject, measure::Modes modes) {
  auto answered = answer<measure::Sample>({0, Request::Kind::Time, {subject}, modes, 0, 0});
  if (const auto* failure = std::get_if<Failure>(&answered)) return failed_sample(*failure);
  auto& sample = std::get<measure::Sample>(answered);
  sample.context_lost = false;
  return sample;
}

measure::RaceResult Worker::race(std::span<const measure::Subject> subjects, size_t incumbent, measure::Modes modes) {
  auto answered =
      answer<measure::RaceResult>({0, Request::Kind::Race, {subjects.begin(), subjects.end()}, modes, 0, incumbent});
  if (const auto* failure = std::get_if<Failure>(&answered)) {
    measure::RaceResult result;
    result.winner = incumbent;
    measure::Sample none = failed_sample(*failure);
    none.failure.insert(0, measure::broken_off);  // by whom, nobody knows
    result.samples.assign(subjects.size(), none);
    result.left_after.assign(subjects.size(), 0);
    result.reason = "the race did not come to its end, the incumbent stays: " + failure->message;
    return result;
  }
  auto& result = std::get<measure::RaceResult>(answered);
  for (measure::Sample& sample : result.samples) sample.context_lost = false;
  return result;
}

Gpu::CrossCheck Worker::cross_check(const measure::Subject& subject, measure::Modes modes) {
  auto answered = answer<CrossCheck>({0, Request::Kind::CrossCheck, {subject}, modes, 0, 0});
  if (const auto* failure = std::get_if<Failure>(&answered)) return {.failure = failure->message};
  return std::get<CrossCheck>(std::move(answered));
}

counters::CounterReading Worker::count(const measure::Subject& subject) {
  auto answered = answer<counters::CounterReading>({0, Request::Kind::Count, {subject}, {}, 0, 0});
  if (const auto* failure = std::get_if<Failure>(&answered)) {
    counters::CounterReading reading;
    reading.reason = failure->message;
    return reading;
  }
  return std::get<counters::CounterReading>(std::move(answered));
}

baselines::BaselineRun Worker::run_baselines(const measure::Subject& subject, measure::Modes modes) {
  auto answered = answer<baselines::BaselineRun>({0, Request::Kind::Baselines, {subject}, modes, 0, 0});
  if (const auto* failure = std::get_if<Failure>(&answered)) {
    baselines::BaselineRun run;
    run.absent.push_back({"every library", "", false, "not measured: " + failure->message});
    return run;
  }
  auto& run = std::get<baselines::BaselineRun>(answered);
  run.context_lost = false;
  return run;
}

}  // namespace qoq::worker
