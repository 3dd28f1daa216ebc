#pragma once
#include <boost/program_options.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::cli {

/// What a command was called with.
using Options = boost::program_options::variables_map;

/// One command of the program: what it is for, what it takes, what it does. `run` returns the exit code: 0 done, 1 the
/// work failed, 2 bad usage or input, 3 a regression was found, 4 unclear.
struct Command {
  std::string_view name;
  std::string_view summary;
  std::string_view arguments;  ///< positional ones, for the usage line: "JOB.yaml"
  void (*declare)(boost::program_options::options_description& options,
                  boost::program_options::positional_options_description& positional);
  int (*run)(const Options& options);
  bool hidden = false;          ///< for the program itself: described by its own --help only
  std::string_view notes = {};  ///< what the command's help says after its options: whole lines
};

/// Every command, in the order of the help. A new one is a file in this folder and a line in main.cpp.
extern const Command gpus_command, doctor_command, tune_command, verify_command, inspect_command, report_command,
    select_command, bandwidth_command, serving_command, compare_command, rows_command, replay_command, ceilings_command,
    model_check_command, quantize_command, synthesize_command, accuracy_command, worker_command;

/// What the user typed, quoted where a shell needs it: "qoqtune tune job.yaml --gpu sim:h200".
std::string command_line(const Options& options);
/// Puts that into the options, under a name that no option can have. `arguments` begin with the command's name.
void keep_command_line(int count, char** arguments, Options& options);

/// "--format json|text", checked.
bool wants_json(const Options& options);
void declare_format(boost::program_options::options_description& options);

/// The folder of compiled kernels: --cache, else $XDG_CACHE_HOME/qoqtune, else ~/.cache/qoqtune.
std::string cache_folder(const Options& options);
void declare_cache(boost::program_options::options_description& options);

/// --seed; nothing when it was not given.
std::optional<uint64_t> seed(const Options& options);
void declare_seed(boost::program_options::options_description& options, const char* help);

/// An option that is a whole number of least … most. Throws Fault::Input with the range.
int ranged(const Options& options, const char* name, int least, int most);

/// --jobs, else the number of processors.
int job_count(const Options& options);
void declare_jobs(boost::program_options::options_description& options, const char* what = "compilers and proofs");

}  // namespace qoq::cli
