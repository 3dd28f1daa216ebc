#include "autotune/search/random.h"

#include "autotune/search/permutation.h"

namespace qoq::search {
namespace {

class Random final : public Strategy {
 public:
  Random(Space space, uint64_t seed) : space_(std::move(space)), order_(space_.combinations(), seed) {}

  std::vector<Point> ask() override {
    std::vector<Point> points;
    while (points.size() < batch_points && next_ < space_.combinations()) {
      if (auto point = space_.at(order_(next_++))) points.push_back(*std::move(point));
    }
    return points;
  }
  void tell(std::span<const Evaluated>) override {}

 private:
  Space space_;
  Permutation order_;
  uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_random(Space space, const Settings& settings) {
  return std::make_unique<Random>(std::move(space), settings.seed);
}

}  // namespace qoq::search
