#include "autotune/report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autotune/report/text.h"

namespace qoq::report {
namespace {

std::string tick_text(double value) {
  if (std::abs(value) >= 1000 && value == std::round(value)) return count_text(std::llround(value));
  return fmt::format("{:.4g}", value);
}

}  // namespace

void Extent::include(double value) {
  if (!std::isfinite(value)) return;
  least = empty ? value : std::min(least, value);
  most = empty ? value : std::max(most, value);
  empty = false;
}

Axis::Axis(const nlohmann::json& json, bool log_by_default, const Extent& data, double begin_px, double end_px)
    : label_(json.value("label", "")),
      log_(json.value("scale", log_by_default ? "log" : "linear") == "log"),
      begin_px_(begin_px),
      end_px_(end_px) {
  const Extent shown = data.empty ? Extent{1, 2, false} : data;
  const bool low = json.contains("min"), high = json.contains("max");
  least_ = low ? json["min"].get<double>() : log_ ? shown.least * 0.8 : shown.least;
  most_ = high ? json["max"].get<double>() : log_ ? shown.most * 1.25 : shown.most;
  if (log_ && least_ <= 0) least_ = 1e-3;
  if (most_ <= least_) most_ = log_ ? least_ * 10 : least_ + 1;
  if (log_) return;
  if (!low) least_ = std::floor(least_ / step()) * step();
  if (!high) most_ = std::ceil(most_ / step()) * step();
}

bool Axis::shows(double value) const { return std::isfinite(value) && (!log_ || value > 0); }

double Axis::pixel(double value) const {
  const double at = std::clamp(value, least_, most_);
  const double part = log_ ? std::log(at / least_) / std::log(most_ / least_) : (at - least_) / (most_ - least_);
  return begin_px_ + part * (end_px_ - begin_px_);
}

double Axis::step() const {
  const double rough = (most_ - least_) / 6;
  const double decade = std::pow(10, std::floor(std::log10(rough)));
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * decade >= rough * 0.999) return digit * decade;
  }
  return 10 * decade;
}

std::vector<Tick> Axis::ticks() const {
  std::vector<Tick> ticks;
  constexpr double rounding = 1 + 1e-9;
  if (!log_) {
    const double width = step();
    for (double n = std::ceil(least_ / width / rounding); n * width <= most_ * rounding; ++n)
      ticks.push_back({n * width, tick_text(n * width)});
    return ticks;
  }
  const bool wide = most_ / least_ > 1e3;
  for (double decade = std::pow(10, std::floor(std::log10(least_))); decade <= most_; decade *= 10) {
    for (const int digit : {1, 2, 3, 4, 5, 6, 7, 8, 9}) {
      const double value = digit * decade;
      if (value * rounding < least_ || value > most_ * rounding) continue;
      const bool named = digit == 1 || (!wide && (digit == 2 || digit == 5));
      ticks.push_back({value, named ? tick_text(value) : ""});
    }
  }
  return ticks;
}

}  // namespace qoq::report
