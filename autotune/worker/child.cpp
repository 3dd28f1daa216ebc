#include "autotune/worker/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "kernels/base/error.h"

namespace qoq::worker {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int line_in_child = 3;
constexpr int patience_to_send_s = 10;
constexpr double patience_after_kill_s = 60;  // a driver takes its time to take down a hanging context
constexpr size_t tail_bytes = 4096, words_bytes = 500;

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// Rounded up, so that a wait never ends just before its time and turns into a busy one.
int ms_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

/// The same file under a number that the child's own descriptors do not take.
Descriptor out_of_the_way(Descriptor file) {
  Descriptor moved(::fcntl(file.get(), F_DUPFD_CLOEXEC, line_in_child + 1));
  if (moved.get() < 0) fail("cannot start a process: {}", std::strerror(errno));
  return moved;
}

std::string how(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("exited with code {}", WEXITSTATUS(status));
}

}  // namespace

Child::Child(std::vector<std::string> command, Log log) : log_to_(std::move(log)) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    fail("{} cannot be started: {}", command.at(0), std::strerror(errno));
  socket_ = Descriptor(ends[0]);
  const Descriptor socket = out_of_the_way(Descriptor(ends[1]));
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("{} cannot be started: {}", command.at(0), std::strerror(errno));
  log_ = Descriptor(ends[0]);
  const Descriptor log_end = out_of_the_way(Descriptor(ends[1]));
  ::fcntl(log_.get(), F_SETFL, O_NONBLOCK);
  const timeval patience{patience_to_send_s, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);

  for (const char* name : {"--in", "--out"}) {
    command.emplace_back(name);
    command.push_back(std::to_string(line_in_child));
  }
  start(command, socket.get(), log_end.get());
}

void Child::start(const std::vector<std::string>& command, int socket, int log) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, log, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, log, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, socket, line_in_child);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  const int problem = ::posix_spawnp(&process_, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (problem != 0) {
    process_ = -1;
    fail("{} cannot be started: {}", command[0], std::strerror(problem));
  }
}

Child::~Child() {
  if (process_ < 0 || gone_) return;
  socket_.close();
  ::kill(-process_, SIGKILL);
  ::kill(process_, SIGKILL);
  wait_until_gone(patience_after_kill_s);
}

bool Child::say(std::string line) { return write_line(socket_.get(), std::move(line)); }

Child::Heard Child::listen(double seconds) {
  const Clock::time_point deadline = after(seconds);
  for (bool over = false;;) {
    if (auto line = lines_.take()) return {Heard::What::Line, std::move(*line)};
    if (over) return {};
    // Looked at once more after the deadline: this process may have been stopped while the answer came.
    over = Clock::now() >= deadline;
    pollfd ends[] = {{socket_.get(), POLLIN, 0}, {log_.get(), POLLIN, 0}};
    if (::poll(ends, 2, ms_until(deadline)) < 0) continue;  // a signal
    if (ends[1].revents != 0) read_log();
    if (ends[0].revents == 0) continue;
    over = false;
    switch (lines_.read_from(socket_.get())) {
      case Lines::Arrived::Bytes:
      case Lines::Arrived::Nothing:
        break;
      case Lines::Arrived::Closed:
        return {Heard::What::Gone, std::string(lines_.rest())};
      case Lines::Arrived::TooMany:
        return {Heard::What::Unreadable, {}};
    }
  }
}

void Child::read_log() {
  std::array<char, 4096> buffer;
  // Not for ever: a child that only prints must still come to its deadline.
  for (int reads = 0; reads < 64 && log_.get() >= 0; ++reads) {
    const ssize_t got = ::read(log_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) log_.close();  // poll passes over a closed one
    if (got <= 0) return;
    const std::string_view said(buffer.data(), static_cast<size_t>(got));
    if (log_to_) log_to_(said);
    tail_ += said;
    if (tail_.size() > tail_bytes) tail_.erase(0, tail_.size() - tail_bytes);
  }
}

bool Child::wait_until_gone(double seconds) {
  const Clock::time_point deadline = after(seconds);
  for (auto pause = std::chrono::microseconds(100); !gone_;) {
    const bool over = Clock::now() >= deadline;
    const pid_t ended = ::waitpid(process_, &status_, WNOHANG);
    gone_ = ended == process_ || (ended < 0 && errno == ECHILD);
    read_log();  // a child that waits for its log to be read would not end
    if (gone_ || over) break;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(20'000));
  }
  return gone_;
}

std::string Child::end(double patience_s) {
  socket_.close();
  if (wait_until_gone(patience_s)) return how(status_);
  ::kill(-process_, SIGKILL);
  if (!wait_until_gone(patience_after_kill_s))
    fail("process {} does not end, although it was killed: the GPU's driver does not let it go", process_);
  return "did not end by itself and was killed";
}

std::string Child::last_words() const {
  std::string words = tail_.substr(tail_.size() - std::min(tail_.size(), words_bytes));
  // From a whole line on, where there is one; else at least from a whole character.
  if (words.size() < tail_.size()) {
    const size_t line = words.find('\n');
    size_t begin = line + 1 < words.size() && line != std::string::npos ? line + 1 : 0;
    while (begin < words.size() && (static_cast<unsigned char>(words[begin]) & 0xc0) == 0x80) ++begin;
    words.erase(0, begin);
  }
  while (!words.empty() && words.back() == '\n') words.pop_back();
  std::string joined;
  for (const char c : words) {
    if (c == '\n')
      joined += " / ";
    else if (c != '\r')
      joined += c;
  }
  return joined;
}

}  // namespace qoq::worker
