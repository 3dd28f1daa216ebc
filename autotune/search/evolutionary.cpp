#include "autotune/search/evolutionary.h"

#include <algorithm>

#include "autotune/search/draws.h"
#include "autotune/search/trials.h"

namespace qoq::search {
namespace {

constexpr std::size_t batch_size = 8;
constexpr std::size_t population_size = 16;
constexpr int rivals = 3;              ///< drawn for each parent; the fastest becomes it
constexpr double crossover = 0.7;      ///< share of children with two parents
constexpr double mutated = 1.0;        ///< parameters of a child that mutate, on average
constexpr double stepping = 0.5;       ///< share of mutations that are a step
constexpr int tries_for_a_child = 64;  ///< then a random point takes its place

class Evolutionary final : public Strategy {
 public:
  Evolutionary(Space space, uint64_t seed) : trials_(std::move(space), seed), draws_(seed) {}

  std::vector<Point> ask() override {
    learn();
    const bool founding = population_.empty();
    const std::size_t wanted = founding ? trials_.first_points() : batch_size;
    while (trials_.batch_size() < wanted) {
      if (!founding && add_child()) continue;
      if (!trials_.add_fresh()) break;
    }
    return trials_.take_batch();
  }
  void tell(std::span<const Evaluated> results) override { trials_.tell(results); }

 private:
  struct Member {
    uint64_t index = 0;
    double time_us = 0;
    std::vector<uint32_t> genes;  ///< positions of its values
  };

  /// The fastest survive; of two that are equally fast the one asked first. Failed points are never among them.
  void learn() {
    for (const Trials::Heard& heard : trials_.heard()) {
      if (heard.time_us) population_.push_back({heard.index, *heard.time_us, trials_.space().positions(heard.index)});
    }
    std::ranges::stable_sort(population_, {}, &Member::time_us);
    if (population_.size() > population_size) population_.resize(population_size);
  }

  const Member& parent() {
    uint64_t place = draws_.below(population_.size());
    for (int rival = 1; rival < rivals; ++rival) place = std::min(place, draws_.below(population_.size()));
    return population_[place];
  }

  bool add_child() {
    std::vector<uint32_t> genes = parent().genes;
    if (genes.empty()) return false;
    if (draws_.chance(crossover)) {
      const Member& other = parent();
      for (std::size_t i = 0; i < genes.size(); ++i) {
        if (draws_.chance(0.5)) genes[i] = other.genes[i];
      }
    }
    const double each = mutated / static_cast<double>(genes.size());
    for (std::size_t i = 0; i < genes.size(); ++i) {
      if (draws_.chance(each)) mutate(genes, i);
    }
    for (int tries = 0; tries < tries_for_a_child; ++tries) {
      if (trials_.add(trials_.space().index(genes))) return true;
      mutate(genes, draws_.below(genes.size()));
    }
    return false;
  }

  void mutate(std::vector<uint32_t>& genes, std::size_t i) {
    const auto count = static_cast<uint32_t>(trials_.space().parameters()[i].values.size());
    if (!draws_.chance(stepping)) {
      genes[i] = static_cast<uint32_t>(draws_.below(count));
    } else if (draws_.chance(0.5)) {
      genes[i] = std::min(genes[i] + 1, count - 1);
    } else {
      genes[i] -= genes[i] > 0 ? 1 : 0;
    }
  }

  Trials trials_;
  Draws draws_;
  std::vector<Member> population_;  ///< fastest first
};

}  // namespace

std::unique_ptr<Strategy> make_evolutionary(Space space, const Settings& settings) {
  return std::make_unique<Evolutionary>(std::move(space), settings.seed);
}

}  // namespace qoq::search
