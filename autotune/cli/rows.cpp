#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "autotune/cli/exported.h"
#include "autotune/cli/reading.h"
#include "autotune/interchange/summary.h"
#include "autotune/interchange/t4.h"
#include "autotune/report/csv.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("file", 1);
  options.add_options()("file", po::value<std::string>()->value_name("FILE.T4.json"),
                        "prints what this recorded tuning space holds (plain or .gz), instead of writing rows")(
      "db", po::value<std::string>()->default_value("tune.db")->value_name("FILE"), "the database that tune wrote")(
      "gpu", po::value<std::string>()->default_value("")->value_name("GPU"), "only this target: sim:h200, cuda:0")(
      "problem", po::value<std::string>()->default_value("")->value_name("P"), "only this problem")(
      "format", po::value<std::string>()->value_name("csv|t4|gbench"),
      "how to write rows (default: csv); text or json for a FILE (default: text)")(
      "out", po::value<std::string>()->default_value("")->value_name("FILE"),
      "where to (default: standard output); DIR/ for t4: one file a problem and family");
}

std::string format_of(const Options& options, const std::string& otherwise) {
  return options.count("format") != 0 ? options["format"].as<std::string>() : otherwise;
}

int describe_file(const Options& options) {
  const std::string format = format_of(options, "text");
  if (format != "text" && format != "json") bad_input("--format {} is unknown for a file; text or json", format);
  const std::string file = options["file"].as<std::string>();
  const std::string bytes = read_file(file);
  if (bytes.starts_with("SQLite format 3"))
    bad_input("{}: is a database, not a recorded tuning space; its rows are written by: rows --db {}", file, file);
  const interchange::RecordedSpace space = interchange::parse_t4(bytes, file);
  const interchange::Summary summary = interchange::summarize(space);
  if (format == "json") {
    fmt::print("{}\n", interchange::to_json(space, summary).dump(2));
  } else {
    fmt::print("{}", interchange::to_text(space, summary));
  }
  return 0;
}

/// To --out, whole or not at all, or to standard output.
void deliver(const std::string& text, const std::string& out) {
  if (out.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    write_file_atomically(out, text);
    fmt::print("wrote {}\n", out);
  }
}

void write_csv(const store::Store& store, const RowFilter& filter, const std::string& out) {
  std::vector<store::EnvironmentRow> environments;
  report::Candidates candidates;
  for (const auto& row : store.environments()) {
    if (!filter.target.empty() && row.environment.target != filter.target) continue;
    store::Filter query{.environment = row.id};
    if (!filter.problem.empty()) query.problem = filter.problem;
    environments.push_back(row);
    candidates[row.id] = store.candidates(query);
  }
  deliver(report::to_csv(environments, candidates, nullptr), out);
}

void write_t4(const store::Store& store, const RowFilter& filter, const std::string& out) {
  size_t left_out = 0;
  const auto spaces = exported_spaces(store, filter, left_out);
  if (spaces.empty()) bad_input("{} holds no row to export as T4", store.path().string());
  if (out.ends_with('/') || std::filesystem::is_directory(out)) {
    for (const ExportedSpace& exported : spaces)
      deliver(interchange::to_t4(exported.space), std::filesystem::path(out) / exported.file_name);
  } else if (spaces.size() == 1) {
    deliver(interchange::to_t4(spaces[0].space), out);
  } else {
    bad_input(
        "a T4 file holds one problem of one GPU and family, and {} are asked for: --gpu and --problem say which, or "
        "--out DIR/ takes a file of each",
        spaces.size());
  }
  if (left_out > 0) fmt::print(stderr, "left out: {} rows that are no timed or failed point of a space\n", left_out);
}

int run(const Options& options) {
  if (options.count("file") != 0) return describe_file(options);
  const std::string format = format_of(options, "csv"), out = options["out"].as<std::string>();
  if (format != "csv" && format != "t4" && format != "gbench")
    bad_input("--format {} is unknown; csv, t4 or gbench", format);
  const store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadOnly);
  RowFilter filter{options["gpu"].as<std::string>(), options["problem"].as<std::string>()};
  targets_of(store, filter.target);
  if (!filter.problem.empty()) {
    filter.problem = Problem::parse(filter.problem).text();
    if (!store.problem(filter.problem)) bad_input("{} has no problem \"{}\"", store.path().string(), filter.problem);
  }
  if (format == "csv") write_csv(store, filter, out);
  if (format == "t4") write_t4(store, filter, out);
  if (format == "gbench") {
    const ExportedRuns exported = exported_runs(store, filter);
    deliver(interchange::to_gbench(exported.context, exported.runs), out);
  }
  return 0;
}

constexpr std::string_view notes =
    "csv     every row of every environment, failures too\n"
    "t4      Kernel Tuner's and the FAIR auto-tuning hub's format: of each GPU the environment used last\n"
    "gbench  Google Benchmark's JSON, measured samples only: compare.py benchmarks A.json B.json\n";

}  // namespace

const Command rows_command{"rows",
                           "rows for other programs: csv, T4, Google Benchmark; or what a T4 file holds",
                           "[FILE.T4.json]",
                           declare,
                           run,
                           false,
                           notes};

}  // namespace qoq::cli
