#include "autotune/search/exhaustive.h"

namespace qoq::search {
namespace {

class Exhaustive final : public Strategy {
 public:
  explicit Exhaustive(Space space) : space_(std::move(space)) {}

  std::vector<Point> ask() override {
    std::vector<Point> points;
    while (points.size() < batch_points && next_ < space_.combinations()) {
      if (auto point = space_.at(next_++)) points.push_back(*std::move(point));
    }
    return points;
  }
  void tell(std::span<const Evaluated>) override {}

 private:
  Space space_;
  uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_exhaustive(Space space, const Settings&) {
  return std::make_unique<Exhaustive>(std::move(space));
}

}  // namespace qoq::search
