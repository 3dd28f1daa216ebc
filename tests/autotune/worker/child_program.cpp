// A child process for the tests, as `qoqtune worker` is one, but with a scripted GPU. Its first argument says how it
// starts; the last four are "--in N --out N".
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "autotune/worker/client.h"
#include "autotune/worker/open_gpu.h"
#include "autotune/worker/server.h"
#include "tests/autotune/worker/scripted_gpu.h"

namespace {

using namespace qoq;
using namespace qoq::worker;

/// False the first time for a file, and then makes it.
bool again(const char* file) {
  const int made = ::open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (made >= 0) ::close(made);
  return made < 0;
}

/// A parent to be killed: prints its child's process, then waits for an answer that does not come.
[[noreturn]] void be_parent(const char* program) {
  Worker worker({program, "normal"});
  std::printf("%ld\n", static_cast<long>(worker.process()));
  std::fflush(stdout);
  worker.time(subject(hangs), {});
  std::exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string start = arguments[1];
  if (start == "parent") be_parent(arguments[0]);
  const int line = std::atoi(arguments[count - 1]);
  const bool second = (start == "dies-later" || start == "moves-later") && again(arguments[2]);
  if (start == "dies" || (start == "dies-later" && second)) {
    std::fprintf(stderr, "libcuda: cannot open\n");
    std::abort();
  }
  if (start == "silent") {
    for (;;) ::pause();
  }
  if (start == "babbles") {
    if (::write(line, "Hello, world\n", 13) != 13) return 1;
    for (;;) ::pause();
  }
  const std::string uuid = start == "moves-later" && second ? "GPU-b" : "GPU-a";
  const auto open = [&]() -> std::unique_ptr<Gpu> {
    if (start.starts_with("recorded:")) return open_gpu(start, "");
    if (start == "no-gpu") fail("no CUDA driver: libcuda.so.1 is missing");
    return std::make_unique<ScriptedGpu>(uuid, line);
  };
  return static_cast<int>(run_child(open, line, line));
}
