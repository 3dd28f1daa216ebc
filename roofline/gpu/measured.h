#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "roofline/gpu/gpu.h"

namespace qoq::roofline {

/// A rate that was measured on an attached GPU, by its dotted key (Gpu::rates()), in that key's unit; or
/// "mma_sync.int8" in TOPS, from which mma_sync_fraction follows.
struct Measured {
  std::string name;
  double value = 0;
  std::string when;  ///< the date, for the source
};

/// Below this share of what the sheet says a measurement is doubted: another process, a slow clock, a bad kernel.
constexpr double least_share = 0.75;

/// What the sheet says of a ceiling by its name (mma_sync.int8 and mma_sync.fp16: the tensor rate times
/// mma_sync_fraction, in TOPS; measured_dram_bandwidth: the listed bandwidth); nothing when it has no such rate.
std::optional<double> sheet_value(const Gpu& sheet, std::string_view name);

/// measured / sheet, or the reverse where less is better ("launch").
double share_of_sheet(std::string_view name, double measured, double sheet);

/// The sheet with measured rates in place of its own, each with the source "measured" and its date. Left out: names it
/// does not know, "launch" (measured inside a graph, where the model predicts eager launches), values that are no
/// positive number, and whatever reaches less than least_share of this sheet.
Gpu with_measured(Gpu sheet, std::span<const Measured> measured);

}  // namespace qoq::roofline
