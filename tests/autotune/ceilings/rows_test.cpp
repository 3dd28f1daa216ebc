#include "autotune/ceilings/rows.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "autotune/ceilings/print.h"
#include "kernels/base/error.h"

namespace qoq::ceilings {
namespace {

CeilingResult result(const char* name, double value, double sheet) {
  CeilingResult r;
  r.name = name;
  r.unit = "threads/clk/SM";
  r.value = value;
  r.sheet_value = sheet;
  r.share = value / sheet;
  r.flagged = r.share < 0.75;
  r.problem = "ceiling issue.lop3 warps=4224 trips=256";
  r.variant = "issue.lop3.t512.c8";
  r.modes = {measure::Cache::Hot, measure::LaunchMode::Eager};
  r.sample.median_us = 265;
  r.sample.relative_iqr = 0.01;
  r.clock_mhz = 1755;
  r.clock_from = "sheet";
  return r;
}

TEST(CeilingRows, KeepWhatIsShown) {
  const CeilingResult before = result("pipes.alu", 63.9, 64);
  const CeilingResult after = from_row(to_row(before));
  EXPECT_EQ(to_line(after), to_line(before));
  EXPECT_EQ(to_json({&after, 1}, "x"), to_json({&before, 1}, "x"));
  store::CeilingRow damaged = to_row(before);
  damaged.details = "[";
  EXPECT_THROW(from_row(damaged), Error);
}

TEST(CeilingRows, AFlaggedOneDoesNotReachThePredictions) {
  const roofline::Gpu sheet = roofline::embedded_gpus().at("h200");
  std::vector<store::CeilingRow> rows{to_row(result("pipes.alu", 40, 64)), to_row(result("pipes.fma", 120, 128)),
                                      to_row(result("issue.shf", 60, 64))};
  for (store::CeilingRow& row : rows) row.created_at = "2026-11-24T20:00:00.000Z";
  const roofline::Gpu gpu = roofline::with_measured(sheet, measured_rates(rows));
  EXPECT_EQ(gpu.pipes.alu.value, 64);
  EXPECT_EQ(gpu.pipes.fma.value, 120);
  EXPECT_NE(gpu.pipes.fma.source.find("2026-11-24"), std::string::npos);
}

TEST(CeilingText, SaysEverything) {
  std::vector<CeilingResult> all{result("pipes.alu", 63.9, 64), result("pipes.fma", 60, 128)};
  all.emplace_back();
  all.back().name = "tensor.int8";
  all.back().failure = "wgmma.int8.t128.n256: wrong: thread 0";
  const std::string text = to_text(all, "NVIDIA H200 (cuda:0)");
  for (const char* words : {"NVIDIA H200 (cuda:0)\n", "63.90", "99.8 %", "46.9 % !", "at 1755 MHz (the sheet's)",
                            "tensor.int8              not measured: wgmma.int8.t128.n256: wrong: thread 0",
                            "! less than 75 % of the sheet (1 of 3)"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  const auto json = to_json(all, "g");
  EXPECT_EQ(json["ceilings"][1]["flagged"], true);
  EXPECT_EQ(json["ceilings"][2]["failure"], all.back().failure);
}

}  // namespace
}  // namespace qoq::ceilings
