#include "roofline/model/subject.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace qoq::roofline {

Traffic traffic_of(const Plan& plan, size_t launch, const Traffic& family, const Device& device) {
  if (launch == 0) return family;
  Traffic gathered;
  for (const Workspace& workspace : plan.workspaces) gathered.l2_read_bytes += static_cast<double>(workspace.bytes);
  const bool kept = gathered.l2_read_bytes <= static_cast<double>(device.l2_bytes);
  gathered.dram_read_bytes = kept ? 0 : gathered.l2_read_bytes;
  return gathered;
}

std::vector<std::pair<std::string_view, double>> Forecast::parts() const {
  if (launches.empty()) return {};
  auto sums = launches.front().parts();
  for (size_t i = 1; i < launches.size(); ++i) {
    const auto parts = launches[i].parts();  // the same names in the same order
    for (size_t part = 0; part < parts.size(); ++part) sums[part].second += parts[part].second;
  }
  return sums;
}

const Prediction& Forecast::longest() const { return *std::ranges::max_element(launches, {}, &Prediction::total_us); }

Forecast predict(const Gpu& gpu, const Subject& subject, bool measured_bandwidth) {
  Forecast forecast;
  for (const Step& step : subject.steps) {
    forecast.launches.push_back(predict(gpu, step.code, step.launch, step.traffic, step.work, measured_bandwidth));
    forecast.total_us += forecast.launches.back().total_us;
  }
  return forecast;
}

Subject subject_of(const Family& family, const Point& point, const Problem& problem, const Device& device,
                   const std::function<Footprint(const std::string&)>& code_of) {
  const Plan plan = family.plan(point, problem, device);
  const Traffic traffic = family.traffic(point, problem, device);
  Subject subject;
  for (size_t i = 0; i < plan.launches.size(); ++i) {
    subject.steps.push_back({code_of(plan.launches[i].entry), plan.launches[i], traffic_of(plan, i, traffic, device),
                             i == 0 ? family.work(problem) : Work{}});
  }
  return subject;
}

Subject subject_of(const Family& family, const Point& point, const Problem& problem, const Device& device,
                   std::span<const EntryCode> entries) {
  return subject_of(family, point, problem, device, [&](const std::string& entry) {
    const auto found = std::ranges::find(entries, entry, &EntryCode::name);
    if (found == entries.end()) fail("the cubin holds no entry {}", entry);
    return footprint_of(*found);
  });
}

}  // namespace qoq::roofline
