#include "autotune/measure/decision.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "autotune/measure/difference.h"

namespace qoq::measure {

namespace {

class Judge {
 public:
  Judge(std::span<const Track> tracks, const Rules& rules) : tracks_(tracks), rules_(rules) {}

  Decision decide() const {
    const size_t incumbent = rules_.incumbent;
    if (!rules_.broken_off.empty())
      return {incumbent, fmt::format("the incumbent stays: the race broke off: {}", rules_.broken_off)};
    if (tracks_[incumbent].failed) return without_incumbent();
    if (tracks_[incumbent].us.empty())
      return {incumbent, "the incumbent stays: no round of the race was kept" + thrown_away()};

    const std::optional<size_t> best = fastest_other(true), next = fastest_other(false);
    if (!next) return {incumbent, fmt::format("the incumbent stays, {}: no other finalist ran", median(incumbent))};
    if (best) {
      const Difference gain = between(incumbent, *best);
      if (gain.low > 0 && gain.centre >= std::log1p(rules_.tie)) {
        return {*best, fmt::format("faster than the incumbent by {}: {} against {}{}", percent(gain), median(*best),
                                   median(incumbent), after(*best))};
      }
    }
    return {incumbent, stays(best && between(incumbent, *best).centre > 0 ? *best : *next)};
  }

 private:
  /// Why the incumbent stays against the finalist that came nearest to winning.
  std::string stays(size_t other) const {
    const size_t incumbent = rules_.incumbent;
    const Difference gain = between(incumbent, other);
    const std::string times =
        fmt::format("{} against the incumbent's {}{}", median(other), median(incumbent), after(other));
    if (gain.centre > 0 && gain.low <= 0)
      return fmt::format("tie, the incumbent stays: the next one is faster by {}, which may be noise: {}",
                         percent(gain), times);
    if (gain.centre > 0)
      return fmt::format("tie, the incumbent stays: the next one is faster by {}, less than {:.3g} %: {}",
                         percent(gain), 100 * rules_.tie, times);
    const Difference loss{-gain.centre, -gain.high, -gain.low};
    return fmt::format("the incumbent is the fastest: the next one is slower by {}: {}", percent(loss), times);
  }

  Decision without_incumbent() const {
    const std::string failure = tracks_[rules_.incumbent].failure;
    const std::optional<size_t> best = fastest_other(true);
    if (!best) return {rules_.incumbent, "no finalist could be measured; the incumbent: " + failure};
    return {*best, fmt::format("the fastest of the others, {}{}: the incumbent failed: {}", median(*best), after(*best),
                               failure)};
  }

  Difference between(size_t one, size_t other) const {
    return difference(tracks_[one].logs, tracks_[other].logs, rules_.z);
  }

  /// Beside the incumbent; `to_the_end`: only those that are still in.
  std::optional<size_t> fastest_other(bool to_the_end) const {
    std::optional<size_t> best;
    for (size_t i = 0; i < tracks_.size(); ++i) {
      if (i == rules_.incumbent || tracks_[i].failed || tracks_[i].us.empty() || (to_the_end && !tracks_[i].in))
        continue;
      if (!best || between(i, *best).centre < 0) best = i;
    }
    return best;
  }

  static std::string percent(const Difference& difference) {
    if (!std::isfinite(difference.low)) return fmt::format("{:.2f} %", 100 * std::expm1(difference.centre));
    return fmt::format("{:.2f} % [{:.2f}, {:.2f}]", 100 * std::expm1(difference.centre),
                       100 * std::expm1(difference.low), 100 * std::expm1(difference.high));
  }
  std::string median(size_t i) const {
    const MedianInterval interval = median_interval({tracks_[i].us.begin(), tracks_[i].us.end()});
    return fmt::format("{:.4g} us [{:.4g}, {:.4g}]", interval.median, interval.low, interval.high);
  }
  std::string after(size_t i) const { return fmt::format(" after {} rounds{}", tracks_[i].us.size(), thrown_away()); }
  std::string thrown_away() const {
    if (rules_.thrown_away == 0) return "";
    return fmt::format(", {} more thrown away since clocks were held back", rules_.thrown_away);
  }

  std::span<const Track> tracks_;
  const Rules& rules_;
};

}  // namespace

Decision decide(std::span<const Track> tracks, const Rules& rules) { return Judge(tracks, rules).decide(); }

}  // namespace qoq::measure
