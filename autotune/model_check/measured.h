#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "autotune/compile/compiler.h"
#include "autotune/model_check/score.h"
#include "autotune/store/store.h"
#include "roofline/gpu/gpu.h"
#include "roofline/model/subject.h"

namespace qoq::model_check {

/// One measured variant, compiled again and ready to be predicted.
struct MeasuredRow {
  std::string problem, variant;
  double measured_us = 0;
  roofline::Subject subject;
};

/// The measured rows of one environment.
struct MeasuredSet {
  store::Environment environment;
  roofline::Gpu sheet;        ///< the product's, with the environment's SM count
  roofline::Gpu ceilings;     ///< the same with the ceilings that the database has of this GPU
  size_t measured_rates = 0;  ///< ceilings that the database has
  std::vector<MeasuredRow> rows;
  std::vector<std::string> notes;  ///< what a reader must know: other kernels, rows left out and why
};

struct ReadSettings {
  std::string problem;  ///< only this one; empty: all
  std::string kernels;  ///< digest of this program's kernels, to say where the database's are others
  std::function<compile::Compiler&(const std::string& architecture)> compiler;
};

/// Every environment with measured rows of ours (ok, neither ablations nor baselines nor ceilings), each row compiled
/// by this program's compiler for the environment's architecture. Throws Fault::Input when there is no such row, or no
/// sheet of the product.
std::vector<MeasuredSet> read_measured(const store::Store& store, const ReadSettings& settings);

/// A set's rows as predicted by one sheet and measured, by problem in the order of the rows.
struct ProblemPairs {
  std::string problem;
  std::vector<const MeasuredRow*> rows;
  std::vector<roofline::Forecast> forecasts;
  std::vector<Pair> pairs;
};
std::vector<ProblemPairs> predict_all(const MeasuredSet& set, const roofline::Gpu& gpu);

}  // namespace qoq::model_check
