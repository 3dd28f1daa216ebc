#include <iterator>

#include "autotune/baselines/baseline.h"

namespace qoq::baselines {

namespace {

// A new library: its file, its line here and in baseline.h.
constexpr std::vector<std::unique_ptr<Baseline>> (*libraries[])() = {
    cublaslt_baselines,
};

}  // namespace

std::vector<std::unique_ptr<Baseline>> baselines() {
  std::vector<std::unique_ptr<Baseline>> all;
  for (const auto open : libraries) {
    auto some = open();
    all.insert(all.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
  }
  return all;
}

}  // namespace qoq::baselines
