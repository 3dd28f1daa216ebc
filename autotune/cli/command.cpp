#include "autotune/cli/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <thread>

#include "kernels/base/error.h"

namespace qoq::cli {

namespace po = boost::program_options;

namespace {

constexpr const char* kCommandLine = "command line";  // no option's name has a space

std::string quoted(std::string_view word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_./:=,+@%").find(c) != std::string_view::npos;
  });
  if (plain) return std::string(word);
  std::string text(1, '\'');
  for (char c : word) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  text += '\'';
  return text;
}

}  // namespace

void keep_command_line(int count, char** arguments, Options& options) {
  std::string text = "qoqtune";
  for (int i = 0; i < count; ++i) text.append(" ").append(quoted(arguments[i]));
  options.insert({kCommandLine, po::variable_value(boost::any(text), false)});
}

std::string command_line(const Options& options) {
  return options.count(kCommandLine) != 0 ? options[kCommandLine].as<std::string>() : "";
}

bool wants_json(const Options& options) {
  const std::string format = options["format"].as<std::string>();
  if (format != "json" && format != "text") bad_input("--format {} is unknown; text or json", format);
  return format == "json";
}

void declare_format(po::options_description& options) {
  options.add_options()("format", po::value<std::string>()->default_value("text")->value_name("text|json"),
                        "how to print");
}

std::string cache_folder(const Options& options) {
  if (options.count("cache") != 0) return options["cache"].as<std::string>();
  if (const char* base = std::getenv("XDG_CACHE_HOME"); base != nullptr && *base != '\0')
    return std::string(base) + "/qoqtune";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.cache/qoqtune";
}

void declare_cache(po::options_description& options) {
  options.add_options()("cache", po::value<std::string>()->value_name("DIR"),
                        "where compiled kernels are kept (default: $XDG_CACHE_HOME/qoqtune or ~/.cache/qoqtune)");
}

std::optional<uint64_t> seed(const Options& options) {
  if (options.count("seed") == 0) return std::nullopt;
  const int64_t value = options["seed"].as<int64_t>();
  if (value < 0) bad_input("--seed {} is out of range, 0 or more", value);
  return static_cast<uint64_t>(value);
}

void declare_seed(po::options_description& options, const char* help) {
  options.add_options()("seed", po::value<int64_t>()->value_name("N"), help);
}

int ranged(const Options& options, const char* name, int least, int most) {
  const int value = options[name].as<int>();
  if (value < least || value > most) bad_input("--{} {} is out of range, {} to {}", name, value, least, most);
  return value;
}

int job_count(const Options& options) {
  const int jobs =
      options.count("jobs") != 0 ? options["jobs"].as<int>() : static_cast<int>(std::thread::hardware_concurrency());
  if (options.count("jobs") != 0 && (jobs < 1 || jobs > 1024)) bad_input("--jobs {} is out of range, 1 to 1024", jobs);
  return std::max(1, jobs);
}

void declare_jobs(po::options_description& options, const char* what) {
  options.add_options()("jobs,j", po::value<int>()->value_name("N"),
                        fmt::format("{} at once (default: one a processor)", what).c_str());
}

}  // namespace qoq::cli
