// Files of the FAIR auto-tuning hub (10.5281/zenodo.15364124), where they lie on this machine: in the folder that
// QOQ_TUNING_SPACES names, or in shared/tuning-spaces beside the source.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "autotune/interchange/summary.h"
#include "autotune/interchange/t4.h"

namespace qoq::interchange {
namespace {

namespace fs = std::filesystem;

fs::path hub_folder() {
  if (const char* named = std::getenv("QOQ_TUNING_SPACES"); named != nullptr) return named;
  return fs::path(QOQ_SOURCE_DIR).parent_path() / "shared/tuning-spaces";
}

RecordedSpace hub_file(const std::string& name) { return read_t4(hub_folder() / name); }

#define NEEDS(name)                       \
  if (!fs::exists(hub_folder() / (name))) \
  GTEST_SKIP() << "no " << (name) << " in " << hub_folder().string() << "; set QOQ_TUNING_SPACES"

TEST(T4Hub, Convolution) {
  constexpr auto name = "convolution_milo-A4000.T4.json.gz";
  NEEDS(name);
  const RecordedSpace space = hub_file(name);
  EXPECT_EQ(space.kernel, "convolution_milo");
  EXPECT_EQ(space.gpu, "A4000");
  EXPECT_EQ(space.parameters.size(), 10u);
  const Summary summary = summarize(space);
  EXPECT_EQ(summary.entries, 4362u);
  EXPECT_EQ(summary.timed, 4201u);
  EXPECT_EQ(summary.invalid, (std::map<std::string, size_t>{{"compile", 6}, {"runtime", 155}}));
  const RecordedEntry& first = space.entries.front();
  EXPECT_NEAR(*first.time_us, 5900.492995977402, 1e-9);
  EXPECT_EQ(first.samples_us.size(), 32u);
  EXPECT_EQ(space.value(first, 0), Value(int64_t{16}));
  EXPECT_EQ(parse_t4(to_t4(space), name).entries, space.entries) << "written and read again";
}

TEST(T4Hub, Dedispersion) {
  constexpr auto name = "dedispersion_milo-A100.T4.json.gz";
  NEEDS(name);
  const RecordedSpace space = hub_file(name);
  const Summary summary = summarize(space);
  EXPECT_EQ(space.parameters.size(), 8u);
  EXPECT_EQ(summary.entries, 11130u);
  EXPECT_EQ(summary.timed, 11130u);
  EXPECT_NEAR(*space.entries.front().time_us, 73553.95197868347, 1e-7);
}

}  // namespace
}  // namespace qoq::interchange
