#pragma once
#include <memory>
#include <string>
#include <vector>

#include "autotune/compile/compiler.h"
#include "autotune/store/rows.h"
#include "autotune/tune/target.h"
#include "autotune/worker/worker.h"
#include "kernels/family.h"
#include "roofline/model/subject.h"

namespace qoq::tune {

/// A time and what it rests on.
struct Timing {
  store::Source source = store::Source::None;
  double median_us = 0;
  double relative_iqr = 0;
  std::vector<double> samples_us;
  std::string details = "{}";  ///< json: a prediction's parts and limiter, a sample's conditions
  std::string failure;         ///< why there is no time; empty when there is
  bool timed_out = false;      ///< the failure is a run that did not end
  bool transient = false;      ///< the failure is the moment's, not the variant's: worth another try
  double gpu_s = 0;            ///< of the GPU's time that the samples cost; 0 when predicted
  std::shared_ptr<const roofline::Subject> subject{};  ///< what was predicted, to be predicted on changed rates
};

/// A measured sample as a row's time, its conditions in the details.
Timing timing_of(const measure::Sample& sample, measure::Modes modes);

/// Gives a built, verified variant its time on one target: measured where there is a GPU, predicted elsewhere.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timing time(const Family&, const Point&, const Problem&, const compile::Build&) = 0;
};

/// roofline::predict from the cubin, the launches and their traffic, summed over the launches; one file read per cubin,
/// then remembered.
std::unique_ptr<Clock> make_predicting_clock(const Target& target);

/// Measured on `gpu`.
std::unique_ptr<Clock> make_measuring_clock(std::shared_ptr<worker::Gpu> gpu, measure::Modes modes);

}  // namespace qoq::tune
