#include "autotune/tune/ablation.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "autotune/tune/candidate.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "roofline/overhead/overhead.h"

namespace qoq::tune {

using store::Candidate;
using store::Outcome;

namespace {

Point point_of(const Candidate& row) { return nlohmann::json::parse(row.point).get<Point>(); }

/// The point's labelled parameters: {"dequant": "imad", "layout": "fragment"}.
nlohmann::ordered_json labels(const Built& built) {
  nlohmann::ordered_json found = nlohmann::ordered_json::object();
  for (const Parameter& parameter : built.family->parameters()) {
    const auto value = built.point.find(parameter.name);
    if (parameter.labels.empty() || value == built.point.end()) continue;
    const auto place = std::ranges::find(parameter.values, value->second) - parameter.values.begin();
    if (static_cast<size_t>(place) < parameter.labels.size())
      found[parameter.name] = parameter.labels[static_cast<size_t>(place)];
  }
  return found;
}

/// What the launch that does the work executes; the others only gather.
roofline::Executed executed(const Target& target, const Built& built) {
  const Launch launch = built.family->plan(built.point, built.problem, target.device).launches.front();
  const Traffic traffic = built.family->traffic(built.point, built.problem, target.device);
  const std::string cubin = read_file(built.build.object);
  for (const roofline::EntryCode& code : roofline::read_cubin(std::as_bytes(std::span(cubin)))) {
    const auto warps = static_cast<double>(launch.grid.count() * ((launch.block.count() + 31) / 32));
    if (code.name == launch.entry) return roofline::executed(code, traffic.mma_instructions, warps);
  }
  fail("{} holds no entry {}", built.build.object.string(), launch.entry);
}

nlohmann::ordered_json to_json(const roofline::CudaCoreCost& cost) {
  return {{"per_element", cost.per_element}, {"per_taken", cost.per_taken}, {"share_of_issue", cost.share_of_issue}};
}

nlohmann::ordered_json instructions(const Target& target, const Built& whole, const Built& bare) {
  try {
    const double elements = whole.family->work(whole.problem).elements;
    const double taken = whole.family->traffic(whole.point, whole.problem, target.device).taken_elements;
    const roofline::Overhead found =
        roofline::overhead(executed(target, whole), executed(target, bare), elements, taken);
    return {{"kernel", to_json(found.whole)}, {"dequantisation", to_json(*found.dequantisation)}};
  } catch (const Error& error) {  // a cubin that cannot be read costs the counts, not the times
    return {{"missing", error.what()}};
  }
}

/// The busiest CUDA-core pipe's time alone, and that of the issue slots, over the predicted time; they overlap with
/// the rest.
nlohmann::ordered_json shares_of_time(const Timing& predicted) {
  nlohmann::ordered_json shares = nlohmann::ordered_json::object();
  const auto details = nlohmann::json::parse(predicted.details, nullptr, false);
  if (!details.is_object() || !details.contains("parts_us") || !(predicted.median_us > 0)) return shares;
  const nlohmann::json& parts = details["parts_us"];
  double pipes_us = 0;
  for (const char* pipe : {"alu", "fma", "xu"}) pipes_us = std::max(pipes_us, parts.value(pipe, 0.0));
  shares["cuda_core"] = pipes_us / predicted.median_us;
  shares["issue"] = parts.value("issue", 0.0) / predicted.median_us;
  return shares;
}

}  // namespace

Ablation::Ablation(const job::Job& job, Workshop& workshop, store::Store& store, int64_t environment,
                   const job::Families& families, Summary& summary)
    : job_(job),
      shop_(workshop),
      store_(store),
      environment_(environment),
      families_(families),
      summary_(summary),
      predicting_(workshop.gpu && workshop.target.sheet ? make_predicting_clock(workshop.target) : nullptr) {}

void Ablation::take(const Problem& problem, const std::stop_token& stop) {
  const auto finished = store_.finished(environment_, problem.text());
  for (const Candidate& kernel : kernels(problem)) {
    if (stop.stop_requested()) return;
    const auto family =
        std::ranges::find_if(families_, [&](const auto& known) { return known->name() == kernel.family; });
    if (family == families_.end()) fail("{}: there is no family {}", kernel.variant, kernel.family);
    Built whole{family->get(), point_of(kernel), problem, {}};
    Built bare = whole;
    bare.point["ablated"] = 1;
    if (finished.contains(store::finished_key(bare.family->variant(bare.point, problem), true))) continue;
    const Candidate row = ablate(kernel, whole, bare, stop);
    if (row.variant.empty()) continue;  // stopped, or left open
    store_.record(environment_, row);
    ++summary_.ablations;
  }
}

/// The winner first: a race's, else the fastest; then the fastest with each value of the asked parameter.
std::vector<Candidate> Ablation::kernels(const Problem& problem) const {
  std::vector<Candidate> rows = store_.candidates({.environment = environment_,
                                                   .problem = problem.text(),
                                                   .outcome = Outcome::Ok,
                                                   .ablated = false,
                                                   .baseline = false,
                                                   .timed = true,
                                                   .samples = false,
                                                   .kernels = false,
                                                   .by_time = true});
  const store::Source source = shop_.gpu ? store::Source::Measured : store::Source::Predicted;
  std::erase_if(rows, [&](const Candidate& row) { return row.source != source || row.verified_on.empty(); });
  if (const auto race = store_.race(environment_, problem.text())) {
    const auto won = std::ranges::find(rows, race->winner, &Candidate::variant);
    if (won != rows.end()) std::rotate(rows.begin(), won, won + 1);
  }
  std::vector<Candidate> best;
  std::set<int> values;
  for (Candidate& row : rows) {
    const Point point = point_of(row);
    const auto value = point.find(job_.ablate_each);
    const bool fresh = value != point.end() && values.insert(value->second).second;
    if (best.empty() || fresh) best.push_back(std::move(row));
  }
  return best;
}

/// The ablation's row; one without a variant when nothing is to be recorded now.
Candidate Ablation::ablate(const Candidate& kernel, const Built& whole_point, Built& bare,
                           const std::stop_token& stop) {
  Candidate row = new_candidate(shop_.target, *bare.family, bare.problem, bare.point, std::nullopt);
  row.ablated = true;
  if (const auto reason = bare.family->unsupported(bare.point, bare.problem, shop_.target.device)) {
    row.outcome = Outcome::Illegal;
    row.reason = *reason;
    return row;
  }
  Built whole = whole_point;
  const std::vector<Source> sources{whole.family->source(whole.point, whole.problem),
                                    bare.family->source(bare.point, bare.problem)};
  const std::vector<compile::Build> builds = shop_.compiler->build(sources, {}, stop);
  if (builds[0].cancelled || builds[1].cancelled) return {};
  if (!builds[0].ok) fail("{} does not compile any more: {}", kernel.variant, builds[0].log);
  whole.build = builds[0];
  bare.build = builds[1];
  if (const std::string reason = refusal(bare.build); !reason.empty()) {
    row.outcome = Outcome::CompileFailed;
    row.reason = reason;
    return row;
  }
  row.kernels = kernel_rows(shop_.target, bare);
  const verify::Verdict verdict = shop_.proof->prove({bare}, stop).front();
  if (stop.stop_requested()) return {};
  put_verdict(row, verdict);
  if (row.outcome != Outcome::Ok) return row;

  Timing kernel_timing;
  kernel_timing.source = kernel.source;
  kernel_timing.median_us = *kernel.median_us;
  kernel_timing.details = kernel.details;
  if (shop_.gpu) {  // again, under the ablation's conditions
    const auto again = timed(whole);
    if (!again) return {};
    kernel_timing = *again;
  }
  const auto timing = timed(bare);
  if (!timing) return {};
  put_timing(row, *timing);
  if (row.outcome != Outcome::Ok || !kernel_timing.failure.empty()) return row;
  auto details = nlohmann::ordered_json::parse(row.details);
  details["overhead"] = nlohmann::ordered_json::parse(overhead(kernel, kernel_timing, *timing, whole, bare));
  row.details = details.dump();
  return row;
}

/// Nothing when the failure is the moment's.
std::optional<Timing> Ablation::timed(const Built& built) {
  Timing timing = shop_.clock->time(*built.family, built.point, built.problem, built.build);
  if (timing.transient) return std::nullopt;
  summary_.gpu_s += timing.gpu_s;
  return timing;
}

/// What the model says of a measured pair, put into `found`; the kernel's prediction.
Timing Ablation::beside(const Built& whole, const Built& bare, nlohmann::ordered_json& found) {
  Timing predicted;
  try {
    predicted = predicting_->time(*whole.family, whole.point, whole.problem, whole.build);
    const Timing without = predicting_->time(*bare.family, bare.point, bare.problem, bare.build);
    if (predicted.failure.empty() && without.failure.empty())
      found["predicted"] = {{"kernel_us", predicted.median_us}, {"ablation_us", without.median_us}};
  } catch (const Error& error) {
    found["predicted"] = {{"missing", error.what()}};
  }
  return predicted;
}

std::string Ablation::overhead(const Candidate& kernel, const Timing& kernel_timing, const Timing& timing,
                               const Built& whole, const Built& bare) {
  nlohmann::ordered_json found{{"of", kernel.variant},
                               {"labels", labels(whole)},
                               {"source", store::to_text(timing.source)},
                               {"kernel_us", kernel_timing.median_us},
                               {"ablation_us", timing.median_us}};
  if (timing.source == store::Source::Measured)
    found["noise"] = std::max(kernel_timing.relative_iqr, timing.relative_iqr);
  const Timing predicted = predicting_ ? beside(whole, bare, found) : kernel_timing;
  if (predicted.source == store::Source::Predicted && predicted.failure.empty())
    found["share_of_time"] = shares_of_time(predicted);
  found["instructions"] = instructions(shop_.target, whole, bare);
  return found.dump();
}

}  // namespace qoq::tune
