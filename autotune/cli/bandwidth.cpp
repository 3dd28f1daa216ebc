#include "autotune/bandwidth/bandwidth.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "autotune/cli/command.h"
#include "autotune/cli/reading.h"
#include "autotune/select/usable.h"
#include "kernels/base/error.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("db", po::value<std::string>()->default_value("tune.db")->value_name("FILE"),
                        "the database that tune wrote")(
      "gpu", po::value<std::string>()->default_value("")->value_name("GPU"), "only this target: sim:h200, cuda:0");
  declare_format(options);
}

/// An environment's table, and how the environment reads in a sentence.
struct Page {
  bandwidth::Table table;
  std::string environment;
};

/// Of the target's environments the one used last that has a row to show: a run that was stopped before its first
/// time hides nothing.
std::optional<Page> newest_page(const store::Store& store, const std::string& target) {
  auto environments = store.environments();
  std::ranges::sort(environments, std::greater{}, [](const auto& row) { return std::tuple(row.used_at, row.id); });
  for (const store::EnvironmentRow& row : environments) {
    if (row.environment.target != target) continue;
    Page page{bandwidth::tabulate(store, row), select::describe(row.environment)};
    if (!page.table.rows.empty()) return page;
  }
  return std::nullopt;
}

int run(const Options& options) {
  const bool as_json = wants_json(options);
  const store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadOnly);
  std::vector<Page> pages;
  for (const std::string& target : targets_of(store, options["gpu"].as<std::string>())) {
    if (auto page = newest_page(store, target)) pages.push_back(std::move(*page));
  }
  if (pages.empty()) fail("{} holds no verified row with a time", options["db"].as<std::string>());
  nlohmann::ordered_json json = nlohmann::json::array();
  std::string text;
  for (const Page& page : pages) {
    json.push_back(bandwidth::to_json(page.table, page.environment));
    if (!text.empty()) text += "\n";
    text += bandwidth::to_text(page.table, page.environment);
  }
  fmt::print("{}", as_json ? json.dump(2) + "\n" : text);
  return 0;
}

}  // namespace

const Command bandwidth_command{
    "bandwidth", "each problem's GB/s beside the fastest read, and schemes beside each other", "", declare, run};

}  // namespace qoq::cli
