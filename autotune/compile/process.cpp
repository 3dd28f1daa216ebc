#include "autotune/compile/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "kernels/base/error.h"

namespace qoq::compile {

namespace {

/// Starts the program with its output into `pipe_end`; 0 or an errno.
int spawn(const std::vector<std::string>& command, int pipe_end, pid_t& process) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, pipe_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, pipe_end, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;  // a program that waits for signals blocks them; the compiler must not inherit that
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  const int problem = ::posix_spawnp(&process, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return problem;
}

/// Reads until the writers are gone; a stop kills the group, which ends the writing.
std::string read_output(int pipe_end, pid_t process, const std::stop_token& stop) {
  std::string output;
  char buffer[4096];
  for (bool killed = false;;) {
    if (!killed && stop.stop_requested()) {
      ::kill(-process, SIGKILL);
      killed = true;
    }
    pollfd waiting{pipe_end, POLLIN, 0};
    if (::poll(&waiting, 1, 100) <= 0) continue;  // a timeout, to look at the stop, or an interruption
    const ssize_t got = ::read(pipe_end, buffer, sizeof buffer);
    if (got > 0) output.append(buffer, static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return output;
  }
}

}  // namespace

Finished run_process(const std::vector<std::string>& command, std::stop_token stop) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("{}: cannot be started: {}", command[0], std::strerror(errno));
  Finished finished;
  pid_t process = 0;
  const int problem = spawn(command, ends[1], process);
  ::close(ends[1]);
  if (problem != 0) {
    ::close(ends[0]);
    if (problem == ENOENT) return finished;
    fail("{}: cannot be started: {}", command[0], std::strerror(problem));
  }
  finished.started = true;
  finished.output = read_output(ends[0], process, stop);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  finished.stopped = WIFSIGNALED(status);
  if (WIFEXITED(status)) finished.exit_code = WEXITSTATUS(status);
  return finished;
}

}  // namespace qoq::compile
