#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/tune/tune.h"
#include "kernels/family.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::tune::testing {

/// A family with two parameters that launches nothing. Its source is its variant's id, so that the fakes below can tell
/// variants apart; a = 9 is no kernel, b = 9 does not fit the device.
class ToyFamily : public Family {
 public:
  std::vector<int> a{0, 1, 2}, b{0, 1};
  std::optional<Point> published_point;
  std::string own_name = "toy/only";

  std::string_view name() const override { return own_name; }
  std::string_view op() const override { return "toy"; }
  std::vector<std::string> schemes() const override { return {"i8", "i4"}; }
  std::vector<Parameter> parameters() const override { return {{"a", "", a, {}}, {"b", "", b, {}}}; }
  Problem canonical(const Problem& problem) const override { return problem; }
  std::optional<std::string> illegal(const Point& point, const Problem&) const override {
    return point.at("a") == 9 ? std::optional<std::string>("a is 9") : std::nullopt;
  }
  std::optional<std::string> unsupported(const Point& point, const Problem& problem, const Device&) const override {
    if (auto why = illegal(point, problem)) return why;
    return point.at("b") == 9 ? std::optional<std::string>("b is too wide for this device") : std::nullopt;
  }
  std::string variant(const Point& point, const Problem&) const override {
    return fmt::format("{}.a{}.b{}{}", own_name, point.at("a"), point.at("b"),
                       point.contains("ablated") ? ".ablated" : "");
  }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view, const Problem&) const override { return {}; }
  std::string layout(const Point& point, const Problem&) const override { return point.at("b") == 0 ? "even" : "odd"; }
  std::string layout_group(const Problem& problem) const override { return fmt::format("n={}", problem.field("n")); }
  double size(const Problem& problem) const override { return static_cast<double>(problem.size("m")); }
  Source source(const Point& point, const Problem& problem) const override {
    return {variant(point, problem), {"toy"}};
  }
  Plan plan(const Point&, const Problem&, const Device&) const override { return {{{"toy", {7}, {96}, {}, 512}}, {}}; }
  std::unique_ptr<Case> make_case(const Problem&, uint64_t) const override { return std::make_unique<Case>(); }
  std::vector<Buffer> prepare(const Case&, const Point&) const override { return {}; }
  std::string operand_key(const Point&, const Problem&) const override { return ""; }
  Arguments bind(const Point&, const Problem&, const Device&, const Addresses&) const override { return {}; }
  Check check(const Case&, const Point&, const std::vector<Buffer>&) const override { return {}; }
  Problem reduced(const Point&, const Problem& problem) const override { return problem.with("n", "8"); }
  Work work(const Problem&) const override { return {2e9, "int8", 1e6, 1e6}; }
  Traffic traffic(const Point&, const Problem&, const Device&) const override { return {}; }
  std::optional<Point> published(const Problem&) const override { return published_point; }
};

/// What happened, in order: "compile V", "prove V", "time V".
using Diary = std::vector<std::string>;

struct Script {
  std::set<std::string> refused, spilling;            ///< by variant
  std::map<std::string, verify::Verdict> verdicts;    ///< others are ok
  std::map<std::string, double> times_us;             ///< others take 10
  std::map<std::string, roofline::Subject> subjects;  ///< predicted on the sheet instead
  size_t proof_batch = 64, short_batch = 64;
  std::set<std::string> untimed;                        ///< the clock has a reason
  std::function<void(const std::string& event)> after;  ///< sees every event as it is written
  Diary diary;

  std::mutex guard;  ///< the compiler may work beside the rest

  void note(const std::string& event) {
    const std::lock_guard lock(guard);
    diary.push_back(event);
    if (after) after(event);
  }
  size_t count(const std::string& event) const {
    return static_cast<size_t>(std::count(diary.begin(), diary.end(), event));
  }
};

class ScriptedCompiler final : public compile::Compiler {
 public:
  explicit ScriptedCompiler(Script& script) : script_(script) {}
  std::string identity() const override { return "scripted 1"; }
  std::vector<compile::Build> build(std::span<const Source> sources, const compile::Done&,
                                    std::stop_token stop) override {
    std::vector<compile::Build> builds;
    for (const Source& source : sources) {
      compile::Build build;
      build.key = "key of " + source.text;
      build.cancelled = stop.stop_requested();
      if (!build.cancelled) {
        build.ok = !script_.refused.contains(source.text);
        build.log = build.ok ? "" : "source.cu(1): warning: odd\nsource.cu(3): error: no such name\n1 error detected\n";
        compile::EntryResources& resources = build.entries["toy"];
        resources.registers = 40;
        resources.spill_store_bytes = script_.spilling.contains(source.text) ? 8 : 0;
        script_.note("compile " + source.text);
      }
      builds.push_back(build);
    }
    return builds;
  }

 private:
  Script& script_;
};

class ScriptedProof final : public Proof {
 public:
  explicit ScriptedProof(Script& script) : script_(script) {}
  size_t batch() const override { return script_.proof_batch; }
  size_t short_batch() const override { return script_.short_batch; }
  std::vector<verify::Verdict> prove(const std::vector<Built>& built, std::stop_token stop) override {
    std::vector<verify::Verdict> verdicts(built.size());
    for (size_t i = 0; i < built.size() && !stop.stop_requested(); ++i) {
      const std::string variant = built[i].family->variant(built[i].point, built[i].problem);
      script_.note("prove " + variant);
      const auto found = script_.verdicts.find(variant);
      if (found != script_.verdicts.end())
        verdicts[i] = found->second;
      else
        verdicts[i].status = verify::Verdict::Status::Ok;
      verdicts[i].where = "emulator";
      verdicts[i].seed = 77;
      verdicts[i].problem = built[i].family->reduced(built[i].point, built[i].problem);
    }
    return verdicts;
  }

 private:
  Script& script_;
};

class ScriptedClock final : public Clock {
 public:
  ScriptedClock(Script& script, const Target& target) : script_(script), sheet_(target.sheet) {}
  Timing time(const Family& family, const Point& point, const Problem& problem, const compile::Build&) override {
    const std::string variant = family.variant(point, problem);
    script_.note("time " + variant);
    Timing timing;
    if (script_.untimed.contains(variant)) {
      timing.failure = "no CTA fits on an SM";
      return timing;
    }
    const auto found = script_.times_us.find(variant);
    timing.source = store::Source::Predicted;
    timing.median_us = found == script_.times_us.end() ? 10 : found->second;
    timing.details = R"({"limiter":"dram"})";
    if (const auto subject = script_.subjects.find(variant); subject != script_.subjects.end()) {
      timing.median_us = roofline::predict(*sheet_, subject->second).total_us;
      timing.subject = std::make_shared<const roofline::Subject>(subject->second);
    }
    return timing;
  }

 private:
  Script& script_;
  std::optional<roofline::Gpu> sheet_;
};

inline job::Job toy_job(std::vector<std::string> problems) {
  job::Job job;
  job.name = "toy";
  for (const std::string& text : problems) job.work.push_back({Problem::parse(text), 1, {"written out"}});
  return job;
}

inline std::vector<Workshop> workshops(Script& script, const std::vector<std::string>& targets = {"sim:h200"}) {
  std::vector<Workshop> shops;
  for (const Target& target : resolve_targets(targets)) {
    shops.push_back({target, std::make_unique<ScriptedCompiler>(script), std::make_shared<ScriptedProof>(script),
                     std::make_unique<ScriptedClock>(script, target)});
    shops.back().extras.ablations = false;  // tests that count rows want candidates only
  }
  return shops;
}

}  // namespace qoq::tune::testing
