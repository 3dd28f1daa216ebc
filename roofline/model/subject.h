#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "kernels/family.h"
#include "roofline/model/footprint.h"
#include "roofline/model/model.h"

namespace qoq::roofline {

/// What a plan's launch moves. The family speaks for the first one, which does the problem's work; a launch after it
/// gathers what that one left in the plan's workspaces, reads all of them once (from L2 while they fit into it), and
/// writes nothing that the family has not counted already.
Traffic traffic_of(const Plan& plan, size_t launch, const Traffic& family, const Device& device);

/// One launch of a variant with all that predict() asks.
struct Step {
  Footprint code;
  Launch launch;
  Traffic traffic;
  Work work;
};

/// One variant on one problem, ready to be predicted on any sheet of the same architecture and SM count.
struct Subject {
  std::vector<Step> steps;  ///< in launch order
};

/// A variant's time: its launches one after the other.
struct Forecast {
  double total_us = 0;
  std::vector<Prediction> launches;

  /// The parts of Prediction::parts(), summed over the launches.
  std::vector<std::pair<std::string_view, double>> parts() const;
  /// The launch that takes longest. There must be one.
  const Prediction& longest() const;
};
Forecast predict(const Gpu& gpu, const Subject& subject, bool measured_bandwidth = true);

/// The subject of a family's plan; `code_of` gives the footprint of an entry.
Subject subject_of(const Family& family, const Point& point, const Problem& problem, const Device& device,
                   const std::function<Footprint(const std::string& entry)>& code_of);

/// The same from a cubin's entries. Throws Fault::Work when a launch's entry is not among them.
Subject subject_of(const Family& family, const Point& point, const Problem& problem, const Device& device,
                   std::span<const EntryCode> entries);

}  // namespace qoq::roofline
