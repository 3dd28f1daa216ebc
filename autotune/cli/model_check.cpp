#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "autotune/cli/compilers.h"
#include "autotune/model_check/anchors.h"
#include "autotune/model_check/print.h"
#include "autotune/tune/target.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/families.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("db", po::value<std::string>()->value_name("FILE"), "score on the measured rows of a database")(
      "problem", po::value<std::string>()->default_value("")->value_name("P"), "only this problem's rows")(
      "ceilings", po::value<std::string>()->value_name("sheet|measured"),
      "by the sheet's rates, or with the ceilings measured on that GPU in their place (default: both)");
  options.add_options()("published", "score on published measurements: configs/anchors")(
      "anchors", po::value<std::string>()->value_name("FILE.yaml"), "score on the published measurements in this file");
  declare_jobs(options);
  declare_cache(options);
  declare_format(options);
}

void check_database(const Options& options, Compilers& compilers, nlohmann::ordered_json* json) {
  const std::string wanted = options.count("ceilings") ? options["ceilings"].as<std::string>() : "";
  if (!wanted.empty() && wanted != "sheet" && wanted != "measured")
    bad_input("--ceilings {} is neither sheet nor measured", wanted);
  const store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadOnly);
  std::string problem = options["problem"].as<std::string>();
  if (!problem.empty()) problem = parse_problem(problem).text();
  const auto sets = model_check::read_measured(
      store,
      {.problem = problem,
       .kernels = tune::kernel_digest(),
       .compiler = [&](const std::string& architecture) -> compile::Compiler& { return compilers.of(architecture); }});
  for (const model_check::MeasuredSet& set : sets) {
    for (const std::string& note : set.notes) fmt::print(json ? stderr : stdout, "note: {}\n", note);
    if (wanted == "measured" && set.measured_rates == 0)
      bad_input("{}: holds no measured ceilings of {}", store.path().string(), set.environment.product);
    for (const bool measured : {false, true}) {
      if (wanted == (measured ? "sheet" : "measured") || (measured && set.measured_rates == 0)) continue;
      const model_check::Scored scored{&set, measured ? "measured ceilings" : "the sheet's rates",
                                       predict_all(set, measured ? set.ceilings : set.sheet)};
      if (json) {
        json->push_back(to_json(scored));
      } else {
        fmt::print("{}\n", to_text(scored));
      }
    }
  }
}

nlohmann::ordered_json check_published(const Options& options, Compilers& compilers, bool as_json) {
  std::vector<model_check::Anchors> anchors;
  if (options.count("published") != 0) anchors = model_check::embedded_anchors();
  if (options.count("anchors") != 0) {
    const std::string file = options["anchors"].as<std::string>();
    anchors.push_back(model_check::parse_anchors(file, read_file(file)));
  }
  std::vector<model_check::PublishedResult> results;
  for (const model_check::Anchors& each : anchors) {
    results.push_back(model_check::predict_published(
        each, [&](const std::string& architecture) -> compile::Compiler& { return compilers.of(architecture); }));
  }
  if (as_json) return to_json(results);
  fmt::print("{}", to_text(results));
  return {};
}

int run(const Options& options) {
  const bool published = options.count("published") + options.count("anchors") != 0, as_json = wants_json(options);
  if (options.count("db") == 0 && !published)
    bad_input("model-check needs measured rows (--db FILE) or published ones (--published, --anchors FILE)");
  Compilers compilers(options);
  nlohmann::ordered_json json;
  if (options.count("db") != 0) {
    json["measured"] = nlohmann::json::array();
    check_database(options, compilers, as_json ? &json["measured"] : nullptr);
  }
  if (published) {
    auto results = check_published(options, compilers, as_json);
    if (as_json) json["published"] = std::move(results);
  }
  if (as_json) fmt::print("{}\n", json.dump(2));
  return 0;
}

}  // namespace

const Command model_check_command{"model-check", "how well the model predicts measured and published times", "",
                                  declare, run};

}  // namespace qoq::cli
