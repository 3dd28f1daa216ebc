#include "autotune/report/report.h"

#include <fmt/format.h>

#include "autotune/cli/command.h"
#include "autotune/cli/reading.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("db", po::value<std::string>()->default_value("tune.db")->value_name("FILE"),
                        "the database that tune wrote")(
      "out", po::value<std::string>()->default_value("report")->value_name("DIR"),
      "where report.html, report.md with its figures/, and candidates.csv go")(
      "redact", "replace GPU ids, paths and the machine's name");
}

int run(const Options& options) {
  const store::Store store = store::Store::open(options["db"].as<std::string>(), store::Mode::ReadOnly);
  std::vector<report::Chosen> chosen;
  std::vector<report::LayoutChoice> layouts;
  for (const select::Selection& selection : selections(store, "")) {
    for (const select::Choice& choice : selection.choices) {
      if (choice.how == select::How::None) continue;
      chosen.push_back(
          {selection.environment, choice.problem, choice.variant, std::string(select::to_text(choice.how))});
    }
    for (const select::Group& group : selection.groups) {
      report::LayoutChoice row{selection.environment, group.op,      group.scheme, group.layout_group, group.layout,
                               group.chosen_us,       group.free_us, {},           group.unserved};
      for (const auto& layout : group.layouts) {
        if (layout.layout != group.layout) row.others.emplace_back(layout.layout, layout.cost_us);
      }
      layouts.push_back(std::move(row));
    }
  }
  const std::string folder = options["out"].as<std::string>();
  report::write(store, chosen, layouts, folder, {options.count("redact") != 0, command_line(options), ""});
  fmt::print("wrote {0}/report.html, {0}/report.md, {0}/figures/*.svg, {0}/candidates.csv\n", folder);
  return 0;
}

}  // namespace

const Command report_command{"report", "report.html (opens offline), report.md and candidates.csv of a database", "",
                             declare, run};

}  // namespace qoq::cli
