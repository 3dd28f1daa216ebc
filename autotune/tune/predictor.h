#pragma once
#include <chrono>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "autotune/search/strategy.h"
#include "autotune/tune/progress.h"
#include "autotune/tune/workshop.h"

namespace qoq::tune {

/// Predicted times of points of one problem, before any of them runs: each is compiled (the builds stay in the
/// compiler's cache for those that are measured later) and its cubin given to the model on the target's sheet, which
/// holds measured ceilings where the database has them. On a simulated target its own clock is asked, so that there
/// measuring is predicting.
///
/// Nothing for a point that is not supported, is refused by the compiler, spills, or fits no SM; nothing for all that
/// are left when a stop is asked for; what is built by then is predicted.
std::vector<std::optional<double>> predict_points(Workshop& workshop, const Family& family, const Problem& problem,
                                                  std::span<const Point> points, Progress& progress,
                                                  const std::stop_token& stop);

/// Asks for a stop when another does, and at a moment of its own: predicting ends at half the time that is left, so
/// that the other half can measure what was ranked by then.
class HalfTime {
 public:
  using Clock = std::chrono::steady_clock;
  HalfTime(const std::stop_token& outer, std::optional<Clock::time_point> deadline);
  std::stop_token token() const { return source_.get_token(); }

 private:
  struct Pass {
    std::stop_source& source;
    void operator()() const { source.request_stop(); }
  };
  std::stop_source source_;
  std::stop_callback<Pass> passed_on_;
  std::jthread timer_;  ///< last: ends before what it uses
};

/// Where the strategy needs predictions: throws Fault::Input, naming the GPU, when a target has no sheet to predict on,
/// and says of simulated targets that there measuring is predicting.
void check_predictions(const search::Settings& settings, std::span<const Workshop> workshops, Progress& progress);

/// Whether the settings' strategy needs predictions.
bool predicts(const search::Settings& settings);

}  // namespace qoq::tune
