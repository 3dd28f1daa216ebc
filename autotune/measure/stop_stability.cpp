#include <algorithm>
#include <cmath>

#include "autotune/measure/stopping.h"

namespace qoq::measure {

namespace {

constexpr double agreement = 0.005;  // of the medians
constexpr size_t least = 40;         // so that even the last half has a median worth the name
constexpr int in_a_row = 20;         // by chance they agree now and then long before

class Stability final : public StoppingRule {
 public:
  std::string_view name() const override { return "stability"; }

  bool satisfied(std::span<const double> samples_us, double) override {
    if (samples_us.size() < least) return false;
    const double all = median(samples_us), last = median(samples_us.subspan(samples_us.size() / 2));
    agreed_ = std::abs(last - all) <= agreement * all ? agreed_ + 1 : 0;
    return agreed_ >= in_a_row;
  }

 private:
  double median(std::span<const double> samples_us) {
    ordered_.assign(samples_us.begin(), samples_us.end());
    const auto middle = ordered_.begin() + static_cast<ptrdiff_t>(ordered_.size() / 2);
    std::nth_element(ordered_.begin(), middle, ordered_.end());
    return *middle;
  }

  int agreed_ = 0;
  std::vector<double> ordered_;
};

}  // namespace

std::unique_ptr<StoppingRule> stop_when_stable() { return std::make_unique<Stability>(); }

}  // namespace qoq::measure
