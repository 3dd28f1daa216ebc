#include "autotune/interchange/gbench.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace qoq::interchange {
namespace {

using nlohmann::json;

json ours() { return json::parse(to_gbench({{"gpu", "NVIDIA H200"}}, {{"first", {4, 1, 2, 3}}, {"second", {7, 8}}})); }

/// What the tool itself writes of two benchmarks, repeated `repetitions` times.
json theirs(int repetitions) {
  const auto file = std::filesystem::temp_directory_path() / ("qoq-gbench-" + std::to_string(::getpid()) + ".json");
  const std::string command = std::string(TWO_BENCHMARKS) + " --benchmark_repetitions=" + std::to_string(repetitions) +
                              " --benchmark_out_format=json --benchmark_out=" + file.string() + " >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command);
  std::ifstream in(file);
  json result = json::parse(in);
  std::filesystem::remove(file);
  return result;
}

/// Each key with the kind of its value.
std::map<std::string, std::string> shape(const json& object) {
  std::map<std::string, std::string> kinds;
  for (const auto& [key, value] : object.items()) kinds[key] = value.is_number() ? "number" : value.type_name();
  return kinds;
}

const json& find(const json& file, const std::string& name) {
  for (const json& benchmark : file.at("benchmarks")) {
    if (benchmark.at("name") == name) return benchmark;
  }
  throw std::runtime_error("no " + name);
}

TEST(GoogleBenchmark, AnIterationASample) {
  const json file = ours();
  ASSERT_EQ(file.at("benchmarks").size(), 4u + 4 + 2 + 4);
  for (int i = 0; i < 4; ++i) {
    const json& one = file.at("benchmarks")[static_cast<size_t>(i)];
    EXPECT_EQ(one.at("name"), "first");
    EXPECT_EQ(one.at("run_name"), "first");
    EXPECT_EQ(one.at("run_type"), "iteration");
    EXPECT_EQ(one.at("repetition_index"), i);
    EXPECT_EQ(one.at("repetitions"), 4);
    EXPECT_EQ(one.at("real_time"), std::vector({4, 1, 2, 3})[static_cast<size_t>(i)]) << "in the order taken";
    EXPECT_EQ(one.at("cpu_time"), one.at("real_time"));
    EXPECT_EQ(one.at("time_unit"), "us");
  }
  EXPECT_EQ(file.at("context").at("gpu"), "NVIDIA H200");
}

TEST(GoogleBenchmark, Aggregates) {
  const json file = ours();
  EXPECT_EQ(find(file, "first_mean").at("real_time"), 2.5);
  EXPECT_EQ(find(file, "first_median").at("real_time"), 2.5);
  EXPECT_NEAR(find(file, "first_stddev").at("real_time").get<double>(), std::sqrt(5.0 / 3), 1e-12);
  EXPECT_NEAR(find(file, "first_cv").at("real_time").get<double>(), std::sqrt(5.0 / 3) / 2.5, 1e-12);
  EXPECT_EQ(find(file, "first_cv").at("aggregate_unit"), "percentage");
  EXPECT_EQ(find(file, "second_median").at("real_time"), 7.5);
  EXPECT_EQ(find(file, "second_median").at("iterations"), 2);
}

TEST(GoogleBenchmark, TheShapeIsTheToolsOwn) {
  const json real = theirs(3);
  const json file = json::parse(to_gbench({}, {{"nothing", {1, 2, 3}}, {"almost_nothing", {1, 2, 3}}}));
  ASSERT_EQ(file.at("benchmarks").size(), real.at("benchmarks").size());
  for (size_t i = 0; i < file.at("benchmarks").size(); ++i) {
    const json &one = file.at("benchmarks")[i], &other = real.at("benchmarks")[i];
    EXPECT_EQ(shape(one), shape(other)) << other;
    for (const char* key : {"run_type", "repetitions", "time_unit", "threads"}) EXPECT_EQ(one.at(key), other.at(key));
    for (const char* key : {"repetition_index", "aggregate_name", "aggregate_unit", "family_index"})
      EXPECT_EQ(one.value(key, json()), other.value(key, json())) << key;
    const std::string name = other.at("run_name");  // "nothing/iterations:10"
    const std::string plain = name.substr(0, name.find('/'));
    EXPECT_EQ(one.at("run_name"), plain);
    EXPECT_EQ(one.at("name"), plain + other.at("name").get<std::string>().substr(name.size()));
  }
  for (const auto& [key, kind] : shape(file.at("context"))) {
    EXPECT_EQ(shape(real.at("context")).at(key), kind) << key;
  }
}

TEST(GoogleBenchmark, RunsWithoutSamplesAreLeftOut) {
  const json file = json::parse(to_gbench({}, {{"none", {}}, {"one", {5}}}));
  ASSERT_EQ(file.at("benchmarks").size(), 5u);
  EXPECT_EQ(find(file, "one_stddev").at("real_time"), 0.0);
  EXPECT_EQ(find(file, "one").at("family_index"), 0);
}

}  // namespace
}  // namespace qoq::interchange
