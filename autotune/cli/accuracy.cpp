#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>

#include "autotune/cli/command.h"
#include "autotune/cli/interrupt.h"
#include "kernels/accuracy/print.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/llama/read.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("folder", -1);
  options.add_options()("folder", po::value<std::vector<std::string>>()->composing()->value_name("DIR"),
                        "model folders; without one, synthetic models")(
      "family", po::value<std::vector<std::string>>()->composing()->value_name("F"),
      "of synthetic models: llama, mistral, qwen2 or qwen3; may be given several times (default: llama)")(
      "outliers", po::value<std::vector<double>>()->composing()->value_name("X"),
      "of synthetic models, as synthesize takes it; may be given several times (default: 1, 8, 32)")(
      "seeds", po::value<int>()->default_value(3)->value_name("N"), "1 to N, of weights and tokens")(
      "positions", po::value<int>()->default_value(1024)->value_name("N"), "scored, in sequences of 256")(
      "calibration-tokens", po::value<int>()->default_value(512)->value_name("N"), "that the transforms see")(
      "no-ablation", "only rounding to nearest and all of QoQ")("out", po::value<std::string>()->value_name("DIR"),
                                                                "also write accuracy.md and accuracy.json there");
  declare_jobs(options, "threads");
  declare_format(options);
}

llama::Family family_of(const std::string& name) {
  if (const auto family = llama::find_family(name)) return *family;
  bad_input("--family {} is unknown; llama, mistral, qwen2 or qwen3", name);
}

/// The folder's own name, with or without a slash behind it.
std::string name_of(const std::string& folder) {
  return (fs::path(folder) / "").lexically_normal().parent_path().filename().string();
}

std::vector<accuracy::Subject> subjects_of(const Options& options) {
  const int seeds = ranged(options, "seeds", 1, 1000);
  std::vector<accuracy::Subject> subjects;
  if (options.count("folder") != 0) {
    if (options.count("family") != 0 || options.count("outliers") != 0)
      bad_input("--family and --outliers are of synthetic models, and a model folder is given");
    const auto folders = options["folder"].as<std::vector<std::string>>();
    for (const std::string& folder : folders) {
      // Two of one name are told apart by their paths.
      const auto same = [&](const std::string& other) { return name_of(other) == name_of(folder); };
      const std::string name = std::ranges::count_if(folders, same) > 1 ? folder : name_of(folder);
      for (int seed = 1; seed <= seeds; ++seed)
        subjects.push_back({name, 0, static_cast<uint64_t>(seed), llama::read_model(folder)});
    }
    return subjects;
  }
  std::vector<std::string> families{"llama"};
  std::vector<double> outliers{1, 8, 32};
  if (options.count("family") != 0) families = options["family"].as<std::vector<std::string>>();
  if (options.count("outliers") != 0) outliers = options["outliers"].as<std::vector<double>>();
  for (const std::string& family : families) {
    for (const double strength : outliers) {
      for (int seed = 1; seed <= seeds; ++seed)
        subjects.push_back(accuracy::synthetic_subject(family_of(family), strength, static_cast<uint64_t>(seed)));
    }
  }
  return subjects;
}

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  return fmt::format("{}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

int run(const Options& options) {
  const bool as_json = wants_json(options);
  accuracy::StudySettings settings;
  settings.positions = ranged(options, "positions", 1, 1 << 20);
  settings.calibration = ranged(options, "calibration-tokens", 1, 1 << 16);
  settings.threads = job_count(options);
  const std::vector<accuracy::Subject> subjects = subjects_of(options);
  const std::vector<accuracy::Way> ways = accuracy::ways(options.count("no-ablation") == 0);
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  size_t done = 0;
  Interrupt interrupt;
  const auto rows = accuracy::run_study(
      subjects, ways, settings,
      [&](const std::string& what) {
        if (terminal) fmt::print(stderr, "\r\033[K{} of {}: {}", ++done, subjects.size() * ways.size(), what);
        std::fflush(stderr);
      },
      interrupt.token());
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (rows.size() < subjects.size() * ways.size()) {
    fmt::print(stderr, "stopped early; nothing was written\n");
    return interrupt.by_user() ? 130 : 1;
  }
  nlohmann::json json = accuracy::to_json(rows, settings);
  json["command"] = command_line(options);
  json["date"] = today();
  const std::string markdown =
      fmt::format("{}, by `{}`\n\n", today(), command_line(options)) + accuracy::to_markdown(rows, settings);
  fmt::print("{}", as_json ? json.dump(1) + "\n" : markdown);
  if (options.count("out") != 0) {
    const fs::path folder = options["out"].as<std::string>();
    write_file_atomically(folder / "accuracy.md", "# Accuracy of small models\n\n" + markdown);
    write_file_atomically(folder / "accuracy.json", json.dump(1) + "\n");
  }
  return 0;
}

}  // namespace

const Command accuracy_command{"accuracy", "what quantising costs a small model's next-token predictions", "[DIR …]",
                               declare, run};

}  // namespace qoq::cli
