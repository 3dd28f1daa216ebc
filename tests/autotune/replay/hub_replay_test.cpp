// Spaces that others measured whole on real GPUs (the FAIR auto-tuning hub, 10.5281/zenodo.15364124), where they lie on
// this machine: in the folder that QOQ_TUNING_SPACES names, or in shared/tuning-spaces beside the source. No number of
// any strategy was chosen by looking at them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "autotune/interchange/t4.h"
#include "autotune/replay/replay.h"

namespace qoq::replay {
namespace {

namespace fs = std::filesystem;

class HubReplay : public ::testing::TestWithParam<const char*> {};

TEST_P(HubReplay, LocalAndEvolutionaryBeatRandomAtFivePercent) {
  const char* named = std::getenv("QOQ_TUNING_SPACES");
  const fs::path folder =
      named != nullptr ? fs::path(named) : fs::path(QOQ_SOURCE_DIR).parent_path() / "shared/tuning-spaces";
  const fs::path file = folder / (std::string(GetParam()) + ".T4.json.gz");
  if (!fs::exists(file)) GTEST_SKIP() << "no " << file.string() << "; set QOQ_TUNING_SPACES";
  const int jobs = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const auto results = run({Landscape(interchange::read_t4(file))}, {{"random", "local", "evolutionary"}, 50, jobs});
  constexpr size_t five_percent = 2;
  static_assert(shares[five_percent] == 0.05);
  const Standing random = results[0].strategies[0].at_shares[five_percent];
  for (const size_t learning : {1u, 2u}) {
    const Standing at = results[0].strategies[learning].at_shares[five_percent];
    EXPECT_GT(at.mean - random.mean, 3 * std::hypot(at.standard_error, random.standard_error))
        << results[0].strategies[learning].strategy << " " << at.mean << ", random " << random.mean;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, HubReplay, ::testing::Values("convolution_milo-A4000", "dedispersion_milo-A100"),
                         [](const auto& chosen) {
                           const std::string name = chosen.param;
                           return name.substr(0, name.find('_'));
                         });

}  // namespace
}  // namespace qoq::replay
