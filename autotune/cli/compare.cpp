#include "autotune/compare/compare.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "autotune/cli/reading.h"
#include "kernels/base/error.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("before", 1).add("after", 1);
  options.add_options()("before", po::value<std::string>()->value_name("A.db"), "the database to compare with")(
      "after", po::value<std::string>()->value_name("B.db"), "the database that may be slower")(
      "gpu", po::value<std::string>()->default_value("")->value_name("GPU"), "only this target: sim:h200, cuda:0")(
      "tie", po::value<std::string>()->default_value("1%")->value_name("P%"),
      "times this close are the same: 1%, or 0.01");
  declare_format(options);
}

/// "1%" or "0.01" as a share.
double read_tie(const std::string& text) {
  double value = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const bool percent = stop + 1 == end && *stop == '%';
  if (percent) value /= 100;
  if (error != std::errc() || (stop != end && !percent) || !(value >= 0 && value <= 0.5))
    bad_input("--tie {} is no tie, expected such as 1% or 0.01, at most 50%", text);
  return value;
}

int run(const Options& options) {
  if (options.count("before") == 0 || options.count("after") == 0) bad_input("compare needs two databases: A.db B.db");
  const bool as_json = wants_json(options);
  const compare::Settings settings{.tie = read_tie(options["tie"].as<std::string>()),
                                   .target = options["gpu"].as<std::string>()};
  const std::string first = options["before"].as<std::string>(), second = options["after"].as<std::string>();
  const store::Store before = store::Store::open(first, store::Mode::ReadOnly);
  const store::Store after = store::Store::open(second, store::Mode::ReadOnly);
  if (std::filesystem::equivalent(first, second)) bad_input("{} and {} are the same file", first, second);
  if (!settings.target.empty()) {
    for (const store::Store* store : {&before, &after}) targets_of(*store, settings.target);
  }
  const compare::Comparison comparison = compare::compare(before, after, settings);
  fmt::print("{}", as_json ? compare::to_json(comparison).dump(2) + "\n" : compare::to_text(comparison));
  return comparison.exit_code();
}

constexpr std::string_view notes =
    "Of each GPU product, cache mode and launch mode that both have, the environments used last are compared, problem\n"
    "by problem, best row by best row: the winner of the problem's race, else the fastest. Measured rows are slower\n"
    "or faster when the 99 % interval of B/A lies wholly outside the tie; predicted rows are compared exactly, with\n"
    "predicted ones only.\n\n"
    "Exit codes: 0 nothing is slower · 3 something is slower · 4 nothing is slower, but something is unclear, or\n"
    "only in A (its kernels no longer compile, or were never run in B), or nothing could be compared · 2 bad usage or\n"
    "input · 1 the work failed. What is only in B is new and changes no exit code.\n";

}  // namespace

const Command compare_command{
    "compare", "is B slower than A? each problem's best kernel, by intervals", "A.db B.db", declare, run, false, notes};

}  // namespace qoq::cli
