#pragma once
#include <string>
#include <utility>
#include <vector>

namespace qoq::interchange {

/// One benchmark that was repeated: its raw times.
struct BenchmarkRun {
  std::string name;
  std::vector<double> samples_us;
};

/// Google Benchmark's JSON (the shape of --benchmark_out with repetitions), so that its compare.py reads it: one
/// "iteration" a sample, then mean, median, stddev and cv as "aggregate". Runs without samples are left out.
/// `context`: what to say of the run beside our name, as text. A kernel uses no processor time: cpu_time repeats
/// real_time, since compare.py wants both.
std::string to_gbench(const std::vector<std::pair<std::string, std::string>>& context,
                      const std::vector<BenchmarkRun>& runs);

}  // namespace qoq::interchange
