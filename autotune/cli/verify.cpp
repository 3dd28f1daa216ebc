#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>
#include <span>

#include "autotune/cli/command.h"
#include "autotune/cli/reading.h"
#include "autotune/cli/workshop.h"
#include "kernels/base/error.h"
#include "kernels/families.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("variant", po::value<std::string>()->value_name("ID"),
                        "only this variant (default: a sample of the space)")(
      "problem", po::value<std::string>()->value_name("P"),
      "scheme, output and sizes (default: some of the variant's operator, or \"gemm w4a8-g128 m=64 n=4096 k=4096\")")(
      "on", po::value<std::string>()->default_value("emulator")->value_name("emulator|cuda:N"),
      "the emulator, at a reduced size with the race detector on; or an attached GPU")(
      "count", po::value<int64_t>()->default_value(20)->value_name("N"), "how many variants of the space are drawn");
  declare_seed(options, "of the operands and the draw (default: fresh, printed)");
  declare_jobs(options);
  declare_cache(options);
  declare_format(options);
}

/// Whose limits the emulator keeps to: an H200's, or, for a variant that is nothing for it (int4 tensor cores), an
/// A100's.
tune::Target emulated_target(const Options& options) {
  std::vector<tune::Target> targets = tune::resolve_targets({"sim:h200", "sim:a100-80"});
  if (options.count("variant") != 0) {
    const std::string id = options["variant"].as<std::string>();
    const Problem shape =
        options.count("problem") != 0 ? Problem::parse(options["problem"].as<std::string>()) : default_problem(id);
    const auto [family, point, problem] = read_variant(id, shape);
    if (family->unsupported(point, problem, targets[0].device) &&
        !family->unsupported(point, problem, targets[1].device))
      return targets[1];
  }
  return targets[0];
}

std::vector<tune::Built> variants_to_prove(const Options& options, const tune::Target& target, uint64_t seed) {
  const std::string id = options.count("variant") != 0 ? options["variant"].as<std::string>() : "";
  const Problem shape =
      options.count("problem") != 0 ? Problem::parse(options["problem"].as<std::string>()) : default_problem(id);
  std::vector<tune::Built> built;
  if (options.count("variant") != 0) {
    const auto [family, point, problem] = read_variant(id, shape);
    if (const auto why = family->unsupported(point, problem, target.device)) bad_input("{}: {}", id, *why);
    built.push_back({family, point, problem, {}});
    return built;
  }
  const Problem problem = parse_problem(shape.text());
  for (const Family* family : families_for(problem)) {
    const search::Space space(family->parameters(),
                              [&](const Point& p) { return !family->unsupported(p, problem, target.device); });
    const auto strategy = search::make_strategy({"random", options["count"].as<int64_t>(), seed}, space);
    for (auto points = strategy->ask(); !points.empty(); points = strategy->ask()) {
      for (const Point& point : points) built.push_back({family, point, problem, {}});
    }
  }
  return built;
}

int run(const Options& options) {
  const std::string on = options["on"].as<std::string>();
  if (on != "emulator" && !on.starts_with("cuda")) bad_input("--on {} is unknown; emulator or cuda:0", on);
  if (const int64_t count = options["count"].as<int64_t>(); count < 1)
    bad_input("--count {} is out of range, 1 or more", count);
  const tune::Target target =
      on == "emulator" ? emulated_target(options) : tune::resolve_targets({on == "cuda" ? "cuda:0" : on}).front();
  const uint64_t seed = cli::seed(options).value_or(std::random_device{}());
  std::vector<tune::Built> built = variants_to_prove(options, target, seed);

  std::vector<tune::Workshop> shops;
  std::shared_ptr<tune::Proof> proof;
  if (on == "emulator") {
    proof = emulator_proof(target, cache_folder(options), job_count(options), seed);
  } else {
    constexpr tune::Extras nothing_beside{.race = false, .cross_check = false, .baselines = false, .counters = false};
    shops = make_workshops({target}, {cache_folder(options), job_count(options), seed, {}, nothing_beside});
    proof = shops.front().proof;
    std::vector<Source> sources;
    for (const auto& b : built) sources.push_back(b.family->source(b.point, b.problem));
    const auto builds = shops.front().compiler->build(sources, {}, {});
    for (size_t i = 0; i < built.size(); ++i) {
      if (!builds[i].ok)
        fail("{} does not compile: {}", built[i].family->variant(built[i].point, built[i].problem), builds[i].log);
      built[i].build = builds[i];
    }
  }
  const auto verdicts = proof->prove(built, {});
  size_t wrong = 0;
  nlohmann::ordered_json rows = nlohmann::json::array();
  for (size_t i = 0; i < built.size(); ++i) {
    const bool ok = verdicts[i].status == verify::Verdict::Status::Ok;
    wrong += ok ? 0 : 1;
    const std::string id = built[i].family->variant(built[i].point, built[i].problem);
    if (wants_json(options)) {
      rows.push_back({{"variant", id},
                      {"verdict", verify::name(verdicts[i].status)},
                      {"on", verdicts[i].where},
                      {"problem", verdicts[i].problem.text()},
                      {"max_error", verdicts[i].max_error},
                      {"seed", verdicts[i].seed},
                      {"message", verdicts[i].message}});
    } else {
      fmt::print("{:<13} {}  as \"{}\"{}\n", verify::name(verdicts[i].status), id, verdicts[i].problem.text(),
                 ok ? "" : ": " + verdicts[i].message);
    }
  }
  if (wants_json(options))
    fmt::print("{}\n", rows.dump(2));
  else
    fmt::print("{} of {} variants are right on the {}; seed {}\n", built.size() - wrong, built.size(), on, seed);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

const Command verify_command{"verify", "runs variants against their references", "", declare, run};

}  // namespace qoq::cli
