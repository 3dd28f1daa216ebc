#include "autotune/search/trials.h"

#include <utility>

namespace qoq::search {

Trials::Trials(Space space, uint64_t seed) : space_(std::move(space)), order_(space_.combinations(), seed) {}

bool Trials::add(uint64_t index) {
  if (!seen_.insert(index).second) return false;
  auto point = space_.at(index);
  if (!point) return false;
  batch_.push_back(*std::move(point));
  making_.push_back(index);
  return true;
}

bool Trials::add_fresh() {
  while (next_ < space_.combinations()) {
    if (add(order_(next_++))) return true;
  }
  return false;
}

std::vector<Point> Trials::take_batch() {
  taken_ = std::exchange(making_, {});
  told_.clear();
  return std::exchange(batch_, {});
}

std::size_t Trials::first_points() const {
  std::size_t points = 4;
  while (points < 16 && 4 * points * points < space_.combinations()) ++points;
  return points;
}

void Trials::tell(std::span<const Evaluated> results) {
  for (const Evaluated& result : results) told_[space_.index(result.point)] = result.time_us;
}

std::vector<Trials::Heard> Trials::heard() const {
  std::vector<Heard> list;
  for (const uint64_t index : taken_) {
    const auto found = told_.find(index);
    if (found != told_.end()) list.push_back({index, found->second});
  }
  return list;
}

}  // namespace qoq::search
