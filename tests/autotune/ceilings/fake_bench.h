#pragma once
#include <fmt/format.h>

#include <functional>
#include <map>

#include "autotune/ceilings/measure.h"

namespace qoq::ceilings {

/// Compiles nothing: every source is built, but those that hold `broken`.
class FakeCompiler final : public compile::Compiler {
 public:
  std::string identity() const override { return "fake"; }
  std::vector<compile::Build> build(std::span<const Source> sources, const compile::Done&, std::stop_token) override {
    std::vector<compile::Build> builds;
    for (const Source& source : sources) {
      compile::Build build;
      build.ok = broken.empty() || source.text.find(broken) == std::string::npos;
      build.log = build.ok ? "" : "no such instruction\nand more";
      build.object = source.entries.front();
      builds.push_back(build);
    }
    return builds;
  }
  std::string broken;
};

/// Says what it was told to say of each variant, and counts what it was asked.
class FakeGpu final : public worker::Gpu {
 public:
  verify::Verdict verify(const measure::Subject& subject, uint64_t) override {
    verify::Verdict verdict;
    const std::string id = subject.family->variant(subject.point, subject.problem);
    verdict.status = wrong.contains(id) ? verify::Verdict::Status::Wrong : verify::Verdict::Status::Ok;
    if (wrong.contains(id)) verdict.message = wrong.at(id);
    return verdict;
  }
  measure::Sample time(const measure::Subject& subject, measure::Modes modes) override {
    const std::string id = subject.family->variant(subject.point, subject.problem);
    asked.emplace_back(id, modes);
    measure::Sample sample;
    sample.sm_mhz = sm_mhz;
    if (!times_us.contains(id)) {
      sample.failure = "no room";
      return sample;
    }
    sample.samples_us = {times_us.at(id)};
    measure::summarize(sample);
    return sample;
  }
  measure::RaceResult race(std::span<const measure::Subject>, size_t, measure::Modes) override { return {}; }
  CrossCheck cross_check(const measure::Subject&, measure::Modes) override { return {}; }
  counters::CounterReading count(const measure::Subject&) override { return {}; }
  baselines::BaselineRun run_baselines(const measure::Subject&, measure::Modes) override { return {}; }

  std::map<std::string, double> times_us;
  std::map<std::string, std::string> wrong;
  double sm_mhz = 0;
  std::vector<std::pair<std::string, measure::Modes>> asked;
};

}  // namespace qoq::ceilings
