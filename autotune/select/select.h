#pragma once
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "autotune/store/store.h"
#include "kernels/family.h"

namespace qoq::select {

/// How a choice was found. Text: exact · between · default · none.
enum class How {
  Exact,    ///< this very problem was tuned
  Between,  ///< the same weights were tuned at other sizes
  Default,  ///< these weights were never tuned; what is chosen elsewhere for the scheme, or the published point
  None,     ///< nothing can be said; the note says why
};
std::string_view to_text(How how);

/// One row of the store that a choice rests on. Its time was measured or predicted, never
/// emulated.
struct Evidence {
  std::string problem;
  std::string variant;
  std::string layout;
  double time_us = 0;
  store::Source source = store::Source::None;
  std::string environment;     ///< "sim:h200 (NVIDIA H200), weights-cold, eager, predicted by …"
  std::string verified_on;     ///< "emulator", "cuda"
  std::string verify_problem;  ///< what it was verified on
  std::string details;         ///< the row's, json
};

struct Choice {
  std::string problem;
  How how = How::None;
  std::string variant;
  std::string family;
  std::string layout;
  std::optional<double> expected_us;  ///< only when exact; nothing is interpolated: see the evidence's neighbours
  store::Source source = store::Source::None;
  std::string note;  ///< sentences: the rule that was followed, what is only predicted, what was refused and why
  std::vector<Evidence> evidence;
};

/// What one layout would cost a group: Σ weight · best time over the problems it serves; no time below that of the
/// problem's race winner.
struct LayoutCost {
  std::string layout;
  double cost_us = 0;
  int served = 0;  ///< problems with a usable row in this layout
};

/// Problems that read the same weights, so that one layout must be deployed for them.
struct Group {
  std::string op, scheme, layout_group;
  std::string layout;                          ///< the chosen one; empty when no problem has a usable row
  store::Source source = store::Source::None;  ///< of every time in this group
  double chosen_us = 0;               ///< Σ weight · best time within the layout, over the problems it serves
  double free_us = 0;                 ///< the same with the best layout for each problem
  std::vector<LayoutCost> layouts;    ///< every usable one: the chosen, then by problems served, then by cost
  std::vector<std::string> unserved;  ///< problems that the layout has no usable row for; in no sum
  std::string note;
  double ratio() const { return free_us > 0 ? chosen_us / free_us : 1; }
};

/// A whole job's answer.
struct Selection {
  int64_t environment = 0;
  std::string target, environment_text;
  std::string job;
  std::vector<Group> groups;    ///< by op, scheme, group
  std::vector<Choice> choices;  ///< one a problem of the job, in the job's order
  double chosen_us() const;
  double free_us() const;
  double ratio() const;
  const Group* group(std::string_view op, std::string_view scheme, std::string_view layout_group) const;
};

/// What is already deployed: "op scheme layout_group" → layout. A tie (< 1 %) keeps it.
using Incumbents = std::map<std::string, std::string>;
std::string group_key(std::string_view op, std::string_view scheme, std::string_view layout_group);

/// What select asks of the kernel families; each may be left empty. Without size and layout_group only tuned problems
/// are answered from rows, and all others by the published point.
struct FamilyRules {
  struct Published {
    std::string variant, family, layout;
  };
  /// Family::size: where a problem lies among those that share its layout group.
  std::function<double(const Problem&)> size;
  /// Family::layout_group.
  std::function<std::string(const Problem&)> layout_group;
  /// Why a row's variant cannot solve another problem than its own; nothing when it can.
  std::function<std::optional<std::string>(const store::Candidate&, const Problem&)> unsupported;
  /// The point that published code uses for a problem.
  std::function<std::optional<Published>(const Problem&)> published;
};

/// One weight layout per group of the job, minimising the weighted sum over its problems of the best time within that
/// layout, and the variant of each problem in it.
///
/// Usable rows: outcome ok, not ablated, verified, timed; emulated rows are refused. Within a group rows come from one
/// source: measured where there is any, predicted otherwise. A layout that serves more of the group's problems comes
/// before a cheaper one that serves fewer. Ties (< 1 %): the incumbent layout, else the cheapest, then by races won,
/// then by name. Among a layout's variants the winner of the problem's race, whatever medians say; without it, on a tie
/// (< 1 %) the published point, else the fastest, then by name.
/// Throws Fault::Input when the job or the environment is not in the store.
Selection choose(const store::Store& store, int64_t environment, std::string_view job,
                 const Incumbents& incumbents = {});

/// The kernel for any problem, tuned or not, in the layouts of `selection` (of the same store).
///  exact    the problem was tuned in the group's layout.
///  between  the same weights in the layout, other sizes tuned: the variant of the smallest tuned size ≥ the asked one,
///           or of the largest; both neighbours are the evidence.
///  default  other weights only: at the nearest tuned size by the same rule, the variant most often chosen for this
///           scheme; else the published point.
/// Sizes are compared by `rules.size`; the fields that it depends on may differ between neighbours, those that name the
/// weights too in a default, all others must be equal. Variants that `rules.unsupported` refuses are passed over.
Choice answer(const store::Store& store, const Selection& selection, const Problem& problem,
              const FamilyRules& rules = {});

nlohmann::ordered_json to_json(const Choice& choice);
/// selection.json: environment, groups with their costs, all choices.
nlohmann::ordered_json to_json(const Selection& selection);
std::string to_text(const Choice& choice);
/// "fragile: with latency.dram × 0.7 <variant> would win, by 3 %": the change of an assumed rate that costs a choice
/// most, from its row's details; empty where none does, or where nobody asked (tune writes it for simulated GPUs).
std::string fragility(const Choice& choice);
std::string to_text(const Selection& selection);

}  // namespace qoq::select
