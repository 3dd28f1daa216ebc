#include "autotune/worker/server.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "autotune/worker/lines.h"
#include "autotune/worker/parent_watch.h"

namespace qoq::worker {

namespace {

decltype(Answer::value) ask(Gpu& gpu, const Request& request) {
  const measure::Subject& subject = request.subjects.front();
  switch (request.kind) {
    case Request::Kind::Verify:
      return gpu.verify(subject, request.seed);
    case Request::Kind::Time:
      return gpu.time(subject, request.modes);
    case Request::Kind::Race:
      return gpu.race(request.subjects, request.incumbent, request.modes);
    case Request::Kind::CrossCheck:
      return gpu.cross_check(subject, request.modes);
    case Request::Kind::Count:
      return gpu.count(subject);
    case Request::Kind::Baselines:
      return gpu.run_baselines(subject, request.modes);
  }
  fail("a request of no known kind");
}

Answer answer(Gpu& gpu, const std::string& line) {
  Answer answer;
  try {
    const Request request = read_request(line);
    answer.number = request.number;
    answer.value = ask(gpu, request);
  } catch (const measure::ContextLost& lost) {
    answer.value = Failure{lost.what(), lost.fault(), lost.timed_out, true};
  } catch (const Error& error) {
    answer.value = Failure{error.what(), error.fault()};
  } catch (const std::exception& error) {
    answer.value = Failure{error.what()};
  }
  return answer;
}

/// The answer's line; where it cannot be written (an infinity), the failure that says so.
std::string line_of(const Answer& answer) {
  try {
    return to_line(answer);
  } catch (const Error& error) {
    return to_line(Answer{answer.number, Failure{error.what(), error.fault(), false, answer.context_lost()}});
  }
}

}  // namespace

ChildExit serve(Gpu& gpu, const Hello& hello, int in, int out) {
  if (!write_line(out, to_line(hello))) return ChildExit::Done;
  Lines lines;
  for (;;) {
    while (const auto line = lines.take()) {
      const Answer given = answer(gpu, *line);
      if (!write_line(out, line_of(given))) return ChildExit::Done;
      if (given.context_lost()) return ChildExit::ContextLost;
    }
    switch (lines.read_from(in)) {
      case Lines::Arrived::Bytes:
      case Lines::Arrived::Nothing:  // it blocks: there is always something
        break;
      case Lines::Arrived::Closed:
      case Lines::Arrived::TooMany:
        return ChildExit::Done;
    }
  }
}

ChildExit run_child(const std::function<std::unique_ptr<Gpu>()>& open, int in, int out) {
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(each, SIG_IGN);
  // The driver starts programs of its own (nvidia-modprobe); they must not hold the line to the parent open.
  for (const int each : {in, out}) ::fcntl(each, F_SETFD, FD_CLOEXEC);
  const ParentWatch watch(in);
  Hello hello{::getpid(), {}, {}};
  std::unique_ptr<Gpu> gpu;
  try {
    gpu = open();
    hello.gpu = gpu->uuid();
  } catch (const std::exception& error) {
    hello.failure = error.what();
    write_line(out, to_line(hello));
    return ChildExit::NoGpu;
  }
  const ChildExit end = serve(*gpu, hello, in, out);
  if (end == ChildExit::ContextLost) {
    std::fflush(nullptr);
    ::_exit(static_cast<int>(end));
  }
  return end;
}

}  // namespace qoq::worker
