#include <fmt/format.h>

#include <algorithm>

#include "autotune/search/evolutionary.h"
#include "autotune/search/exhaustive.h"
#include "autotune/search/local.h"
#include "autotune/search/predict_then_measure.h"
#include "autotune/search/random.h"
#include "autotune/search/strategy.h"
#include "kernels/base/error.h"

namespace qoq::search {
namespace {

constexpr Entry table[] = {
    {"exhaustive", "every point, in the order of the parameters' values", make_exhaustive},
    {"random", "every point once, in an order drawn from the seed", make_random},
    {"local", "climbs from good points to better neighbours, leaps out of local optima", make_local},
    {"evolutionary", "breeds the fastest points: crossover and mutation", make_evolutionary},
    {"predict-then-measure", "the points with the best predicted times, as many as the predictions' error asks for",
     make_predict_then_measure, true},
};

/// Stops another strategy after `budget` points.
class Budgeted final : public Strategy {
 public:
  Budgeted(std::unique_ptr<Strategy> inner, int64_t budget) : inner_(std::move(inner)), left_(budget) {}

  std::vector<Point> ask() override {
    if (left_ <= 0) return {};
    std::vector<Point> points = inner_->ask();
    if (std::ssize(points) > left_) points.resize(static_cast<std::size_t>(left_));
    left_ -= std::ssize(points);
    return points;
  }
  void tell(std::span<const Evaluated> results) override { inner_->tell(results); }

 private:
  std::unique_ptr<Strategy> inner_;
  int64_t left_;
};

}  // namespace

std::span<const Entry> strategies() { return table; }

const Entry& strategy_named(std::string_view name) {
  const auto* found = std::ranges::find(table, name, &Entry::name);
  if (found != std::end(table)) return *found;
  std::string known;
  for (const Entry& entry : table) known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.name);
  bad_input("no search strategy called \"{}\" (known: {})", name, known);
}

std::unique_ptr<Strategy> make_strategy(const Settings& settings, Space space) {
  const Entry& entry = strategy_named(settings.strategy);
  if (settings.budget && *settings.budget < 1) bad_input("a budget of {} points, expected 1 or more", *settings.budget);
  if (entry.predicts && !settings.predict)
    bad_input("the search strategy {} needs predicted times, and nothing here predicts any", entry.name);
  auto strategy = entry.make(std::move(space), settings);
  if (settings.budget) strategy = std::make_unique<Budgeted>(std::move(strategy), *settings.budget);
  return strategy;
}

}  // namespace qoq::search
