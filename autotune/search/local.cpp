#include "autotune/search/local.h"

#include <algorithm>

#include "autotune/search/draws.h"
#include "autotune/search/trials.h"

namespace qoq::search {
namespace {

constexpr std::size_t batch_size = 8;
constexpr std::size_t first_points = 16;                 ///< drawn before the first climb
constexpr int leaps_before_restart = 8;                  ///< in a row, without gain
constexpr uint64_t least_redrawn = 2, most_redrawn = 4;  ///< parameters that a leap draws anew
constexpr int leap_tries = 64;                           ///< for each point of a leap: a space may admit few

struct Place {
  uint64_t index = 0;
  double time_us = 0;
};

class Local final : public Strategy {
 public:
  Local(Space space, uint64_t seed) : trials_(std::move(space), seed), draws_(seed) {}

  std::vector<Point> ask() override {
    learn();
    if (here_) ask_neighbours();
    if (trials_.batch_size() == 0 && here_) leap();
    if (trials_.batch_size() == 0) start();
    return trials_.take_batch();
  }
  void tell(std::span<const Evaluated> results) override { trials_.tell(results); }

 private:
  /// Goes to the fastest point of the last batch, where that is faster than the point it stands on.
  void learn() {
    bool moved = false;
    for (const Trials::Heard& heard : trials_.heard()) {
      if (!heard.time_us || (here_ && *heard.time_us >= here_->time_us)) continue;
      here_ = Place{heard.index, *heard.time_us};
      moved = true;
    }
    if (moved) list_neighbours();
  }

  /// In random order, those a step away first; taken from the end.
  void list_neighbours() {
    std::vector<uint64_t> steps, others;
    std::vector<uint32_t> at = trials_.space().positions(here_->index);
    for (std::size_t i = 0; i < at.size(); ++i) {
      const uint32_t own = at[i];
      const auto count = static_cast<uint32_t>(trials_.space().parameters()[i].values.size());
      for (uint32_t value = 0; value < count; ++value) {
        if (value == own) continue;
        at[i] = value;
        const bool step = value + 1 == own || value == own + 1;
        (step ? steps : others).push_back(trials_.space().index(at));
      }
      at[i] = own;
    }
    draws_.shuffle(steps);
    draws_.shuffle(others);
    neighbours_ = std::move(others);
    neighbours_.insert(neighbours_.end(), steps.begin(), steps.end());
  }

  void ask_neighbours() {
    while (trials_.batch_size() < batch_size && !neighbours_.empty()) {
      trials_.add(neighbours_.back());
      neighbours_.pop_back();
    }
  }

  /// From a local optimum.
  void leap() {
    if (!optimum_ || here_->time_us < optimum_->time_us) {
      optimum_ = here_;
      leaps_ = 0;
    }
    here_.reset();
    if (++leaps_ > leaps_before_restart) {
      optimum_.reset();
      leaps_ = 0;
      return;
    }
    for (std::size_t i = 0; i < batch_size; ++i) {
      for (int tries = 0; tries < leap_tries && !trials_.add(redrawn(optimum_->index)); ++tries) continue;
    }
  }

  uint64_t redrawn(uint64_t index) {
    const Space& space = trials_.space();
    std::vector<uint32_t> at = space.positions(index);
    if (at.empty()) return index;
    const uint64_t changes = least_redrawn + draws_.below(most_redrawn - least_redrawn + 1);
    for (uint64_t change = 0; change < changes; ++change) {
      const std::size_t i = draws_.below(at.size());
      at[i] = static_cast<uint32_t>(draws_.below(space.parameters()[i].values.size()));
    }
    return space.index(at);
  }

  void start() {
    const std::size_t wanted = started_ ? batch_size : trials_.first_points();
    started_ = true;
    while (trials_.batch_size() < wanted && trials_.add_fresh()) continue;
  }

  Trials trials_;
  Draws draws_;
  std::optional<Place> here_;     ///< the point that it climbs from; nothing: what the last batch found best
  std::optional<Place> optimum_;  ///< that it leaps from
  std::vector<uint64_t> neighbours_;
  int leaps_ = 0;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<Strategy> make_local(Space space, const Settings& settings) {
  return std::make_unique<Local>(std::move(space), settings.seed);
}

}  // namespace qoq::search
