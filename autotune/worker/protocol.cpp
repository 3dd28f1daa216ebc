#include "autotune/worker/protocol.h"

#include <array>
#include <type_traits>
#include <utility>

#include "autotune/worker/json_field.h"
#include "kernels/families.h"

namespace qoq::worker {

namespace {

constexpr std::array<std::pair<Request::Kind, std::string_view>, 6> kinds{{{Request::Kind::Verify, "verify"},
                                                                           {Request::Kind::Time, "time"},
                                                                           {Request::Kind::Race, "race"},
                                                                           {Request::Kind::CrossCheck, "cross_check"},
                                                                           {Request::Kind::Count, "count"},
                                                                           {Request::Kind::Baselines, "baselines"}}};

/// Answers hold other programs' words (a driver's, a compiler's): bytes that are no UTF-8 are replaced in them.
std::string dump(const Json& json, Json::error_handler_t bad_bytes = Json::error_handler_t::replace) {
  return json.dump(-1, ' ', false, bad_bytes);
}

Json parse(std::string_view line) {
  try {
    return Json::parse(line);
  } catch (const Json::exception& error) {
    fail("not JSON: {}", error.what());
  }
}

std::string text_of(const Problem& problem) { return problem.op.empty() ? "" : problem.text(); }
Problem problem_of(const std::string& text) { return text.empty() ? Problem{} : Problem::parse(text); }

Json write(const measure::Subject& subject) {
  return {{"family", subject.family->name()},
          {"point", subject.point},
          {"problem", subject.problem.text()},
          {"object", subject.object.string()}};
}

measure::Subject read_subject(const Json& json) {
  measure::Subject subject;
  subject.family = &family_named(get<std::string>(field(json, "family"), "family"));
  const Json& point = field(json, "point");
  if (!point.is_object()) fail("\"point\" is {}, expected an object", point.type_name());
  for (const auto& [name, value] : point.items()) subject.point[name] = get<int>(value, name.c_str());
  subject.problem = problem_of(get<std::string>(field(json, "problem"), "problem"));
  subject.object = get<std::string>(field(json, "object"), "object");
  return subject;
}

// Each kind of answer: its name in the object, its fields out and in.

constexpr const char* name_of(const Failure*) { return "failure"; }
constexpr const char* name_of(const verify::Verdict*) { return "verdict"; }
constexpr const char* name_of(const measure::Sample*) { return "sample"; }
constexpr const char* name_of(const measure::RaceResult*) { return "race"; }
constexpr const char* name_of(const Gpu::CrossCheck*) { return "cross_check"; }
constexpr const char* name_of(const counters::CounterReading*) { return "counters"; }
constexpr const char* name_of(const baselines::BaselineRun*) { return "baselines"; }

Json write(const Failure& failure) {
  return {{"message", failure.message},
          {"input", failure.fault == Fault::Input},
          {"timed_out", failure.timed_out},
          {"context_lost", failure.context_lost}};
}

void read_into(const Json& json, Failure& failure) {
  read(json, "message", failure.message);
  failure.fault = get<bool>(field(json, "input"), "input") ? Fault::Input : Fault::Work;
  read(json, "timed_out", failure.timed_out);
  read(json, "context_lost", failure.context_lost);
}

Json write(const verify::Verdict& verdict) {
  return {{"status", verify::name(verdict.status)},
          {"where", verdict.where},
          // Of a wrong kernel even this may be infinite or NaN.
          {"max_error", std::isfinite(verdict.max_error) ? Json(verdict.max_error) : Json(nullptr)},
          {"message", verdict.message},
          {"seed", verdict.seed},
          {"problem", text_of(verdict.problem)},
          {"context_lost", verdict.context_lost}};
}

void read_into(const Json& json, verify::Verdict& verdict) {
  using Status = verify::Verdict::Status;
  const auto status = get<std::string>(field(json, "status"), "status");
  bool known = false;
  for (const Status each : {Status::Ok, Status::Wrong, Status::LaunchFailed, Status::Timeout}) {
    if (status != verify::name(each)) continue;
    verdict.status = each;
    known = true;
  }
  if (!known) fail("\"status\" is \"{}\", which is none", status);
  read(json, "where", verdict.where);
  const Json& error = field(json, "max_error");
  verdict.max_error = error.is_null() ? std::numeric_limits<double>::infinity() : get<double>(error, "max_error");
  read(json, "message", verdict.message);
  read(json, "seed", verdict.seed);
  verdict.problem = problem_of(get<std::string>(field(json, "problem"), "problem"));
  read(json, "context_lost", verdict.context_lost);
}

Json write(const measure::Sample& sample) {
  for (const double us : sample.samples_us) finite(us, "a sample");
  return {{"samples_us", sample.samples_us},
          {"median_us", finite(sample.median_us, "median_us")},
          {"relative_iqr", finite(sample.relative_iqr, "relative_iqr")},
          {"settled", sample.settled},
          {"stopped_by", sample.stopped_by},
          {"sm_mhz", finite(sample.sm_mhz, "sm_mhz")},
          {"discarded", sample.discarded},
          {"throttled", sample.throttled},
          {"gpu_s", finite(sample.gpu_s, "gpu_s")},
          {"failure", sample.failure},
          {"timed_out", sample.timed_out},
          {"context_lost", sample.context_lost},
          {"transient", sample.transient}};
}

void read_into(const Json& json, measure::Sample& sample) {
  read(json, "samples_us", sample.samples_us);
  read(json, "median_us", sample.median_us);
  read(json, "relative_iqr", sample.relative_iqr);
  read(json, "settled", sample.settled);
  read(json, "stopped_by", sample.stopped_by);
  read(json, "sm_mhz", sample.sm_mhz);
  read(json, "discarded", sample.discarded);
  read(json, "throttled", sample.throttled);
  read(json, "gpu_s", sample.gpu_s);
  read(json, "failure", sample.failure);
  read(json, "timed_out", sample.timed_out);
  read(json, "context_lost", sample.context_lost);
  read(json, "transient", sample.transient);
}

Json write(const measure::RaceResult& race) {
  Json samples = Json::array();
  for (const measure::Sample& sample : race.samples) samples.push_back(write(sample));
  return {{"winner", race.winner},
          {"samples", std::move(samples)},
          {"left_after", race.left_after},
          {"reason", race.reason},
          {"changed", race.changed}};
}

void read_into(const Json& json, measure::RaceResult& race) {
  read(json, "winner", race.winner);
  const Json& samples = field(json, "samples");
  if (!samples.is_array()) fail("\"samples\" is {}, expected a list", samples.type_name());
  for (const Json& sample : samples) read_into(sample, race.samples.emplace_back());
  read(json, "left_after", race.left_after);
  read(json, "reason", race.reason);
  read(json, "changed", race.changed);
  if (race.winner >= race.samples.size()) fail("\"winner\" is {} of {}", race.winner, race.samples.size());
}

Json write(const Gpu::CrossCheck& check) {
  return {{"events_us", finite(check.events_us, "events_us")},
          {"activity_us", finite(check.activity_us, "activity_us")},
          {"kernels_us", finite(check.kernels_us, "kernels_us")},
          {"failure", check.failure}};
}

void read_into(const Json& json, Gpu::CrossCheck& check) {
  read(json, "events_us", check.events_us);
  read(json, "activity_us", check.activity_us);
  read(json, "kernels_us", check.kernels_us);
  read(json, "failure", check.failure);
}

Json write(const baselines::BaselineRun& run) {
  for (const baselines::BaselineRow& row : run.rows) {
    for (const double us : row.sample.samples_us) finite(us, "a sample");
  }
  Json json;
  baselines::to_json(json, run);
  return json;
}

void read_into(const Json& json, baselines::BaselineRun& run) {
  try {
    baselines::from_json(json, run);
  } catch (const Json::exception& error) {
    fail("\"baselines\": {}", error.what());
  }
}

Json write(const counters::CounterReading& reading) {
  for (const auto& [name, value] : reading.values) finite(value, name);
  return {{"rung", static_cast<int>(reading.rung)},
          {"values", reading.values},
          {"passes", reading.passes},
          {"reason", reading.reason}};
}

void read_into(const Json& json, counters::CounterReading& reading) {
  const int rung = get<int>(field(json, "rung"), "rung");
  if (rung < 0 || rung > static_cast<int>(counters::Rung::Prediction)) fail("\"rung\" is {}, which is none", rung);
  reading.rung = static_cast<counters::Rung>(rung);
  const Json& values = field(json, "values");
  if (!values.is_object()) fail("\"values\" is {}, expected an object", values.type_name());
  for (const auto& [name, value] : values.items()) reading.values[name] = get<double>(value, name.c_str());
  read(json, "passes", reading.passes);
  read(json, "reason", reading.reason);
}

/// Reads the alternative that the object holds, trying each in turn.
template <size_t I = 0>
void read_value(const Json& json, decltype(Answer::value)& value) {
  if constexpr (I == std::variant_size_v<decltype(Answer::value)>) {
    fail("an answer of no known kind");
  } else {
    using Value = std::variant_alternative_t<I, decltype(Answer::value)>;
    const auto found = json.find(name_of(static_cast<const Value*>(nullptr)));
    if (found == json.end()) return read_value<I + 1>(json, value);
    read_into(*found, value.emplace<I>());
  }
}

}  // namespace

std::string_view to_text(Request::Kind kind) {
  for (const auto& [each, text] : kinds) {
    if (each == kind) return text;
  }
  return "unknown";
}

bool Answer::answers(const Request& request) const {
  if (number != request.number) return false;
  if (std::holds_alternative<Failure>(value)) return true;
  if (value.index() != static_cast<size_t>(request.kind) + 1) return false;
  const auto* race = std::get_if<measure::RaceResult>(&value);
  return race == nullptr ||
         (race->samples.size() == request.subjects.size() && race->left_after.size() == request.subjects.size());
}

bool Answer::context_lost() const {
  return std::visit(
      [](const auto& given) {
        using Value = std::remove_cvref_t<decltype(given)>;
        if constexpr (std::is_same_v<Value, measure::RaceResult>) {
          for (const measure::Sample& sample : given.samples) {
            if (sample.context_lost) return true;
          }
          return false;
        } else if constexpr (requires { given.context_lost; }) {
          return given.context_lost;
        } else {
          return false;
        }
      },
      value);
}

std::string to_line(const Hello& hello) {
  Json json;
  json["hello"] = {{"process", hello.process}, {"gpu", hello.gpu}, {"failure", hello.failure}};
  return dump(json);
}

std::string to_line(const Request& request) {
  Json subjects = Json::array();
  for (const measure::Subject& subject : request.subjects) subjects.push_back(write(subject));
  const Json json{{"number", request.number},
                  {"ask", to_text(request.kind)},
                  {"subjects", std::move(subjects)},
                  {"cache", measure::to_text(request.modes.cache)},
                  {"launch", measure::to_text(request.modes.launch)},
                  {"seed", request.seed},
                  {"incumbent", request.incumbent}};
  try {
    return dump(json, Json::error_handler_t::strict);  // a path must arrive as it is
  } catch (const Json::exception& error) {
    fail("a path that is no UTF-8 cannot be handed to another process: {}", error.what());
  }
}

std::string to_line(const Answer& answer) {
  return std::visit(
      [&](const auto& value) {
        return dump({{"number", answer.number}, {name_of(&value), write(value)}});
      },
      answer.value);
}

Hello read_hello(std::string_view line) {
  const Json json = parse(line);
  const Json& said = field(json, "hello");
  Hello hello;
  read(said, "process", hello.process);
  read(said, "gpu", hello.gpu);
  read(said, "failure", hello.failure);
  return hello;
}

Request read_request(std::string_view line) {
  const Json json = parse(line);
  Request request;
  read(json, "number", request.number);
  const auto asked = get<std::string>(field(json, "ask"), "ask");
  bool known = false;
  for (const auto& [kind, text] : kinds) {
    if (asked != text) continue;
    request.kind = kind;
    known = true;
  }
  if (!known) fail("\"ask\" is \"{}\", which nobody can answer", asked);
  const Json& subjects = field(json, "subjects");
  if (!subjects.is_array()) fail("\"subjects\" is {}, expected a list", subjects.type_name());
  for (const Json& subject : subjects) request.subjects.push_back(read_subject(subject));
  request.modes.cache = measure::cache_from_text(get<std::string>(field(json, "cache"), "cache"));
  request.modes.launch = measure::launch_from_text(get<std::string>(field(json, "launch"), "launch"));
  read(json, "seed", request.seed);
  read(json, "incumbent", request.incumbent);
  if (request.subjects.empty()) fail("\"subjects\" is empty");
  if (request.incumbent >= request.subjects.size())
    fail("\"incumbent\" is {} of {} subjects", request.incumbent, request.subjects.size());
  return request;
}

Answer read_answer(std::string_view line) {
  const Json json = parse(line);
  Answer answer;
  read(json, "number", answer.number);
  read_value(json, answer.value);
  return answer;
}

}  // namespace qoq::worker
