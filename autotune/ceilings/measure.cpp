#include "autotune/ceilings/measure.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/families.h"
#include "roofline/gpu/measured.h"

namespace qoq::ceilings {

namespace {

struct Prepared {
  NamedVariant named;
  std::string unusable;  ///< why it cannot be tried; empty when it can
  compile::Build build;
};

std::vector<std::vector<Prepared>> prepare(const Bench& bench, const std::vector<Ceiling>& ceilings,
                                           const std::stop_token& stop) {
  std::vector<std::vector<Prepared>> all;
  std::vector<Source> sources;
  for (const Ceiling& ceiling : ceilings) {
    auto& list = all.emplace_back();
    for (const Try& tried : ceiling.tries) {
      Prepared one{find_variant(tried.variant, parse_problem(tried.problem)), {}, {}};
      const auto& [family, point, problem] = one.named;
      if (const auto why = family->unsupported(point, problem, bench.device)) one.unusable = *why;
      if (one.unusable.empty()) sources.push_back(family->source(point, problem));
      list.push_back(std::move(one));
    }
  }
  const auto builds = bench.compiler.build(sources, {}, stop);
  size_t next = 0;
  for (auto& list : all) {
    for (Prepared& one : list) {
      if (!one.unusable.empty()) continue;
      one.build = builds[next++];
      if (!one.build.ok) one.unusable = "does not compile: " + one.build.log.substr(0, one.build.log.find('\n'));
    }
  }
  return all;
}

bool is_better(const Ceiling& ceiling, double value, double than) {
  return than == 0 || (ceiling.per == Per::Run ? value < than : value > than);
}

/// Proves and times one try; what it gave goes into the result when it is the best so far.
void try_one(const Bench& bench, const Ceiling& ceiling, const Try& tried, const Prepared& prepared,
             CeilingResult& result) {
  const auto put_out = [&](const std::string& why) { result.out.push_back(fmt::format("{}: {}", tried.variant, why)); };
  if (!prepared.unusable.empty()) return put_out(prepared.unusable);
  const measure::Subject subject{prepared.named.family, prepared.named.point, prepared.named.problem,
                                 prepared.build.object};
  const verify::Verdict verdict = bench.gpu.verify(subject, bench.seed);
  if (verdict.status != verify::Verdict::Status::Ok)
    return put_out(fmt::format("{}: {}", verify::name(verdict.status), verdict.message));
  const measure::Sample sample = bench.gpu.time(subject, ceiling.modes);
  if (!sample.failure.empty() || sample.median_us <= 0)
    return put_out(sample.failure.empty() ? "no time" : sample.failure);
  const auto rated = rate(ceiling, tried, bench.device, bench.sheet, sample.median_us, sample.sm_mhz);
  if (!rated) return put_out("neither the samples' SM clock nor a sheet's is known");
  if (!is_better(ceiling, rated->value, result.value)) return;
  result.value = rated->value;
  result.clock_mhz = rated->clock_mhz;
  result.clock_from = rated->clock_from;
  result.sample = sample;
  result.problem = tried.problem;
  result.variant = tried.variant;
}

}  // namespace

std::optional<Rated> rate(const Ceiling& ceiling, const Try& tried, const Device& device, const roofline::Gpu* sheet,
                          double median_us, double sm_mhz) {
  const auto [family, point, problem] = find_variant(tried.variant, parse_problem(tried.problem));
  const Work work = family->work(problem);
  if (ceiling.per == Per::Second) return Rated{(work.read_bytes + work.write_bytes) / median_us * 1e-3, 0, ""};
  if (ceiling.per == Per::Tera) return Rated{work.ops / median_us * 1e-6, 0, ""};
  if (ceiling.per == Per::Run) {
    const double block_us = sheet != nullptr ? sheet->block_us.value : 0;
    return Rated{median_us > block_us ? median_us - block_us : median_us, 0, ""};
  }
  Rated rated;
  rated.clock_mhz = sm_mhz > 0 ? sm_mhz : sheet != nullptr ? sheet->clock_ghz.value * 1e3 : 0;
  rated.clock_from = sm_mhz > 0 ? "samples" : "sheet";
  if (rated.clock_mhz == 0) return std::nullopt;
  const double clocks = median_us * rated.clock_mhz;
  if (ceiling.per == Per::Clock)
    rated.value = family->traffic(point, problem, device).l2_read_bytes / clocks;
  else
    rated.value = work.ops * (ceiling.per == Per::SharedClockSm ? 16 : 1) / clocks / device.sm_count;
  return rated;
}

std::vector<CeilingResult> measure_ceilings(const Bench& bench, const std::vector<Ceiling>& ceilings,
                                            const std::function<void(const CeilingResult&)>& done,
                                            std::stop_token stop) {
  const auto prepared = prepare(bench, ceilings, stop);
  std::vector<CeilingResult> results;
  for (size_t i = 0; i < ceilings.size() && !stop.stop_requested(); ++i) {
    const Ceiling& ceiling = ceilings[i];
    CeilingResult result;
    result.name = ceiling.name;
    result.unit = ceiling.unit;
    result.modes = ceiling.modes;
    for (size_t t = 0; t < ceiling.tries.size(); ++t) try_one(bench, ceiling, ceiling.tries[t], prepared[i][t], result);
    if (bench.sheet != nullptr) result.sheet_value = roofline::sheet_value(*bench.sheet, ceiling.sheet).value_or(0);
    if (result.value == 0) {
      result.failure = fmt::format("{}", fmt::join(result.out, "; "));
    } else if (result.sheet_value > 0) {
      result.share = roofline::share_of_sheet(ceiling.name, result.value, result.sheet_value);
      result.flagged = result.share < roofline::least_share;
    }
    if (done) done(result);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace qoq::ceilings
