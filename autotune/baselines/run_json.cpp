#include <array>
#include <nlohmann/json.hpp>

#include "autotune/baselines/run.h"
#include "kernels/base/error.h"

namespace qoq::baselines {

namespace {

using nlohmann::json;
using Status = verify::Verdict::Status;

Status status_from(const std::string& text) {
  for (const Status status : {Status::Ok, Status::Wrong, Status::LaunchFailed, Status::Timeout}) {
    if (text == verify::name(status)) return status;
  }
  bad_input("\"{}\" is no verdict", text);
}

json from_verdict(const verify::Verdict& verdict) {
  return {{"status", verify::name(verdict.status)},
          {"where", verdict.where},
          {"max_error", verdict.max_error},
          {"message", verdict.message},
          {"seed", verdict.seed},
          {"problem", verdict.problem.text()},
          {"context_lost", verdict.context_lost}};
}

verify::Verdict to_verdict(const json& from) {
  verify::Verdict verdict;
  verdict.status = status_from(from.at("status").get<std::string>());
  from.at("where").get_to(verdict.where);
  from.at("max_error").get_to(verdict.max_error);
  from.at("message").get_to(verdict.message);
  from.at("seed").get_to(verdict.seed);
  verdict.problem = Problem::parse(from.at("problem").get<std::string>());
  from.at("context_lost").get_to(verdict.context_lost);
  return verdict;
}

json from_sample(const measure::Sample& sample) {
  return {{"samples_us", sample.samples_us}, {"median_us", sample.median_us},   {"relative_iqr", sample.relative_iqr},
          {"settled", sample.settled},       {"stopped_by", sample.stopped_by}, {"sm_mhz", sample.sm_mhz},
          {"discarded", sample.discarded},   {"throttled", sample.throttled},   {"gpu_s", sample.gpu_s},
          {"failure", sample.failure},       {"timed_out", sample.timed_out},   {"context_lost", sample.context_lost},
          {"transient", sample.transient}};
}

measure::Sample to_sample(const json& from) {
  measure::Sample sample;
  from.at("samples_us").get_to(sample.samples_us);
  from.at("median_us").get_to(sample.median_us);
  from.at("relative_iqr").get_to(sample.relative_iqr);
  from.at("settled").get_to(sample.settled);
  from.at("stopped_by").get_to(sample.stopped_by);
  from.at("sm_mhz").get_to(sample.sm_mhz);
  from.at("discarded").get_to(sample.discarded);
  from.at("throttled").get_to(sample.throttled);
  from.at("gpu_s").get_to(sample.gpu_s);
  from.at("failure").get_to(sample.failure);
  from.at("timed_out").get_to(sample.timed_out);
  from.at("context_lost").get_to(sample.context_lost);
  from.at("transient").get_to(sample.transient);
  return sample;
}

}  // namespace

void to_json(json& to, const BaselineRun& run) {
  to = {{"rows", json::array()}, {"absent", json::array()}, {"context_lost", run.context_lost}};
  for (const BaselineRow& row : run.rows) {
    to["rows"].push_back({{"name", row.name},
                          {"id", row.id},
                          {"arithmetic", row.arithmetic},
                          {"verdict", from_verdict(row.verdict)},
                          {"sample", from_sample(row.sample)},
                          {"workspace_bytes", row.workspace_bytes},
                          {"details", row.details}});
  }
  for (const AbsentBaseline& absent : run.absent) {
    to["absent"].push_back({{"name", absent.name},
                            {"arithmetic", absent.arithmetic},
                            {"missing", absent.missing},
                            {"reason", absent.reason}});
  }
}

void from_json(const json& from, BaselineRun& run) {
  run = {};
  from.at("context_lost").get_to(run.context_lost);
  for (const json& item : from.at("rows")) {
    BaselineRow& row = run.rows.emplace_back();
    item.at("name").get_to(row.name);
    item.at("id").get_to(row.id);
    item.at("arithmetic").get_to(row.arithmetic);
    row.verdict = to_verdict(item.at("verdict"));
    row.sample = to_sample(item.at("sample"));
    item.at("workspace_bytes").get_to(row.workspace_bytes);
    item.at("details").get_to(row.details);
  }
  for (const json& item : from.at("absent")) {
    AbsentBaseline& absent = run.absent.emplace_back();
    item.at("name").get_to(absent.name);
    item.at("arithmetic").get_to(absent.arithmetic);
    item.at("missing").get_to(absent.missing);
    item.at("reason").get_to(absent.reason);
  }
}

}  // namespace qoq::baselines
