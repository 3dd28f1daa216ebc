#include "autotune/measure/stopping.h"

namespace qoq::measure {

namespace {

class TimeOut final : public StoppingRule {
 public:
  explicit TimeOut(double limit_s) : limit_s_(limit_s) {}
  std::string_view name() const override { return "time-out"; }
  bool satisfied(std::span<const double>, double elapsed_s) override { return elapsed_s >= limit_s_; }
  bool settles() const override { return false; }

 private:
  const double limit_s_;
};

}  // namespace

std::unique_ptr<StoppingRule> stop_at_time_out(double limit_s) { return std::make_unique<TimeOut>(limit_s); }

}  // namespace qoq::measure
