// model-check: a measured database scored from end to end, and what it says of input it cannot use.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/families.h"
#include "tests/autotune/cli/cli_program.h"
#include "tests/autotune/compare/stores.h"

namespace qoq::cli {
namespace {

using namespace testing;
using compare::testing::attached;
using compare::testing::put;

class ModelCheck : public ::testing::Test {
 protected:
  Folder folder_;
  std::string db() const { return folder_ / "m.db"; }
  std::string file(const std::string& text) const {
    const std::string path = folder_ / "a.yaml";
    write_text(path, text);
    return path;
  }
};

void expect_one_sentence(const Ran& ran, const std::string& words) {
  EXPECT_EQ(ran.code, 2) << ran.out;
  EXPECT_NE(ran.err.find(words), std::string::npos) << ran.err;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
}

TEST_F(ModelCheck, SaysWhatItNeeds) {
  expect_one_sentence(run({"model-check"}), "measured rows (--db FILE) or published ones");
  expect_one_sentence(run({"model-check", "--db", db()}), "m.db");
  put(db(), attached(), {});
  expect_one_sentence(run({"model-check", "--db", db()}), "holds no measured row");
  expect_one_sentence(run({"model-check", "--db", db(), "--ceilings", "guessed"}), "neither sheet nor measured");
}

TEST_F(ModelCheck, AnAnchorFileWithAMistakeIsToldWithItsPlace) {
  expect_one_sentence(run({"model-check", "--anchors", file("source: x\nconditions: y\ngpu: h200\nchecked: maybe\n")}),
                      "a.yaml:4:10");
}

TEST_F(ModelCheck, ScoresMeasuredRows) {
  const Problem problem = parse_problem("gemm w4a8-g128 m=64 n=4096 k=4096");
  const Family& family = *families_for(problem).front();
  store::Environment environment = attached();
  environment.product = "NVIDIA H200";
  environment.architecture = "sm_90a";
  environment.sm_count = 132;
  environment.kernels = "other kernels";
  std::vector<store::Candidate> rows;
  Point point = *family.published(problem);
  for (const int stages : {3, 4, 5}) {
    point["stages"] = stages;
    store::Candidate row;
    row.problem = problem.text();
    row.family = family.name();
    row.variant = family.variant(point, problem);
    row.layout = family.layout(point, problem);
    row.point = nlohmann::json(point).dump();
    row.source = store::Source::Measured;
    row.median_us = 20 + stages;
    row.verified_on = "cuda";
    rows.push_back(row);
  }
  {
    store::Store store = store::Store::open(db(), store::Mode::ReadWrite);
    const Work work = family.work(problem);
    store.put_problem({problem.text(), problem.op, problem.scheme, family.layout_group(problem), work.ops,
                       work.arithmetic, work.read_bytes, work.write_bytes});
    const int64_t id = store.environment(environment);
    for (const store::Candidate& row : rows) store.record(id, row);
  }
  if (const std::string why = no_nvrtc(); !why.empty()) GTEST_SKIP() << why;
  const Ran ran = run({"model-check", "--db", db(), "--format", "json", "--cache", QOQTUNE_CACHE});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("other kernels) are not this program's"), std::string::npos) << ran.err;
  const auto measured = nlohmann::json::parse(ran.out)["measured"];
  ASSERT_EQ(measured.size(), 1u) << "no ceilings in this database: the sheet's rates only";
  EXPECT_EQ(measured[0]["all"]["rows"], 3);
  EXPECT_EQ(measured[0]["problems"][0]["rows"].size(), 3u);
  EXPECT_GT(measured[0]["problems"][0]["rows"][0]["parts_us"]["dram"].get<double>(), 0);
  const Ran text = run({"model-check", "--db", db(), "--cache", QOQTUNE_CACHE});
  EXPECT_NE(text.out.find("regret: top-1"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("worst misses"), std::string::npos);
}

}  // namespace
}  // namespace qoq::cli
