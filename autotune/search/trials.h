#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "autotune/search/permutation.h"
#include "autotune/search/strategy.h"

namespace qoq::search {

/// What a strategy that learns has asked so far and what it heard: it makes batches in which no point comes twice, and
/// hands their answers back in the order asked, whatever order they were told in.
class Trials {
 public:
  Trials(Space space, uint64_t seed);

  const Space& space() const { return space_; }

  /// Puts a combination into the batch; false, and nothing, where it is not admitted or was asked before.
  bool add(uint64_t index);
  /// Puts a point drawn at random into the batch; false where every point has been asked.
  bool add_fresh();
  std::size_t batch_size() const { return batch_.size(); }
  /// The batch, as ask() returns it; the next one begins.
  std::vector<Point> take_batch();

  /// How many points a search draws at random before it learns: 16, fewer where the space is small (half the root of
  /// its combinations, at least 4).
  std::size_t first_points() const;

  void tell(std::span<const Evaluated> results);

  struct Heard {
    uint64_t index = 0;
    std::optional<double> time_us;
  };
  /// What was told of the batch taken last, in the order asked. What nobody told of is missing.
  std::vector<Heard> heard() const;

 private:
  Space space_;
  Permutation order_;
  uint64_t next_ = 0;
  std::unordered_set<uint64_t> seen_;  ///< asked, or not admitted
  std::vector<Point> batch_;
  std::vector<uint64_t> making_, taken_;  ///< indices of the batch being made, of the one taken last
  std::unordered_map<uint64_t, std::optional<double>> told_;
};

}  // namespace qoq::search
