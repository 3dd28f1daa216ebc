#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "autotune/ceilings/measure.h"
#include "autotune/ceilings/print.h"
#include "autotune/ceilings/rows.h"
#include "autotune/cli/command.h"
#include "autotune/cli/workshop.h"
#include "autotune/store/store.h"
#include "kernels/base/error.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;
using ceilings::CeilingResult;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("gpu", po::value<std::string>()->default_value("cuda:0")->value_name("GPU"),
                        "the attached GPU to measure; where it is not, what the database has of it is shown")(
      "db", po::value<std::string>()->default_value("tune.db")->value_name("FILE"),
      "where the ceilings are kept, for the predictions and reports of this GPU");
  declare_jobs(options);
  declare_cache(options);
  declare_format(options);
}

/// The ceilings of the target's environment used last that has some, and the product's name.
struct Kept {
  std::string gpu;
  std::vector<CeilingResult> results;
};

std::optional<Kept> find_kept(const std::string& database, const std::string& target) {
  if (!std::filesystem::exists(database)) return std::nullopt;
  const store::Store store = store::Store::open(database, store::Mode::ReadOnly);
  auto environments = store.environments();
  std::ranges::sort(environments, std::greater{}, [](const auto& row) { return std::tuple(row.used_at, row.id); });
  for (const store::EnvironmentRow& row : environments) {
    if (row.environment.target != target) continue;
    const auto rows = store.ceilings(row.id);
    if (rows.empty()) continue;
    Kept kept{
        fmt::format("{} ({}), measured {}", row.environment.product, target, rows.front().created_at.substr(0, 10)),
        {}};
    for (const store::CeilingRow& each : rows) kept.results.push_back(ceilings::from_row(each));
    return kept;
  }
  return std::nullopt;
}

int show_kept(const std::string& database, const std::string& target, const std::string& why_not, bool as_json) {
  const auto kept = find_kept(database, target);
  if (!kept) bad_input("{}; and {} holds no ceilings of {}", why_not, database, target);
  fmt::print(stderr, "{}: shown are the ceilings kept in {}\n", why_not, database);
  fmt::print("{}", as_json ? ceilings::to_json(kept->results, kept->gpu).dump(2) + "\n"
                           : ceilings::to_text(kept->results, kept->gpu));
  return 0;
}

int measure_and_keep(const tune::Target& target, const Options& options) {
  const bool as_json = wants_json(options);
  WorkshopSettings settings;
  settings.cache_folder = cache_folder(options);
  settings.jobs = job_count(options);
  settings.extras.counters = settings.extras.cross_check = false;
  const std::vector<tune::Workshop> shops = make_workshops({target}, settings);
  const tune::Workshop& shop = shops.front();
  store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadWrite);
  const int64_t environment = store.environment(tune::environment_of(target, shop.compiler->identity()));
  store.put_gpu(environment, tune::gpu_row(target));

  const std::string gpu = fmt::format("{} ({})", target.device.name, target.name);
  FILE* lines = as_json ? stderr : stdout;
  fmt::print(lines, "{}", ceilings::heading(gpu));
  const ceilings::Bench bench{*shop.gpu, *shop.compiler, target.device, target.sheet ? &*target.sheet : nullptr};
  const auto keep = [&](const CeilingResult& result) {
    if (result.failure.empty()) store.put_ceiling(environment, ceilings::to_row(result));
    fmt::print(lines, "{}\n", ceilings::to_line(result));
    std::fflush(lines);
  };
  const auto results = ceilings::measure_ceilings(bench, ceilings::ceilings_of(target.device), keep);
  fmt::print(lines, "{}", ceilings::closing(results));
  if (as_json) fmt::print("{}\n", ceilings::to_json(results, gpu).dump(2));
  const bool any = std::any_of(results.begin(), results.end(), [](const auto& r) { return r.failure.empty(); });
  return any ? 0 : 1;
}

int run(const Options& options) {
  const bool as_json = wants_json(options);
  const auto name = options["gpu"].as<std::string>();
  if (name.starts_with("sim:"))
    bad_input("{} is simulated: its ceilings are those of its sheet; name an attached GPU, such as cuda:0", name);
  std::vector<tune::Target> targets;
  try {
    targets = tune::resolve_targets({name});
  } catch (const Error& error) {
    return show_kept(options["db"].as<std::string>(), name, error.what(), as_json);
  }
  if (targets.size() != 1) bad_input("--gpu {} means {} GPUs; name one, such as cuda:0", name, targets.size());
  return measure_and_keep(targets.front(), options);
}

}  // namespace

const Command ceilings_command{"ceilings", "measures what a GPU reaches at most, beside its sheet", "", declare, run};

}  // namespace qoq::cli
