#include "autotune/serving/prices.h"

#include <array>

#include "autotune/job/config_file.h"
#include "autotune/job/yaml.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::serving {

namespace {

const std::array<std::string, 1> file_keys{"gpus"};
const std::array<std::string, 5> price_keys{"memory_gib", "dollars_per_hour", "date", "source", "assumed"};
constexpr double most_gib = 1e5, most_dollars = 1e5;

job::Yaml read(const std::filesystem::path& path) {
  if (path.empty()) return job::shipped_config("prices", "gpus");
  const auto text = read_file_if_present(path);
  if (!text) bad_input("{}: no such file", path.string());
  return job::Yaml::parse(path.string(), *text);
}

}  // namespace

const Price& Prices::of(const std::string& gpu) const {
  const auto found = gpus.find(gpu);
  if (found != gpus.end()) return found->second;
  std::string known;
  for (const auto& [id, price] : gpus) known += (known.empty() ? "" : ", ") + id;
  bad_input("{} has no price for {}; it has: {}", file, gpu, known);
}

Prices load_prices(const std::filesystem::path& path) {
  const job::Yaml file = read(path);
  const job::Record record(file, file_keys);
  Prices prices{file.at().file, {}};
  for (const auto& [key, value] : record.require("gpus").entries()) {
    const job::Record entry(value, price_keys);
    Price price;
    price.memory_gib = entry.require("memory_gib").positive(most_gib);
    price.dollars_per_hour = entry.require("dollars_per_hour").positive(most_dollars);
    price.date = entry.require("date").text();
    price.source = entry.require("source").text();
    if (const auto assumed = entry.find("assumed")) price.assumed = assumed->boolean();
    prices.gpus[key.text()] = std::move(price);
  }
  return prices;
}

}  // namespace qoq::serving
