#include "autotune/tune/finish.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "autotune/counters/counters.h"
#include "autotune/tune/candidate.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::tune {

using store::Candidate;

namespace {

constexpr size_t finalists_of_a_layout = 3;
constexpr size_t most_finalists = 8;
constexpr double near_best = 1.1;  // a row further off than this does not come back by noise

nlohmann::ordered_json details_of(const Candidate& row) { return nlohmann::ordered_json::parse(row.details); }

/// Instructions of each kernel's main loop by pipe, from the cubin.
nlohmann::ordered_json main_loops(const measure::Subject& subject) {
  nlohmann::ordered_json entries = nlohmann::ordered_json::object();
  const std::string cubin = read_file(subject.object);
  for (const roofline::EntryCode& code : roofline::read_cubin(std::as_bytes(std::span(cubin)))) {
    nlohmann::ordered_json pipes;
    const roofline::Mix& mix = code.main() != nullptr ? code.main()->mix : code.mix;
    for (int pipe = 0; pipe < roofline::kPipes; ++pipe) {
      if (const int count = mix.pipes[static_cast<size_t>(pipe)]; count > 0)
        pipes[std::string(roofline::text(static_cast<roofline::Pipe>(pipe)))] = count;
    }
    entries[code.name] = pipes;
  }
  return entries;
}

Candidate baseline_row(const Problem& problem, const std::string& name, const std::string& id) {
  Candidate row;
  row.problem = problem.text();
  row.family = name;
  row.variant = id;
  row.baseline = true;
  return row;
}

}  // namespace

Finish::Finish(Workshop& workshop, store::Store& store, int64_t environment, const job::Families& families,
               Summary& summary)
    : shop_(workshop), store_(store), environment_(environment), families_(families), summary_(summary) {
  const auto environments = store_.environments();
  const auto here = std::ranges::find(environments, environment_, &store::EnvironmentRow::id);
  std::string latest;
  for (const store::EnvironmentRow& row : environments) {
    const bool same = row.id != environment_ && !row.environment.uuid.empty() &&
                      row.environment.uuid == here->environment.uuid &&
                      row.environment.cache_mode == here->environment.cache_mode &&
                      row.environment.launch_mode == here->environment.launch_mode;
    const auto counts = same ? store_.counts(row.id) : std::vector<store::OutcomeCount>{};
    const bool measured = std::ranges::any_of(counts, [](const store::OutcomeCount& count) {
      return count.outcome == store::Outcome::Ok && count.source == store::Source::Measured && !count.baseline;
    });
    if (!measured || row.used_at < latest) continue;
    latest = row.used_at;
    earlier_ = row.id;
  }
}

std::vector<Candidate> Finish::timed_rows(int64_t environment, const Problem& problem) const {
  auto rows = store_.candidates({.environment = environment,
                                 .problem = problem.text(),
                                 .outcome = store::Outcome::Ok,
                                 .ablated = false,
                                 .baseline = false,
                                 .timed = true,
                                 .by_time = true});
  std::erase_if(rows, [](const Candidate& row) { return row.source != store::Source::Measured; });
  return rows;
}

std::vector<Candidate> Finish::earlier_best(const Problem& problem, size_t count) const {
  if (!earlier_) return {};
  std::vector<Candidate> rows = timed_rows(*earlier_, problem);
  if (const auto race = last_race(*earlier_, problem)) {  // its winner first: a tie may have gone to it
    const auto won = std::ranges::find(rows, race->winner, &Candidate::variant);
    if (won != rows.end()) std::rotate(rows.begin(), won, won + 1);
  }
  if (rows.size() > count) rows.resize(count);
  return rows;
}

std::optional<store::RaceRow> Finish::last_race(int64_t environment, const Problem& problem) const {
  for (store::RaceRow& race : store_.races(environment)) {
    if (race.problem == problem.text()) return std::move(race);
  }
  return std::nullopt;
}

std::string Finish::incumbent(const Problem& problem, const std::vector<Candidate>& rows) const {
  std::vector<std::string> wanted;
  if (const auto race = last_race(environment_, problem)) wanted.push_back(race->winner);
  if (earlier_) {
    if (const auto race = last_race(*earlier_, problem)) wanted.push_back(race->winner);
  }
  for (const Candidate& row : rows) {
    if (row.published) wanted.push_back(row.variant);
  }
  for (const std::string& variant : wanted) {
    if (std::ranges::find(rows, variant, &Candidate::variant) != rows.end()) return variant;
  }
  return rows.front().variant;
}

std::vector<Candidate> Finish::finalists(const Problem& problem, const std::string& incumbent) const {
  std::vector<Candidate> chosen;
  std::map<std::string, std::pair<size_t, double>> layouts;  // finalists so far, best time
  for (Candidate& row : timed_rows(environment_, problem)) {
    auto& [count, best_us] = layouts.try_emplace(row.layout, 0, *row.median_us).first->second;
    const bool in =
        count < finalists_of_a_layout && chosen.size() < most_finalists && *row.median_us <= near_best * best_us;
    if (!in && row.variant != incumbent) continue;
    ++count;
    chosen.push_back(std::move(row));
  }
  return chosen;
}

std::vector<measure::Subject> Finish::subjects(const Problem& problem, const std::vector<Candidate>& rows) const {
  std::vector<measure::Subject> subjects;
  std::vector<Source> sources;
  for (const Candidate& row : rows) {
    const auto family = std::ranges::find_if(families_, [&](const auto& known) { return known->name() == row.family; });
    if (family == families_.end()) fail("{}: there is no family {}", row.variant, row.family);
    const Point point = nlohmann::json::parse(row.point).get<Point>();
    subjects.push_back({family->get(), point, problem, {}});
    sources.push_back((*family)->source(point, problem));
  }
  const auto builds = shop_.compiler->build(sources);  // from the cache
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!builds[i].ok) fail("{} does not compile any more: {}", rows[i].variant, builds[i].log);
    subjects[i].object = builds[i].object;
  }
  return subjects;
}

void Finish::race(const Problem& problem) {
  for (;;) {
    const std::vector<Candidate> rows = timed_rows(environment_, problem);
    if (rows.empty()) return;
    const auto last = last_race(environment_, problem);
    const bool fresh =
        !last || std::ranges::any_of(rows, [&](const Candidate& row) { return row.created_at > last->created_at; });
    if (!fresh) return;
    const std::string defender = incumbent(problem, rows);
    const std::vector<Candidate> racers = finalists(problem, defender);
    const auto place = std::ranges::find(racers, defender, &Candidate::variant);
    const auto index = static_cast<size_t>(place - racers.begin());
    const std::vector<measure::Subject> lanes = subjects(problem, racers);
    if (racers.size() == 1) {
      store_.put_race(environment_, {problem.text(), defender, defender, "it was the only one within reach", "{}", ""});
    } else {
      const measure::RaceResult result = shop_.gpu->race(lanes, index, shop_.modes);
      if (strike_off(racers, result)) continue;
      record_race(racers, index, result);
    }
    for (size_t i = 0; i < racers.size(); ++i) cross_check(problem, racers[i], lanes[i]);
    return;
  }
}

bool Finish::strike_off(const std::vector<Candidate>& rows, const measure::RaceResult& result) {
  bool any = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    const measure::Sample& sample = result.samples[i];
    // Those that a broken race left without samples are not to blame.
    const bool own = !sample.failure.empty() && !sample.failure.starts_with(measure::broken_off);
    if (!own || sample.transient) continue;
    Candidate row = rows[i];
    row.median_us.reset();
    row.noise.reset();
    row.samples_us.clear();
    row.source = store::Source::None;
    row.outcome = sample.timed_out ? store::Outcome::Timeout : store::Outcome::LaunchFailed;
    row.reason = "in the race: " + sample.failure;
    store_.record(environment_, row);
    any = true;
  }
  return any;
}

void Finish::record_race(const std::vector<Candidate>& rows, size_t incumbent, const measure::RaceResult& result) {
  ++summary_.races;
  summary_.changed += result.changed ? 1 : 0;
  nlohmann::ordered_json raced = nlohmann::json::array();
  std::vector<Candidate> updated;
  for (size_t i = 0; i < rows.size(); ++i) {
    const measure::Sample& sample = result.samples[i];
    raced.push_back({{"variant", rows[i].variant},
                     {"samples", sample.samples_us.size()},
                     {"median_us", sample.median_us},
                     {"discarded", sample.discarded},
                     {"left_after", result.left_after[i]}});
    if (!sample.failure.empty()) raced.back()["failure"] = sample.failure;
    // One that left early keeps what it had if that was more: few samples, taken in other rounds than the winner's.
    if (!sample.failure.empty() || sample.samples_us.size() < rows[i].samples_us.size()) continue;
    Candidate row = rows[i];
    auto details = details_of(row);
    for (const char* of_the_samples : {"discarded", "sm_mhz"}) details.erase(of_the_samples);
    put_timing(row, timing_of(sample, shop_.modes));
    details.update(details_of(row));
    details["raced"] = true;
    row.details = details.dump();
    updated.push_back(std::move(row));
  }
  store_.record(environment_, updated);
  store_.put_race(environment_, {rows.front().problem, rows[result.winner].variant, rows[incumbent].variant,
                                 result.reason, nlohmann::ordered_json{{"finalists", raced}}.dump(), ""});
}

void Finish::cross_check(const Problem& problem, const Candidate& row, const measure::Subject& subject) {
  if (!shop_.extras.cross_check || !shop_.profiler) return;
  const auto check = shop_.profiler->cross_check(subject, shop_.modes);
  nlohmann::ordered_json found;
  if (check.failure.empty())
    found = {{"events_us", check.events_us}, {"activity_us", check.activity_us}, {"kernels_us", check.kernels_us}};
  else
    found = {{"missing", check.failure}};
  store_.add_details(environment_, problem.text(), row.variant, false,
                     nlohmann::ordered_json{{"cross_check", found}}.dump());
}

void Finish::baselines(const Problem& problem) {
  if (!store_.candidates({.environment = environment_, .problem = problem.text(), .baseline = true, .limit = 1})
           .empty())
    return;
  const auto family = std::ranges::find_if(families_, [&](const auto& known) { return known->op() == problem.op; });
  if (family == families_.end()) return;
  store_.forget_baselines(environment_, problem.text());  // "missing": perhaps no more
  const baselines::BaselineRun run = shop_.gpu->run_baselines({family->get(), {}, problem, {}}, shop_.modes);
  std::vector<Candidate> rows;
  for (const baselines::BaselineRow& found : run.rows) {
    Candidate row = baseline_row(problem, found.name, found.id);
    put_verdict(row, found.verdict);
    if (row.outcome == store::Outcome::Ok) put_timing(row, timing_of(found.sample, shop_.modes));
    auto details = details_of(row);
    details.update(nlohmann::ordered_json::parse(found.details));
    row.details = details.dump();
    rows.push_back(std::move(row));
  }
  for (const baselines::AbsentBaseline& absent : run.absent) {
    Candidate row = baseline_row(problem, absent.name, absent.name);
    row.outcome = absent.missing ? store::Outcome::LaunchFailed : store::Outcome::Illegal;
    row.reason = absent.reason;
    row.details = nlohmann::ordered_json{{"arithmetic", absent.arithmetic}, {"missing", absent.missing}}.dump();
    rows.push_back(std::move(row));
  }
  store_.record(environment_, rows);
}

void Finish::explain(const Problem& problem) {
  if (!shop_.profiler) return;
  const auto best = winner(problem);
  if (!best) return;
  const auto known = details_of(*best);
  if (known.contains("counters") && known["counters"].value("rung", "") == "counters") return;
  const measure::Subject subject = subjects(problem, {*best}).front();
  const counters::CounterReading reading = shop_.profiler->count(subject);
  nlohmann::ordered_json found{{"counters", counters::to_json(reading)}};
  found.update(known_without_running(*best, subject));
  store_.add_details(environment_, problem.text(), best->variant, false, found.dump());
}

/// The lower rungs, beside whatever was counted: the cubin's main loops and what the model says.
nlohmann::ordered_json Finish::known_without_running(const Candidate& row, const measure::Subject& subject) const {
  nlohmann::ordered_json found;
  try {
    found["static"] = main_loops(subject);
    if (!shop_.target.sheet) return found;
    compile::Build build;
    build.ok = true;
    build.key = row.kernels.empty() ? row.variant : row.kernels.front().digest;
    build.object = subject.object;
    const Timing predicted =
        make_predicting_clock(shop_.target)->time(*subject.family, subject.point, subject.problem, build);
    if (predicted.failure.empty()) {
      found["predicted"] = {{"median_us", predicted.median_us},
                            {"details", nlohmann::ordered_json::parse(predicted.details)}};
    }
  } catch (const Error& error) {
    found["static"] = {{"missing", error.what()}};
  }
  return found;
}

std::optional<Candidate> Finish::winner(const Problem& problem) const {
  std::vector<Candidate> rows = timed_rows(environment_, problem);
  if (rows.empty()) return std::nullopt;
  if (const auto race = last_race(environment_, problem)) {
    const auto won = std::ranges::find(rows, race->winner, &Candidate::variant);
    if (won != rows.end()) return *won;
  }
  return rows.front();
}

}  // namespace qoq::tune
