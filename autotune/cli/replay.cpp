#include "autotune/replay/replay.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "autotune/cli/exported.h"
#include "autotune/cli/reading.h"
#include "autotune/cli/replay_document.h"
#include "autotune/interchange/t4.h"
#include "autotune/replay/print.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

constexpr int most_seeds = 100'000;

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("file", -1);
  options.add_options()("file", po::value<std::vector<std::string>>()->composing()->value_name("FILE.T4.json"),
                        "recorded tuning spaces, plain or .gz")(
      "db", po::value<std::string>()->value_name("FILE"), "or a database that tune wrote: each problem is a space")(
      "gpu", po::value<std::string>()->default_value("")->value_name("GPU"), "of the database, only this target")(
      "problem", po::value<std::string>()->default_value("")->value_name("P"), "of the database, only this problem")(
      "strategy", po::value<std::vector<std::string>>()->composing()->value_name("S"),
      "may be given several times (default: random, local, evolutionary)")(
      "seeds", po::value<int>()->default_value(50)->value_name("N"), "searches of each strategy on each space")(
      "out", po::value<std::string>()->default_value("")->value_name("FILE"),
      "FILE.html: a page with plots; FILE.csv, FILE.json: every point of the curves");
  declare_format(options);
  declare_jobs(options);
}

std::vector<replay::Landscape> landscapes_of_files(const std::vector<std::string>& files) {
  std::vector<replay::Landscape> landscapes;
  for (const std::string& file : files) {
    const std::string bytes = read_file(file);
    if (bytes.starts_with("SQLite format 3"))
      bad_input("{}: is a database, not a recorded tuning space; it is replayed by: replay --db {}", file, file);
    landscapes.emplace_back(interchange::parse_t4(bytes, file));
  }
  return landscapes;
}

std::vector<replay::Landscape> landscapes_of_database(const Options& options) {
  const store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadOnly);
  RowFilter filter{options["gpu"].as<std::string>(), options["problem"].as<std::string>()};
  targets_of(store, filter.target);
  if (!filter.problem.empty()) {
    filter.problem = Problem::parse(filter.problem).text();
    if (!store.problem(filter.problem)) bad_input("{} has no problem \"{}\"", store.path().string(), filter.problem);
  }
  size_t left_out = 0, untimed = 0;
  std::vector<replay::Landscape> landscapes;
  for (const ExportedSpace& exported : exported_spaces(store, filter, left_out)) {
    const auto timed = [](const interchange::RecordedEntry& entry) { return entry.time_us.has_value(); };
    if (std::ranges::any_of(exported.space.entries, timed)) {
      landscapes.emplace_back(exported.space, exported.predicted_us);
    } else {
      ++untimed;
    }
  }
  if (landscapes.empty()) bad_input("{} holds no row with a time to replay", store.path().string());
  if (untimed > 0) fmt::print(stderr, "left out: {} problems without a timed row\n", untimed);
  return landscapes;
}

std::vector<replay::Landscape> landscapes_of(const Options& options) {
  const bool files = options.count("file") != 0, database = options.count("db") != 0;
  if (files == database) bad_input("replay takes recorded spaces, FILE.T4.json, or a database, --db FILE");
  if (database) return landscapes_of_database(options);
  if (!options["gpu"].as<std::string>().empty() || !options["problem"].as<std::string>().empty())
    bad_input("--gpu and --problem choose rows of a database (--db); a T4 file holds one space");
  return landscapes_of_files(options["file"].as<std::vector<std::string>>());
}

replay::Settings settings_of(const Options& options) {
  replay::Settings settings;
  settings.strategies = {"random", "local", "evolutionary"};
  if (options.count("strategy") != 0) settings.strategies = options["strategy"].as<std::vector<std::string>>();
  for (size_t i = 0; i < settings.strategies.size(); ++i) {
    search::strategy_named(settings.strategies[i]);
    if (std::ranges::count(settings.strategies, settings.strategies[i]) > 1)
      bad_input("--strategy {} is given twice", settings.strategies[i]);
  }
  settings.seeds = options["seeds"].as<int>();
  if (settings.seeds < 1 || settings.seeds > most_seeds)
    bad_input("--seeds {} is out of range, 1 to {}", settings.seeds, most_seeds);
  settings.jobs = job_count(options);
  return settings;
}

/// Rewrites a line on a terminal a few times a second; silent elsewhere.
class Line {
 public:
  void operator()(size_t done, size_t all) {
    if (!terminal_) return;
    const std::lock_guard lock(guard_);
    const auto now = std::chrono::steady_clock::now();
    if (done < all && now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    if (done < all) {
      fmt::print(stderr, "\r\033[K{} of {} searches", done, all);
    } else {
      fmt::print(stderr, "\r\033[K");
    }
    std::fflush(stderr);
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  std::mutex guard_;
  std::chrono::steady_clock::time_point last_{};
};

using Written = std::string (*)(std::span<const replay::SpaceResult>, int seeds);

std::string html(std::span<const replay::SpaceResult> results, int seeds) {
  return report::to_html(replay_document(results, seeds));
}
std::string json(std::span<const replay::SpaceResult> results, int seeds) {
  return replay::to_json(results, seeds).dump(1) + "\n";
}

/// How a file of that name is written.
Written writer_of(const std::string& out) {
  if (out.ends_with(".html")) return html;
  if (out.ends_with(".csv")) return replay::to_csv;
  if (out.ends_with(".json")) return json;
  bad_input("--out {}: expected a name that ends in .html, .csv or .json", out);
}

int run(const Options& options) {
  const bool as_json = wants_json(options);
  const std::string out = options["out"].as<std::string>();
  const Written write = out.empty() ? nullptr : writer_of(out);
  const replay::Settings settings = settings_of(options);
  const std::vector<replay::Landscape> landscapes = landscapes_of(options);
  Line line;
  const auto results = replay::run(landscapes, settings, std::ref(line));
  if (as_json) {
    fmt::print("{}", json(results, settings.seeds));
  } else {
    fmt::print("{}", replay::to_text(results, settings.seeds));
  }
  if (write != nullptr) {
    write_file_atomically(out, write(results, settings.seeds));
    fmt::print(stderr, "wrote {}\n", out);
  }
  return 0;
}

constexpr std::string_view notes =
    "A space is every point on record; one that failed costs an evaluation, one that was refused before it was "
    "compiled\n"
    "is left out. predict-then-measure needs a database whose rows hold predictions, as it leaves them while tuning.\n";

}  // namespace

const Command replay_command{"replay",
                             "search strategies against recorded spaces: how soon each finds the best",
                             "[FILE.T4.json …]",
                             declare,
                             run,
                             false,
                             notes};

}  // namespace qoq::cli
