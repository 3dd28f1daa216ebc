#include "autotune/interchange/gbench.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace qoq::interchange {

using Json = nlohmann::ordered_json;

namespace {

struct Aggregate {
  const char* name;
  const char* unit;  ///< of what it is a measure: a time, or a share
  double value;
};

std::vector<Aggregate> aggregates(std::vector<double> samples) {
  const auto n = static_cast<double>(samples.size());
  const double mean = std::accumulate(samples.begin(), samples.end(), 0.0) / n;
  double squares = 0;
  for (const double sample : samples) squares += (sample - mean) * (sample - mean);
  const double deviation = samples.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
  std::ranges::sort(samples);
  const double median = (samples[(samples.size() - 1) / 2] + samples[samples.size() / 2]) / 2;
  return {{"mean", "time", mean},
          {"median", "time", median},
          {"stddev", "time", deviation},
          {"cv", "percentage", mean > 0 ? deviation / mean : 0}};
}

void add_run(Json& benchmarks, const BenchmarkRun& run, size_t family) {
  const auto common = [&](const std::string& name, const char* type) {
    return Json{{"name", name},         {"family_index", family}, {"per_family_instance_index", 0},
                {"run_name", run.name}, {"run_type", type},       {"repetitions", run.samples_us.size()}};
  };
  const auto add_times = [](Json& json, int64_t iterations, double time) {
    json["iterations"] = iterations;
    json["real_time"] = time;
    json["cpu_time"] = time;
    json["time_unit"] = "us";
  };
  for (size_t i = 0; i < run.samples_us.size(); ++i) {
    Json json = common(run.name, "iteration");
    json["repetition_index"] = i;
    json["threads"] = 1;
    add_times(json, 1, run.samples_us[i]);
    benchmarks.push_back(std::move(json));
  }
  for (const Aggregate& aggregate : aggregates(run.samples_us)) {
    Json json = common(run.name + "_" + aggregate.name, "aggregate");
    json["threads"] = 1;
    json["aggregate_name"] = aggregate.name;
    json["aggregate_unit"] = aggregate.unit;
    add_times(json, static_cast<int64_t>(run.samples_us.size()), aggregate.value);
    benchmarks.push_back(std::move(json));
  }
}

}  // namespace

std::string to_gbench(const std::vector<std::pair<std::string, std::string>>& context,
                      const std::vector<BenchmarkRun>& runs) {
  Json about{{"executable", "qoqtune"}, {"num_cpus", 1}, {"mhz_per_cpu", 0}, {"cpu_scaling_enabled", false}};
  about["caches"] = Json::array();
  about["load_avg"] = Json::array();
  about["library_build_type"] = "release";
  for (const auto& [key, text] : context) about[key] = text;
  Json benchmarks = Json::array();
  size_t family = 0;
  for (const BenchmarkRun& run : runs) {
    if (!run.samples_us.empty()) add_run(benchmarks, run, family++);
  }
  const Json root{{"context", about}, {"benchmarks", std::move(benchmarks)}};
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace qoq::interchange
