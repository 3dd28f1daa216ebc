#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <sstream>

#include "autotune/cli/command.h"
#include "kernels/base/error.h"

namespace {

using namespace qoq;
namespace po = boost::program_options;

constexpr std::array commands{&cli::tune_command,       &cli::report_command,      &cli::select_command,
                              &cli::bandwidth_command,  &cli::serving_command,     &cli::compare_command,
                              &cli::rows_command,       &cli::replay_command,      &cli::ceilings_command,
                              &cli::gpus_command,       &cli::doctor_command,      &cli::verify_command,
                              &cli::inspect_command,    &cli::model_check_command, &cli::quantize_command,
                              &cli::synthesize_command, &cli::accuracy_command,    &cli::worker_command};

void print_help() {
  fmt::print(
      "qoqtune: generates W4A8 GEMM and KV4 attention kernels, tunes them on each GPU, explains and selects them\n\n");
  for (const cli::Command* command : commands) {
    if (!command->hidden)
      fmt::print("  qoqtune {:<30} {}\n", fmt::format("{} {}", command->name, command->arguments), command->summary);
  }
  fmt::print("\n  qoqtune COMMAND --help         what a command takes\n  qoqtune --version\n");
}

int run(const cli::Command& command, int count, char** arguments) {
  po::options_description described("Options");
  po::positional_options_description positional;
  described.add_options()("help,h", "this help");
  command.declare(described, positional);
  po::variables_map options;
  try {
    po::store(po::command_line_parser(count, arguments).options(described).positional(positional).run(), options);
    cli::keep_command_line(count, arguments, options);
    if (options.count("help") == 0) po::notify(options);
  } catch (const po::error& error) {
    bad_input("{}; see qoqtune {} --help", error.what(), command.name);
  }
  if (options.count("help") != 0) {
    std::ostringstream text;
    // Positional arguments are options to the library; people see them in the usage line.
    text << described;
    fmt::print("qoqtune {} {} [options]\n{}\n\n{}", command.name, command.arguments, command.summary, text.str());
    if (!command.notes.empty()) fmt::print("\n{}", command.notes);
    return 0;
  }
  return command.run(options);
}

int dispatch(int count, char** arguments) {
  const std::string_view name = count > 1 ? arguments[1] : "--help";
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return count > 1 ? 0 : 2;
  }
  if (name == "--version") {
    fmt::print("qoqtune {}\n", QOQ_VERSION);
    return 0;
  }
  const auto found =
      std::find_if(commands.begin(), commands.end(), [&](const cli::Command* c) { return c->name == name; });
  if (found == commands.end()) {
    std::string known;
    for (const cli::Command* command : commands) {
      if (!command->hidden) known += (known.empty() ? "" : ", ") + std::string(command->name);
    }
    bad_input("there is no command \"{}\"; there are: {}", name, known);
  }
  return run(**found, count - 1, arguments + 1);
}

}  // namespace

int main(int count, char** arguments) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on files' size is then a sentence, as a full disk is
  try {
    return dispatch(count, arguments);
  } catch (const qoq::Error& error) {
    fmt::print(stderr, "qoqtune: {}\n", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    fmt::print(stderr, "qoqtune: {}\n", error.what());
    return 1;
  }
}
