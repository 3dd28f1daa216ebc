#include <fmt/format.h>

#include <charconv>

#include "autotune/cli/command.h"
#include "autotune/doctor/judge.h"
#include "autotune/doctor/look.h"
#include "autotune/doctor/print.h"
#include "kernels/base/error.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("gpu", po::value<std::string>()->default_value("cuda:0")->value_name("cuda:N"),
                        "the attached GPU to look at");
  declare_cache(options);
  declare_format(options);
}

int index_of(const std::string& gpu) {
  int index = -1;
  const char* end = gpu.data() + gpu.size();
  if (!gpu.starts_with("cuda:") || std::from_chars(gpu.data() + 5, end, index).ptr != end || index < 0)
    bad_input("--gpu \"{}\" is no attached GPU; write cuda:0", gpu);
  return index;
}

int run(const Options& options) {
  const bool json = wants_json(options);
  const doctor::Findings findings = doctor::look(index_of(options["gpu"].as<std::string>()), cache_folder(options));
  const auto abilities = doctor::judge(findings);
  fmt::print("{}", json ? doctor::to_json(findings, abilities) + "\n" : doctor::to_text(findings, abilities));
  return 0;
}

}  // namespace

const Command doctor_command{
    "doctor", "says what works on this machine and how to mend what does not",    "", declare, run,
    false,    "Ends with exit code 0 whatever it finds, 2 for wrong arguments.\n"};

}  // namespace qoq::cli
