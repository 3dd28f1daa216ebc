#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "autotune/select/select.h"
#include "kernels/base/error.h"

namespace qoq::select {

using nlohmann::ordered_json;

std::string_view to_text(How how) {
  switch (how) {
    case How::Exact:
      return "exact";
    case How::Between:
      return "between";
    case How::Default:
      return "default";
    case How::None:
      return "none";
  }
  fail("unnamed enumerator {}", static_cast<int>(how));
}

ordered_json to_json(const Choice& choice) {
  ordered_json evidence = ordered_json::array();
  for (const Evidence& row : choice.evidence) {
    evidence.push_back({{"problem", row.problem},
                        {"variant", row.variant},
                        {"layout", row.layout},
                        {"time_us", row.time_us},
                        {"source", store::to_text(row.source)},
                        {"environment", row.environment},
                        {"verified_on", row.verified_on},
                        {"verify_problem", row.verify_problem}});
  }
  return {{"problem", choice.problem},
          {"how", to_text(choice.how)},
          {"variant", choice.variant},
          {"family", choice.family},
          {"layout", choice.layout},
          {"expected_us", choice.expected_us ? ordered_json(*choice.expected_us) : ordered_json()},
          {"source", store::to_text(choice.source)},
          {"note", choice.note},
          {"fragile", fragility(choice)},
          {"evidence", evidence}};
}

ordered_json to_json(const Selection& selection) {
  ordered_json groups = ordered_json::array(), choices = ordered_json::array();
  for (const Group& group : selection.groups) {
    ordered_json layouts = ordered_json::array();
    for (const LayoutCost& cost : group.layouts) {
      layouts.push_back({{"layout", cost.layout}, {"cost_us", cost.cost_us}, {"served", cost.served}});
    }
    groups.push_back({{"op", group.op},
                      {"scheme", group.scheme},
                      {"layout_group", group.layout_group},
                      {"layout", group.layout},
                      {"source", store::to_text(group.source)},
                      {"chosen_us", group.chosen_us},
                      {"free_us", group.free_us},
                      {"ratio", group.ratio()},
                      {"layouts", layouts},
                      {"unserved", group.unserved},
                      {"note", group.note}});
  }
  for (const Choice& choice : selection.choices) choices.push_back(to_json(choice));
  return {{"target", selection.target},
          {"environment", selection.environment_text},
          {"job", selection.job},
          {"chosen_us", selection.chosen_us()},
          {"free_us", selection.free_us()},
          {"ratio", selection.ratio()},
          {"groups", groups},
          {"choices", choices}};
}

std::string to_text(const Choice& choice) {
  std::string text = choice.problem + "\n";
  if (choice.how != How::None) {
    text += fmt::format("  variant   {}\n  layout    {}\n", choice.variant, choice.layout);
  }
  text += fmt::format("  found     {}{}{}\n", to_text(choice.how), choice.note.empty() ? "" : ": ", choice.note);
  if (choice.expected_us) {
    text += fmt::format("  expected  {:.2f} us, {}\n", *choice.expected_us, store::to_text(choice.source));
  }
  if (const std::string line = fragility(choice); !line.empty()) text += "  " + line + "\n";
  for (const Evidence& row : choice.evidence) {
    text += fmt::format("  evidence  {}: {} takes {:.2f} us, {} on {}; verified on {}{}{}\n", row.problem, row.variant,
                        row.time_us, store::to_text(row.source), row.environment, row.verified_on,
                        row.verify_problem.empty() ? "" : ": ", row.verify_problem);
  }
  return text;
}

std::string fragility(const Choice& choice) {
  for (const Evidence& row : choice.evidence) {
    if (row.variant != choice.variant || row.details.empty()) continue;
    const auto details = nlohmann::json::parse(row.details);
    if (!details.contains("fragile") || details["fragile"].empty()) continue;
    const auto& worst = details["fragile"].front();
    return fmt::format("fragile: with {} × {:.1f} {} would win, by {:.2g} %", worst.at("rate").get<std::string>(),
                       worst.at("factor").get<double>(), worst.at("winner").get<std::string>(),
                       100 * worst.at("loss").get<double>());
  }
  return "";
}

std::string to_text(const Selection& selection) {
  std::string text = fmt::format("job {} on {}\n\n", selection.job, selection.environment_text);
  text += fmt::format("{:<36} {:<14} {:>12} {:>12} {:>7}\n", "weights", "layout", "chosen us", "free us", "ratio");
  const auto line = [&](std::string_view name, std::string_view layout, double chosen_us, double free_us,
                        double ratio) {
    text += fmt::format("{:<36} {:<14} {:>12.2f} {:>12.2f} {:>7.4f}", name, layout, chosen_us, free_us, ratio);
  };
  for (const Group& group : selection.groups) {
    line(group_key(group.op, group.scheme, group.layout_group), group.layout.empty() ? "none" : group.layout,
         group.chosen_us, group.free_us, group.ratio());
    if (!group.note.empty()) text += "  " + group.note;
    text += "\n";
    for (const std::string& problem : group.unserved) text += fmt::format("  not served, in no sum: {}\n", problem);
  }
  line("one layout a group against free choice", "", selection.chosen_us(), selection.free_us(), selection.ratio());
  text += "\n\n";
  for (const Choice& choice : selection.choices) {
    if (choice.how == How::None) {
      text += fmt::format("{}  none: {}\n", choice.problem, choice.note);
    } else {
      text += fmt::format("{}  {}  {:.2f} us {}\n", choice.problem, choice.variant, choice.expected_us.value_or(0),
                          store::to_text(choice.source));
      if (const std::string why = fragility(choice); !why.empty()) text += "  " + why + "\n";
    }
  }
  return text;
}

}  // namespace qoq::select
