#include "autotune/replay/replay.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "autotune/cli/compilers.h"
#include "autotune/cli/exported.h"
#include "autotune/cli/reading.h"
#include "autotune/cli/replay_document.h"
#include "autotune/interchange/t4.h"
#include "autotune/model_check/measured.h"
#include "autotune/replay/print.h"
#include "autotune/tune/target.h"
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
      "FILE.html: a page with plots; FILE.svg: the plot of one space; FILE.csv, FILE.json: every point of the curves");
  options.add_options()(
      "predict",
      "of the database: every measured row is predicted by this program, whatever prediction it holds "
      "(the kernels are compiled again), with the ceilings measured on that GPU");
  declare_format(options);
  declare_jobs(options);
  declare_cache(options);
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

/// Gives every measured entry this program's prediction, and none where there is none: what rows hold is an earlier
/// model's, and only of those that were raced.
void predict(const store::Store& store, const std::string& problem, const Options& options,
             std::vector<ExportedSpace>& spaces) {
  Compilers compilers(options);
  const auto sets = model_check::read_measured(
      store,
      {.problem = problem,
       .kernels = tune::kernel_digest(),
       .compiler = [&](const std::string& architecture) -> compile::Compiler& { return compilers.of(architecture); }});
  std::map<std::array<std::string, 3>, double> predicted_us;  // by environment, problem, variant
  for (const model_check::MeasuredSet& set : sets) {
    for (const std::string& note : set.notes) fmt::print(stderr, "note: {}\n", note);
    for (const model_check::ProblemPairs& of : predict_all(set, set.ceilings)) {
      for (size_t i = 0; i < of.rows.size(); ++i)
        predicted_us[{set.environment.key(), of.problem, of.rows[i]->variant}] = of.forecasts[i].total_us;
    }
  }
  for (ExportedSpace& space : spaces) {
    if (space.space.source != "measured") continue;
    for (size_t i = 0; i < space.variants.size(); ++i) {
      const auto found = predicted_us.find({space.environment.key(), space.space.name, space.variants[i]});
      space.predicted_us[i] = found == predicted_us.end() ? std::nullopt : std::optional(found->second);
    }
  }
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
  auto spaces = exported_spaces(store, filter, left_out);
  // What a GPU reaches at most is measured along; its few variants are no space that anybody searches.
  std::erase_if(spaces, [](const ExportedSpace& exported) { return exported.space.kernel.starts_with("ceiling/"); });
  if (options.count("predict") != 0) predict(store, filter.problem, options, spaces);
  for (const ExportedSpace& exported : spaces) {
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
  if (options.count("predict") != 0) bad_input("--predict compiles the kernels of a database (--db)");
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
std::string svg(std::span<const replay::SpaceResult> results, int seeds) {
  if (results.size() > 1) bad_input("an .svg shows one space, and {} were replayed; .html takes all", results.size());
  return report::to_svg(replay_figures(results, seeds).front());
}
std::string json(std::span<const replay::SpaceResult> results, int seeds) {
  return replay::to_json(results, seeds).dump(1) + "\n";
}

/// How a file of that name is written.
Written writer_of(const std::string& out) {
  if (out.ends_with(".html")) return html;
  if (out.ends_with(".svg")) return svg;
  if (out.ends_with(".csv")) return replay::to_csv;
  if (out.ends_with(".json")) return json;
  bad_input("--out {}: expected a name that ends in .html, .svg, .csv or .json", out);
}

int run(const Options& options) {
  const bool as_json = wants_json(options);
  const std::string out = options["out"].as<std::string>();
  const Written write = out.empty() ? nullptr : writer_of(out);
  const replay::Settings settings = settings_of(options);
  const std::vector<replay::Landscape> landscapes = landscapes_of(options);
  Line line;
  auto results = replay::run(landscapes, settings, std::ref(line));
  if (options.count("predict") != 0) {
    for (replay::SpaceResult& space : results) space.held_out = model_check::is_held_out(space.name);
  }
  const std::string file = write == nullptr ? "" : write(results, settings.seeds);  // which may refuse
  if (as_json) {
    fmt::print("{}", json(results, settings.seeds));
  } else {
    fmt::print("{}", replay::to_text(results, settings.seeds));
  }
  if (write != nullptr) {
    write_file_atomically(out, file);
    fmt::print(stderr, "wrote {}\n", out);
  }
  return 0;
}

constexpr std::string_view notes =
    "A space is every point on record; one that failed costs an evaluation, one that was refused before it was "
    "compiled\n"
    "is left out. predict-then-measure needs a database whose rows hold predictions, as it leaves them while tuning, "
    "or --predict.\n";

}  // namespace

const Command replay_command{"replay",
                             "search strategies against recorded spaces: how soon each finds the best",
                             "[FILE.T4.json …]",
                             declare,
                             run,
                             false,
                             notes};

}  // namespace qoq::cli
