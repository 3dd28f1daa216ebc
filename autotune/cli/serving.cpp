#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "autotune/cli/command.h"
#include "autotune/cli/reading.h"
#include "autotune/job/model.h"
#include "autotune/serving/print.h"
#include "autotune/serving/rows.h"
#include "kernels/base/error.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("model", po::value<std::string>()->value_name("MODEL"), "a model's name (llama-3-8b) or file")(
      "gpu", po::value<std::string>()->default_value("")->value_name("GPU"),
      "only this target of the database: sim:l40s, cuda:0")(
      "db", po::value<std::string>()->default_value("tune.db")->value_name("FILE"), "the database that tune wrote")(
      "scheme", po::value<std::vector<std::string>>()->composing()->value_name("S"),
      "\"w4a8-g128 kv4\" …; may be given several times (default: all)")(
      "batch", po::value<int>()->value_name("N"),
      "sequences at once (default: as many as fit into 90 % of the memory, at most 256)")(
      "prices", po::value<std::string>()->default_value("")->value_name("FILE"),
      "GPUs' memory and dollars an hour (default: the program's copy of configs/prices/gpus.yaml)");
  declare_format(options);
}

std::vector<std::string> schemes_of(const Options& options) {
  if (options.count("scheme") == 0) return {};
  const auto schemes = options["scheme"].as<std::vector<std::string>>();
  for (const std::string& scheme : schemes) roofline::serving_scheme(scheme);  // refuses an unknown one
  return schemes;
}

/// The kernels that selection deploys, with one layout for all sizes that read the same weights, as the report takes
/// them; of problems that no job asks for, the fastest.
roofline::KernelTimes deployed_times(const store::Store& store, const std::string& target, int64_t environment) {
  roofline::KernelTimes times;
  std::set<std::string> chosen;
  for (const select::Selection& selection : selections(store, target)) {
    for (const select::Choice& choice : selection.choices) {
      if (!choice.expected_us || !chosen.insert(choice.problem).second) continue;
      serving::add_time(times, choice.problem, *choice.expected_us, choice.source);
    }
  }
  for (const store::Candidate& row : store.best(environment)) {
    if (!chosen.contains(row.problem)) serving::add_time(times, row.problem, *row.median_us, row.source);
  }
  return times;
}

int run(const Options& options) {
  if (options.count("model") == 0) bad_input("serving needs a model: --model llama-3-8b");
  const roofline::ModelShape model = serving::shape_of(job::load_model(options["model"].as<std::string>(), "."));
  const std::vector<std::string> schemes = schemes_of(options);
  const serving::Prices prices = serving::load_prices(options["prices"].as<std::string>());
  std::optional<int> batch;
  if (options.count("batch") != 0) {
    batch = options["batch"].as<int>();
    const int most = roofline::Assumptions{}.most_sequences;
    if (*batch < 1 || *batch > most) bad_input("--batch {}: from 1 to {} sequences run at once", *batch, most);
  }
  const store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadOnly);
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  std::string text;
  bool any = false;
  for (const std::string& target : targets_of(store, options["gpu"].as<std::string>())) {
    const auto row = store.latest_environment(target);
    const auto gpu = serving::sheet_of(row->environment);
    if (!gpu) fail("{} has no sheet: its memory's bandwidth and its fp16 rate are not known", row->environment.product);
    const bool one = !options["gpu"].as<std::string>().empty();
    if (!one && !prices.gpus.contains(gpu->id)) {
      const std::string reason = fmt::format("{} has no price and no memory size for it", prices.file);
      text += fmt::format("{}left out: {}: {}\n", text.empty() ? "" : "\n", target, reason);
      json.push_back({{"model", model.name},
                      {"gpu", gpu->id},
                      {"schemes", nlohmann::ordered_json::array()},
                      {"left_out", fmt::format("{}: {}", target, reason)}});
      continue;
    }
    const roofline::KernelTimes times = deployed_times(store, target, row->id);
    const serving::ModelOnGpu on = serving::serve_all(model, *gpu, prices.of(gpu->id), times, schemes, batch);
    any |= on.any();
    json.push_back(serving::to_json(on));
    text += fmt::format("{}{}", text.empty() ? "" : "\n", serving::to_text(on));
    if (const auto comparison = serving::compare(on, *gpu, times)) {
      json.back()["comparison"] = serving::explain(*comparison);
      text += fmt::format("  {}\n", serving::explain(*comparison));
    }
  }
  fmt::print("{}", wants_json(options) ? json.dump(2) + "\n" : text);
  return any ? 0 : 1;
}

}  // namespace

const Command serving_command{
    "serving", "a model's throughput and dollars per million tokens with a database's kernels", "", declare, run};

}  // namespace qoq::cli
