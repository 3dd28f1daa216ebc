#pragma once
#include <random>
#include <string>
#include <vector>

#include "tests/autotune/store/synthetic.h"

namespace qoq::compare::testing {

using store::testing::Folder;

/// `count` samples of a normal distribution: `median_us`, standard deviation `noise` × that. The same for equal seeds.
std::vector<double> draw(double median_us, double noise, size_t count, unsigned seed);

/// An attached H200; change fields to make another environment.
store::Environment attached();

/// A verified, measured row with these samples; its median is theirs.
store::Candidate measured(const std::string& problem, const std::string& variant, std::vector<double> samples_us);

/// A verified row of the model.
store::Candidate predicted(const std::string& problem, const std::string& variant, double time_us);

/// Writes a database of one environment with these rows (and adds to it when it is there).
void put(const std::filesystem::path& path, const store::Environment& environment,
         const std::vector<store::Candidate>& rows);

/// "gemm w4a8-g128 m=… n=4096 k=4096"
std::string problem(int m);

}  // namespace qoq::compare::testing
