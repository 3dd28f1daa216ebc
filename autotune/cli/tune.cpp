#include "autotune/tune/tune.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <random>

#include "autotune/cli/command.h"
#include "autotune/cli/interrupt.h"
#include "autotune/cli/workshop.h"
#include "kernels/base/error.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const search::Entry& entry : search::strategies()) names.emplace_back(entry.name);
  return names;
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("job", 1);
  const std::string known =
      fmt::format("how the space is searched: {} (default: the job's)", fmt::join(strategy_names(), ", "));
  options.add_options()("job", po::value<std::string>()->value_name("JOB.yaml"),
                        "what to tune: a file, or the name of a built-in job")(
      "gpu", po::value<std::vector<std::string>>()->composing()->value_name("GPU"),
      "auto, cuda:0, sim:h200 …; may be given several times (default: the job's)")(
      "db", po::value<std::string>()->default_value("tune.db")->value_name("FILE"),
      "the database; an earlier run of it goes on")("strategy", po::value<std::string>()->value_name("S"),
                                                    known.c_str())("budget", po::value<int64_t>()->value_name("N"),
                                                                   "most points a problem and GPU")(
      "minutes", po::value<double>()->value_name("T"), "stop after so long; the best so far stands")("quiet,q",
                                                                                                     "no progress");
  options.add_options()("l2", po::value<std::string>()->default_value("weights-cold")->value_name("MODE"),
                        "attached GPUs: what the L2 cache holds when a run begins: weights-cold, cold, hot")(
      "launch", po::value<std::string>()->default_value("eager")->value_name("MODE"),
      "attached GPUs: how runs are launched: eager, graph")(
      "revalidate",
      "attached GPUs: no search; what the last other environment of this GPU (driver, compiler, kernels) "
      "found best is verified, timed and raced again")(
      "skip", po::value<std::vector<std::string>>()->composing()->value_name("STEP"),
      "leave out race, cross-check, baselines or counters (attached GPUs), ablations (all targets); may be given "
      "several times");
  declare_seed(options, "of the search and of the proofs' operands (default: the job's, and fresh operands)");
  declare_jobs(options);
  declare_cache(options);
}

search::Settings settings_of(const job::Job& job, const Options& options) {
  search::Settings settings{job.search.strategy, job.search.budget, job.search.seed};
  if (options.count("strategy") != 0) settings.strategy = options["strategy"].as<std::string>();
  if (options.count("budget") != 0) settings.budget = options["budget"].as<int64_t>();
  settings.seed = seed(options).value_or(settings.seed);
  if (settings.budget && *settings.budget < 1) bad_input("--budget {} is out of range, 1 or more", *settings.budget);
  search::strategy_named(settings.strategy);  // refuses an unknown name now, not after the first kernels
  return settings;
}

measure::Modes modes_of(const Options& options) {
  return {measure::cache_from_text(options["l2"].as<std::string>()),
          measure::launch_from_text(options["launch"].as<std::string>())};
}

tune::Extras extras_of(const Options& options) {
  tune::Extras extras;
  extras.revalidate = options.count("revalidate") != 0;
  if (options.count("skip") == 0) return extras;
  for (const std::string& step : options["skip"].as<std::vector<std::string>>()) {
    if (step == "race")
      extras.race = false;
    else if (step == "cross-check")
      extras.cross_check = false;
    else if (step == "baselines")
      extras.baselines = false;
    else if (step == "counters")
      extras.counters = false;
    else if (step == "ablations")
      extras.ablations = false;
    else
      bad_input("--skip {}: there is no such step; there are: race, cross-check, baselines, counters, ablations", step);
  }
  return extras;
}

void print(const tune::Summary& summary, const std::string& database) {
  uint64_t recorded = 0;
  std::string outcomes;
  for (const auto& [outcome, count] : summary.outcomes) {
    recorded += count;
    outcomes += fmt::format("{}{} {}", outcomes.empty() ? "" : ", ", count, store::to_text(outcome));
  }
  const double rate = summary.seconds > 0 ? static_cast<double>(recorded + summary.known) / summary.seconds : 0;
  fmt::print("{} candidates in {:.1f} s ({:.0f}/s): {} recorded{}, {} known before; {} variants ok\n",
             recorded + summary.known, summary.seconds, rate, recorded, outcomes.empty() ? "" : " (" + outcomes + ")",
             summary.known, summary.variants);
  if (summary.ablations > 0) fmt::print("{} ablations of the best kernels\n", summary.ablations);
  if (summary.gpu_s > 0) {
    fmt::print("{:.1f} s of samples on the GPU in {:.1f} s of sampling; {} races, {} changed the winner\n",
               summary.gpu_s, summary.sampling_s, summary.races, summary.changed);
  }
  fmt::print("{}database: {}\n", summary.stopped ? "stopped early; the same command goes on from here\n" : "",
             database);
}

int run(const Options& options) {
  if (options.count("job") == 0) bad_input("tune needs a job: qoqtune tune JOB.yaml");
  const std::vector<std::string> strategies = strategy_names();
  const job::Job job = job::load_job(options["job"].as<std::string>(), families(), strategies);
  search::Settings settings = settings_of(job, options);
  std::optional<double> minutes = job.search.minutes;
  if (options.count("minutes") != 0) minutes = options["minutes"].as<double>();
  if (minutes && !(*minutes > 0)) bad_input("--minutes {} is out of range, more than 0", *minutes);

  Interrupt interrupt(minutes);
  settings.deadline = interrupt.deadline();
  const auto targets =
      tune::resolve_targets(options.count("gpu") != 0 ? options["gpu"].as<std::vector<std::string>>() : job.targets);
  const tune::Extras extras = extras_of(options);
  for (const tune::Target& target : targets) {
    if (extras.revalidate && target.simulated())
      bad_input("--revalidate needs an attached GPU: {} is simulated, nothing was measured there", target.name);
  }
  const uint64_t proof_seed = seed(options).value_or(std::random_device{}());
  const int jobs = job_count(options);
  const std::string database = options["db"].as<std::string>();
  store::Store store = store::Store::open(database, store::Mode::ReadWrite);
  auto workshops = make_workshops(targets, {cache_folder(options), jobs, proof_seed, modes_of(options), extras});

  for (const job::Refusal& refusal : job.refusals)
    fmt::print(stderr, "left out: {}: {}\n", refusal.what, refusal.reason);
  store.add_run(job.name, command_line(options));
  tune::Summary summary;
  {
    tune::Progress progress(tune::expected_candidates(job, targets.size(), settings), options.count("quiet") != 0);
    summary = tune::tune(job, workshops, store, settings, progress, interrupt.token());
  }
  print(summary, database);
  return interrupt.by_user() ? 130 : 0;
}

}  // namespace

const Command tune_command{"tune", "tunes a job's problems on each GPU into a database", "JOB.yaml", declare, run};

}  // namespace qoq::cli
