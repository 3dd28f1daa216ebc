#include "autotune/measure/race.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "autotune/measure/clock_watch.h"
#include "autotune/measure/decision.h"
#include "autotune/measure/difference.h"
#include "autotune/measure/sampling.h"
#include "kernels/runtime/nvml.h"

namespace qoq::measure {

namespace {

constexpr int first_look = 10;         // rounds before anything is judged
constexpr double look_growth = 1.2;    // rounds from one look to the next
constexpr double wrong_chance = 0.01;  // that any look puts a finalist out which should have stayed

/// Half an interval's width in standard errors such that none of all comparisons at all looks errs with more than
/// wrong_chance (Bonferroni).
double careful_z(size_t lanes, int most_samples) {
  double looks = 1;
  for (double n = first_look; n < most_samples; n *= look_growth) ++looks;
  const double comparisons = std::max(1.0, static_cast<double>(lanes) - 1) * looks;
  return normal_quantile_above(wrong_chance / comparisons);
}

/// One finalist in the race. What is kept of it lies in vectors by round; all that are in the race have the same
/// rounds.
struct Runner {
  Runner(Lane* its_lane, double clock_drop) : lane(its_lane), clocks(clock_drop) {}

  Lane* lane;
  ClockWatch clocks;
  std::vector<double> us, logs, sm_mhz, gpu_s;
  bool in = true;
  std::string out_because;  ///< Sample::stopped_by
  Sample sample;            ///< counts, failure
};

class Race {
 public:
  Race(std::span<Lane* const> lanes, size_t incumbent, Stand& stand, const RaceLimits& limits)
      : incumbent_(incumbent),
        stand_(stand),
        limits_(limits),
        z_(careful_z(lanes.size(), limits.most_samples)),
        tie_(std::log1p(limits.tie)),
        back_off_(limits.back_off_s) {
    for (Lane* lane : lanes) runners_.emplace_back(lane, limits.clock_drop);
  }

  RaceResult run() {
    start_s_ = stand_.now_s();
    warm_up();
    while (stopped_by_.empty()) {
      if (run_round()) ++turns_;
      if (stopped_by_.empty()) judge();
    }
    return result();
  }

 private:
  void warm_up() {
    const SamplingLimits usual;
    bool rested = true;
    for (Runner& runner : runners_) {
      guarded(runner, [&] { runner.lane->warm_up(rested ? usual.warm_up_ms : usual.rewarm_ms); });
      rested = false;
    }
  }

  /// Runs what may throw for a runner's sake; false when it did, and the runner is out.
  template <class Body>
  bool guarded(Runner& runner, Body body) {
    if (!stopped_by_.empty()) return false;
    try {
      body();
      return true;
    } catch (const ContextLost& lost) {
      runner.sample.timed_out = lost.timed_out;
      runner.sample.context_lost = true;
      stopped_by_ = "context-lost";
      lost_because_ = lost.what();
      runner.sample.failure = lost.what();
    } catch (const Error& error) {
      runner.sample.failure = error.what();
    }
    runner.in = false;
    runner.out_because = "failure";
    return false;
  }

  std::vector<size_t> those_in() const {
    std::vector<size_t> list;
    for (size_t i = 0; i < runners_.size(); ++i) {
      if (runners_[i].in) list.push_back(i);
    }
    return list;
  }
  size_t rounds() const {
    size_t most = 0;
    for (const Runner& runner : runners_) most = std::max(most, runner.us.size());
    return most;
  }

  /// Each that is in once. Begins with another one each time, and goes backwards every other turn, so that all get
  /// every place in a round and both neighbours. True when the round was kept.
  bool run_round() {
    const std::vector<size_t> order = those_in();
    if (order.empty()) {
      stopped_by_ = "failure";
      return false;
    }
    const size_t count = order.size(), start = turns_ % count;
    const bool backwards = turns_ / count % 2 == 1;
    std::vector<Reading> readings(count);
    std::vector<double> gpu_s(count);
    Runner* held_back = nullptr;  // the first; the others are asked all the same, so that their clocks are watched too
    for (size_t k = 0; k < count; ++k) {
      const size_t place = backwards ? (start + count - k) % count : (start + k) % count;
      Runner& runner = runners_[order[place]];
      const double before_s = stand_.now_s();
      const bool well = guarded(runner, [&] {
        readings[place] = runner.lane->sample();
        if (!(readings[place].us > 0)) fail("a sample took {} us: the timer does not work", readings[place].us);
      });
      if (!well) return false;
      gpu_s[place] = readings[place].busy_us > 0 ? readings[place].busy_us / 1e6 : stand_.now_s() - before_s;
      runner.sample.throttled |= readings[place].throttled;
      if (runner.clocks.notice(readings[place])) throw_away_odd_rounds(runner);
      if (held_back == nullptr && runner.clocks.held_back(readings[place])) held_back = &runner;
    }
    if (held_back != nullptr) {
      discard(order, *held_back);
      return false;
    }
    back_off_.reset();
    for (size_t place = 0; place < count; ++place) {
      Runner& runner = runners_[order[place]];
      runner.us.push_back(readings[place].us);
      runner.logs.push_back(std::log(readings[place].us));
      runner.sm_mhz.push_back(readings[place].sm_mhz);
      runner.gpu_s.push_back(gpu_s[place]);
    }
    return true;
  }

  void discard(const std::vector<size_t>& order, Runner& first) {
    for (const size_t i : order) ++runners_[i].sample.discarded;
    if (++discarded_ >= limits_.most_discards) {
      stopped_by_ = "most-discards";
      return;
    }
    back_off_.rest(stand_);
    guarded(first, [&] { first.lane->warm_up(SamplingLimits().rewarm_ms); });
  }

  /// This runner's clock has just been faster than in earlier rounds: those were held back. Or it has settled lower.
  void throw_away_odd_rounds(const Runner& runner) {
    for (size_t round = runner.sm_mhz.size(); round-- > 0;) {
      if (!runner.clocks.odd(runner.sm_mhz[round])) continue;
      ++discarded_;
      for (Runner& other : runners_) {
        if (round >= other.us.size()) continue;
        ++other.sample.discarded;
        for (std::vector<double>* values : {&other.us, &other.logs, &other.sm_mhz, &other.gpu_s})
          values->erase(values->begin() + static_cast<ptrdiff_t>(round));
      }
    }
  }

  Difference between(size_t one, size_t other) const {
    return difference(runners_[one].logs, runners_[other].logs, z_);
  }

  /// Of some finalists the one that wins against those before it in the list.
  std::optional<size_t> fastest_of(const std::vector<size_t>& list) const {
    std::optional<size_t> best;
    for (const size_t i : list) {
      if (runners_[i].us.empty()) continue;
      if (!best || between(i, *best).centre < 0) best = i;
    }
    return best;
  }

  /// Looks at the race, at growing distances: who is out, is it decided, has it lasted long enough?
  void judge() {
    const auto count = static_cast<int>(rounds());
    const bool over = count >= limits_.most_samples, late = stand_.now_s() - start_s_ >= limits_.race_s;
    if (count >= next_look_ || over || late) {
      next_look_ = std::max(next_look_ + 1, static_cast<int>(std::ceil(count * look_growth)));
      put_out_the_slow();
      if (decided()) stopped_by_ = "decided";
    }
    if (!stopped_by_.empty()) return;
    if (over) stopped_by_ = "most-samples";
    if (late) stopped_by_ = "time-out";
  }

  /// The incumbent stays to the end, so that the winner is held against it over all rounds.
  void put_out_the_slow() {
    const std::optional<size_t> leader = fastest_of(those_in());
    if (!leader) return;
    const bool defended = runners_[incumbent_].in;
    for (const size_t i : those_in()) {
      if (i == incumbent_ || (i == *leader && !defended)) continue;
      const bool slower = i != *leader && between(i, *leader).low > 0;
      const bool hopeless = defended && between(incumbent_, i).high < tie_;  // cannot take the incumbent's place
      if (!slower && !hopeless) continue;
      runners_[i].in = false;
      runners_[i].out_because = slower ? "slower" : "no-faster-than-incumbent";
    }
  }

  /// Nothing that more rounds could tell would matter.
  bool decided() const {
    const std::vector<size_t> in = those_in();
    const std::optional<size_t> leader = fastest_of(in);
    if (!leader) return false;
    return std::ranges::all_of(in, [&](size_t i) {
      if (i == *leader) return true;
      const Difference behind = between(i, *leader);
      return i == incumbent_ ? behind.low > tie_ : behind.high < tie_;
    });
  }

  RaceResult result() {
    std::vector<Track> tracks;
    for (const Runner& runner : runners_) {
      const std::string& failure = runner.sample.failure;
      tracks.push_back({runner.us, runner.logs, runner.in, !failure.empty(), failure});
    }
    Decision decision = decide(tracks, {incumbent_, z_, limits_.tie, discarded_, lost_because_});
    RaceResult result{.winner = decision.winner, .samples = {}, .left_after = {}, .reason = std::move(decision.reason)};
    result.changed = result.winner != incumbent_;
    for (Runner& runner : runners_) {
      result.left_after.push_back(runner.in ? -1 : static_cast<int>(runner.us.size()));
      result.samples.push_back(finish(runner));
    }
    return result;
  }

  Sample finish(Runner& runner) {
    Sample sample = std::move(runner.sample);
    sample.stopped_by = runner.in ? stopped_by_ : runner.out_because;
    if (!sample.failure.empty()) return sample;
    sample.settled = !runner.in || stopped_by_ == "decided";
    sample.samples_us = runner.us;
    for (const double seconds : runner.gpu_s) sample.gpu_s += seconds;
    std::ranges::sort(runner.sm_mhz);
    if (!runner.sm_mhz.empty()) sample.sm_mhz = quantile(runner.sm_mhz, 0.5);
    summarize(sample);
    if (sample.samples_us.empty()) {
      sample.failure = !lost_because_.empty() ? std::string(broken_off) + lost_because_
                       : sample.discarded > 0
                           ? fmt::format("all {} rounds were thrown away: the clocks were held back (NVML: {})",
                                         sample.discarded, runtime::reasons_text(sample.throttled))
                           : std::string(broken_off) + "no round was completed";
      sample.context_lost = !lost_because_.empty();
      sample.transient = lost_because_.empty() && sample.discarded > 0;
    }
    return sample;
  }

  const size_t incumbent_;
  Stand& stand_;
  const RaceLimits limits_;
  const double z_, tie_;
  BackOff back_off_;
  std::vector<Runner> runners_;
  double start_s_ = 0;
  size_t turns_ = 0;  ///< rounds kept
  int next_look_ = first_look, discarded_ = 0;
  std::string stopped_by_, lost_because_;
};

}  // namespace

RaceResult race(std::span<Lane* const> lanes, size_t incumbent, Stand& stand, const RaceLimits& limits) {
  if (incumbent >= lanes.size()) fail("a race of {} finalists has no incumbent {}", lanes.size(), incumbent);
  return Race(lanes, incumbent, stand, limits).run();
}

}  // namespace qoq::measure
