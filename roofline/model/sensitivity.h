#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "roofline/model/subject.h"

namespace qoq::roofline {

/// One assumed rate, changed, under which another candidate wins.
struct Upset {
  std::string rate;   ///< dotted key, "latency.dram"
  double factor = 1;  ///< what the rate was multiplied by
  size_t winner = 0;  ///< of the candidates
  double loss = 0;    ///< how much longer the old winner then takes: its time / the new winner's − 1
};

/// How far an assumption may be wrong.
inline constexpr double assumed_range = 0.3;
/// Times closer than this are the same.
inline constexpr double least_loss = 1e-3;

/// Keys of the sheet's rates that rest on nobody's number, in the order of Gpu::rates(). A rate that measured ceilings
/// have replaced is none.
std::vector<std::string> assumed_rates(const Gpu& gpu);

/// Every assumed rate by itself, times 1 − range and 1 + range: where `winner` is no longer the fastest of
/// `candidates`. The device's whole numbers (SMs, sizes) are not changed, as plans and traffic rest on them.
std::vector<Upset> upsets(const Gpu& gpu, std::span<const Subject* const> candidates, size_t winner,
                          double range = assumed_range);

}  // namespace qoq::roofline
