#include "autotune/baselines/run.h"

#include <fmt/format.h>

#include "kernels/runtime/loaded_plan.h"

namespace qoq::baselines {

namespace {

class CudaBench final : public Bench {
 public:
  CudaBench(measure::CudaStand& stand, double timeout_s) : stand_(stand), timeout_s_(timeout_s) {}

  void run_once(const std::function<void(const runtime::Stream&)>& queue) override {
    try {
      queue(stream_);
      end_.record(stream_);
      if (!runtime::wait_for(end_, timeout_s_)) {
        throw measure::ContextLost(fmt::format("did not end within {} s", timeout_s_), true);
      }
    } catch (const measure::ContextLost&) {
      throw;
    } catch (const Error& error) {
      try {
        stand_.device().synchronize();
      } catch (const Error&) {
        throw measure::ContextLost(error.what(), false);
      }
      throw;
    }
  }
  std::unique_ptr<measure::Lane> lane(const measure::Runnable& runnable, measure::Modes modes) override {
    return stand_.lane(runnable, modes);
  }
  measure::Stand& stand() override { return stand_; }

 private:
  measure::CudaStand& stand_;
  double timeout_s_;
  runtime::Stream stream_;
  runtime::Event end_;
};

struct Order {
  const Problem& problem;
  const Device& device;
  Bench& bench;
  measure::Modes modes;
  const measure::SamplingLimits& limits;
  bool rested;
};

void verify_offer(const Offer& offer, Order& order, BaselineRow& row) {
  using Status = verify::Verdict::Status;
  row.verdict.where = "cuda";
  row.verdict.problem = order.problem;
  row.verdict.seed = offer.seed;
  try {
    order.bench.run_once([&](const runtime::Stream& stream) {
      offer.queue_poison(stream);
      offer.runnable.queue(0, stream);
    });
    const Check check = offer.check();
    row.verdict.status = check.pass ? Status::Ok : Status::Wrong;
    row.verdict.max_error = check.max_error;
    row.verdict.message = check.message;
  } catch (const measure::ContextLost& lost) {
    row.verdict.status = lost.timed_out ? Status::Timeout : Status::LaunchFailed;
    row.verdict.message = lost.what();
    row.verdict.context_lost = true;
    // What hangs still uses its memory, and freeing that would wait for its end: left to the operating system.
    if (lost.timed_out) new Offer(offer);
  } catch (const Error& error) {
    row.verdict.status = Status::LaunchFailed;
    row.verdict.message = error.what();
  }
}

void time_offer(const Offer& offer, Order& order, BaselineRow& row) {
  try {
    const auto lane = order.bench.lane(offer.runnable, order.modes);
    row.sample = measure::take_sample(*lane, order.bench.stand(), order.limits, order.rested);
    order.rested = false;
  } catch (const measure::ContextLost& lost) {
    row.sample.failure = lost.what();
    row.sample.timed_out = lost.timed_out;
    row.sample.context_lost = true;
  } catch (const Error& error) {
    row.sample.failure = error.what();
  }
}

void run_one(const Baseline& baseline, Order& order, BaselineRun& run) {
  const auto absent = [&](bool missing, const std::string& reason) {
    run.absent.push_back({std::string(baseline.name()), std::string(baseline.arithmetic()), missing,
                          (missing ? "missing: " : "unsupported: ") + reason});
  };
  if (const std::string reason = baseline.missing(); !reason.empty()) return absent(true, reason);
  if (const auto reason = baseline.unsupported(order.problem, order.device)) return absent(false, *reason);
  BaselineRow row;
  row.name = baseline.name();
  row.arithmetic = baseline.arithmetic();
  std::vector<Offer> offers;
  try {
    offers = baseline.candidates(order.problem, order.device, order.modes.cache);
  } catch (const Error& error) {
    row.id = row.name;
    row.verdict.where = "cuda";
    row.verdict.problem = order.problem;
    row.verdict.message = error.what();
    run.rows.push_back(row);
    return;
  }
  if (offers.empty()) return absent(false, fmt::format("{} has no algorithm for this problem here", baseline.name()));
  for (const Offer& offer : offers) {
    BaselineRow& made = run.rows.emplace_back(row);
    made.id = offer.id;
    made.workspace_bytes = offer.workspace_bytes;
    made.details = offer.details;
    verify_offer(offer, order, made);
    if (made.verdict.status == verify::Verdict::Status::Ok) time_offer(offer, order, made);
    run.context_lost = made.verdict.context_lost || made.sample.context_lost;
    if (run.context_lost) return;
  }
}

}  // namespace

BaselineRun run_baselines(std::span<const std::unique_ptr<Baseline>> all, const Problem& problem, const Device& device,
                          Bench& bench, measure::Modes modes, const measure::SamplingLimits& limits, bool rested) {
  BaselineRun run;
  Order order{problem, device, bench, modes, limits, rested};
  for (const auto& baseline : all) {
    if (baseline->op() == problem.op) run_one(*baseline, order, run);
    if (run.context_lost) break;
  }
  return run;
}

BaselineRun run_baselines(const Problem& problem, const Device& device, measure::CudaStand& stand, measure::Modes modes,
                          const measure::SamplingLimits& limits, bool rested, double timeout_s) {
  CudaBench bench(stand, timeout_s);
  const auto all = baselines();
  return run_baselines(all, problem, device, bench, modes, limits, rested);
}

}  // namespace qoq::baselines
