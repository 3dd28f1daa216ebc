#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "autotune/select/neighbours.h"
#include "autotune/select/select.h"
#include "autotune/select/usable.h"

namespace qoq::select {

using store::Candidate;
using store::Source;

namespace {

struct Tuned {
  std::string text;
  std::string layout_group;
  Problem problem;
  double size = 0;
};

bool whole_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// One question on its way to an answer.
class Question {
 public:
  Question(const store::Store& store, const Selection& selection, const Problem& problem, const FamilyRules& rules)
      : store_(store), selection_(selection), problem_(problem), rules_(rules), size_(size_of(problem)) {
    std::vector<Problem> others;
    std::string layout_group = rules_.layout_group ? rules_.layout_group(problem) : "";
    for (const store::ProblemRow& row : store.problems()) {
      if (row.op != problem.op || row.scheme != problem.scheme) continue;
      const Problem known = Problem::parse(row.text);
      if (!rules_.layout_group && same_work(known, problem_, {})) layout_group = row.layout_group;
      known_.push_back({row.text, row.layout_group, known, size_of(known)});
      others.push_back(known);
    }
    roles_ = field_roles(others, problem_, rules_);
    layout_group_ = layout_group;
    group_ = selection.group(problem.op, problem.scheme, layout_group);
    if (group_ != nullptr) layout_ = group_->layout;
  }

  Choice answer() {
    for (const auto step : {&Question::exact, &Question::between, &Question::common, &Question::published}) {
      if (auto choice = (this->*step)()) {
        finish(*choice);
        return *choice;
      }
    }
    Choice none;
    say(fmt::format("{} has no usable row of {} {} to answer from", selection_.environment_text, problem_.op,
                    problem_.scheme));
    finish(none);
    return none;
  }

 private:
  double size_of(const Problem& problem) const { return rules_.size ? rules_.size(problem) : 0; }

  /// The one field that sizes are told apart by; "size" when there are several, or when it is no number.
  std::string axis() const {
    const bool one = roles_.size.size() == 1 && whole_number(problem_.field(*roles_.size.begin()));
    return one ? *roles_.size.begin() : "size";
  }
  /// What the asked problem has of it.
  std::string asked() const { return axis() == "size" ? size_text(size_) : std::string(problem_.field(axis())); }
  static std::string size_text(double size) { return fmt::format("{:.15g}", size); }

  /// "m=64"; "batch=64 ctx=1536, size 98304".
  std::string place_of(const Tuned& tuned) const {
    std::string text;
    for (const auto& [name, value] : tuned.problem.fields) {
      if (roles_.size.contains(name)) text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
    }
    return axis() == "size" ? fmt::format("{}, size {}", text, size_text(tuned.size)) : text;
  }

  void say(std::string sentence) {
    if (!sentence.empty()) notes_.push_back(std::move(sentence));
  }

  void finish(Choice& choice) const {
    choice.problem = problem_.text();
    std::vector<std::string> sentences = notes_;
    if (!choice.note.empty()) sentences.push_back(choice.note);
    choice.note = fmt::format("{}", fmt::join(sentences, "; "));
  }

  /// Rows of a tuned problem in the deployed layout, the winner first.
  std::vector<Candidate> rows_of(const Tuned& tuned, std::string* refusals = nullptr) const {
    const Usable usable = usable_rows(store_, selection_.environment, tuned.text);
    if (refusals != nullptr) *refusals = usable.refusals();
    const Source source = layout_.empty() ? best_source(usable.rows) : group_->source;
    return ranked(usable, layout_, source);
  }

  bool supported(const Candidate& row) {
    if (!rules_.unsupported) return true;
    const auto reason = rules_.unsupported(row, problem_);
    if (reason) say(fmt::format("{} was passed over: {}", row.variant, *reason));
    return !reason;
  }

  std::optional<Choice> exact() {
    for (const Tuned& known : known_) {
      if (!same_work(known.problem, problem_, {})) continue;
      std::string refusals;
      const auto rows = rows_of(known, &refusals);
      if (!rows.empty()) {
        if (layout_.empty())
          say(fmt::format("job {} deploys no layout for these weights: the fastest of any", selection_.job));
        return exact_choice(rows.front(), selection_.environment_text);
      }
      const std::string where = layout_.empty() ? "" : fmt::format(" in layout {}", layout_);
      say(fmt::format("the problem itself has no usable row{}{}{}", where, refusals.empty() ? "" : "; ", refusals));
    }
    return std::nullopt;
  }

  /// Problems of the same weights at other sizes, by size; of equal sizes the likest first.
  std::vector<Tuned> neighbours() const {
    std::vector<std::tuple<double, size_t, const Tuned*>> order;
    for (const Tuned& known : known_) {
      const size_t differing = differing_fields(known.problem, problem_).size();
      if (differing > 0 && known.layout_group == layout_group_ && same_work(known.problem, problem_, roles_.size))
        order.emplace_back(known.size, differing, &known);
    }
    std::ranges::stable_sort(order, {},
                             [](const auto& entry) { return std::pair(std::get<0>(entry), std::get<1>(entry)); });
    std::vector<Tuned> sorted;
    for (const auto& [size, differing, known] : order) sorted.push_back(*known);
    return sorted;
  }

  std::optional<Choice> between() {
    // The nearest tuned size at or above, and the nearest below, that have a usable row.
    std::optional<Tuned> above, below;
    std::vector<Candidate> rows_above, rows_below;
    for (const Tuned& known : neighbours()) {
      if (above) break;
      if (below && known.size == below->size) continue;
      auto rows = rows_of(known);
      if (rows.empty()) continue;
      (known.size >= size_ ? above : below) = known;
      (known.size >= size_ ? rows_above : rows_below) = std::move(rows);
    }
    for (const auto* rows : {&rows_above, &rows_below}) {
      const auto row = std::find_if(rows->begin(), rows->end(), [&](const Candidate& c) { return supported(c); });
      if (row == rows->end()) continue;
      Choice choice = exact_choice(*row, selection_.environment_text);
      choice.how = How::Between;
      choice.expected_us.reset();
      choice.evidence.clear();
      for (const auto* neighbour : {&rows_below, &rows_above}) {
        if (!neighbour->empty())
          choice.evidence.push_back(evidence_of(neighbour->front(), selection_.environment_text));
      }
      if (row != rows->begin()) choice.evidence.push_back(evidence_of(*row, selection_.environment_text));
      const std::string rule = rows == &rows_above
                                   ? fmt::format("the smallest tuned {} ≥ {}", axis(), asked())
                                   : fmt::format("the largest tuned {}, none above {} will do", axis(), asked());
      say(fmt::format("taken from {}, {}", place_of(rows == &rows_above ? *above : *below), rule));
      return choice;
    }
    return std::nullopt;
  }

  /// What is chosen most often for other weights of the scheme, at the nearest size that has one.
  std::optional<Choice> common() {
    std::set<std::string> free = roles_.size;
    free.insert(roles_.weights.begin(), roles_.weights.end());
    std::map<double, std::vector<const Choice*>> by_size;
    for (const Choice& choice : selection_.choices) {
      if (choice.how != How::Exact || (!layout_.empty() && choice.layout != layout_)) continue;
      const Problem chosen = Problem::parse(choice.problem);
      if (same_work(chosen, problem_, free)) by_size[size_of(chosen)].push_back(&choice);
    }
    std::vector<double> order;
    for (auto at = by_size.lower_bound(size_); at != by_size.end(); ++at) order.push_back(at->first);
    for (auto at = by_size.lower_bound(size_); at != by_size.begin();) order.push_back((--at)->first);
    for (const double size : order) {
      if (auto choice = most_frequent(by_size.at(size))) {
        const std::string where =
            axis() == "size" ? fmt::format("size {}", size_text(size))
                             : fmt::format("{}={}", axis(), Problem::parse(by_size.at(size)[0]->problem).field(axis()));
        say(fmt::format("these weights were not tuned: what job {} chose most often for {} {} at {}, {} of {} times",
                        selection_.job, problem_.op, problem_.scheme, where, choice->evidence.size(),
                        by_size.at(size).size()));
        return choice;
      }
    }
    return std::nullopt;
  }

  std::optional<Choice> most_frequent(const std::vector<const Choice*>& choices) {
    std::map<std::string, std::vector<const Choice*>> uses;  // by variant: equal counts go to the first name
    for (const Choice* choice : choices) uses[choice->variant].push_back(choice);
    std::vector<const std::vector<const Choice*>*> order;
    for (const auto& [variant, chosen] : uses) order.push_back(&chosen);
    std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->size() > b->size(); });
    for (const auto* chosen : order) {
      const Choice& first = *chosen->front();
      const auto rows = store_.candidates({.environment = selection_.environment,
                                           .problem = first.problem,
                                           .ablated = false,
                                           .baseline = false,
                                           .samples = false});
      const auto row = std::find_if(rows.begin(), rows.end(), [&](auto& c) { return c.variant == first.variant; });
      if (row == rows.end() || !supported(*row)) continue;
      Choice choice = first;
      choice.how = How::Default;
      choice.expected_us.reset();
      choice.evidence.clear();
      for (const Choice* use : *chosen) choice.evidence.push_back(use->evidence.front());
      return choice;
    }
    return std::nullopt;
  }

  std::optional<Choice> published() {
    const auto point = rules_.published ? rules_.published(problem_) : std::nullopt;
    if (!point || (!layout_.empty() && point->layout != layout_)) return std::nullopt;
    say("nothing tuned to go by: the published point");
    Choice choice;
    choice.how = How::Default;
    choice.variant = point->variant;
    choice.family = point->family;
    choice.layout = point->layout;
    return choice;
  }

  const store::Store& store_;
  const Selection& selection_;
  const Problem& problem_;
  const FamilyRules& rules_;
  double size_;
  std::vector<Tuned> known_;  ///< problems of the same operator and scheme
  FieldRoles roles_;
  std::string layout_group_;      ///< of the asked problem
  const Group* group_ = nullptr;  ///< of the asked problem's weights
  std::string layout_;            ///< deployed for them; empty: none
  std::vector<std::string> notes_;
};

}  // namespace

Choice answer(const store::Store& store, const Selection& selection, const Problem& problem, const FamilyRules& rules) {
  return Question(store, selection, problem, rules).answer();
}

}  // namespace qoq::select
