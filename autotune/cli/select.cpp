#include "autotune/select/select.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "autotune/cli/reading.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/families.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("db", po::value<std::string>()->default_value("tune.db")->value_name("FILE"),
                        "the database that tune wrote")(
      "gpu", po::value<std::string>()->default_value("")->value_name("GPU"), "only this target: sim:h200, cuda:0")(
      "problem", po::value<std::string>()->value_name("P"),
      "one problem, tuned or not: \"gemm w4a8-g128 m=17 n=28672 k=4096\"")(
      "out", po::value<std::string>()->value_name("FILE"), "write every selection as json");
  declare_format(options);
}

int answer_one(const store::Store& store, const std::vector<select::Selection>& all, const Options& options) {
  const Problem problem = parse_problem(options["problem"].as<std::string>());
  nlohmann::ordered_json answers = nlohmann::json::array();
  bool found = false;
  for (const select::Selection& selection : all) {
    const select::Choice choice = select::answer(store, selection, problem, family_rules(selection.target));
    found = found || choice.how != select::How::None;
    auto json = select::to_json(choice);
    json["target"] = selection.target;
    answers.push_back(json);
    if (!wants_json(options)) fmt::print("{}\n{}\n", selection.environment_text, select::to_text(choice));
  }
  if (wants_json(options)) fmt::print("{}\n", answers.dump(2));
  return found ? 0 : 1;
}

int run(const Options& options) {
  const store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadOnly);
  const auto all = selections(store, options["gpu"].as<std::string>());
  if (all.empty()) fail("{} holds no tuned problem to select from", options["db"].as<std::string>());
  if (options.count("problem") != 0) return answer_one(store, all, options);
  nlohmann::ordered_json json = nlohmann::json::array();
  for (const auto& selection : all) json.push_back(select::to_json(selection));
  if (options.count("out") != 0) {
    write_file_atomically(options["out"].as<std::string>(), json.dump(2) + "\n");
    for (const auto& selection : all) {
      fmt::print("{} {}: {} problems, {:.1f} us weighted, free choice of layouts {:.1f} us (×{:.4f})\n",
                 selection.target, selection.job, selection.choices.size(), selection.chosen_us(), selection.free_us(),
                 selection.ratio());
    }
  } else if (wants_json(options)) {
    fmt::print("{}\n", json.dump(2));
  } else {
    for (const auto& selection : all) fmt::print("{}\n", select::to_text(selection));
  }
  return 0;
}

}  // namespace

const Command select_command{"select", "the kernel to use, with its evidence", "", declare, run};

}  // namespace qoq::cli
