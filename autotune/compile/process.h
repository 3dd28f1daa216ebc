#pragma once
#include <stop_token>
#include <string>
#include <vector>

namespace qoq::compile {

struct Finished {
  bool started = false;  ///< false when there is no such program
  bool stopped = false;  ///< ended by our stop or by anybody's signal
  int exit_code = -1;
  std::string output;  ///< standard output and error together
};

/// Runs a program (looked up on PATH) to its end, in a process group of its own: Ctrl-C on our terminal does not reach
/// it, a stop kills it with its children. Throws Fault::Work when the machine refuses a pipe or a process.
Finished run_process(const std::vector<std::string>& command, std::stop_token stop = {});

}  // namespace qoq::compile
