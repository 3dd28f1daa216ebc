#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "autotune/select/select.h"
#include "autotune/select/usable.h"
#include "kernels/base/error.h"

namespace qoq::select {

using store::Candidate;
using store::Source;

namespace {

/// The field along which an operator's neighbours lie. A new operator with such a field is one more line.
constexpr std::pair<std::string_view, std::string_view> kSizeAxes[] = {{"gemm", "m"}};

std::string_view size_axis(std::string_view op) {
  for (const auto& [name, axis] : kSizeAxes) {
    if (name == op) return axis;
  }
  return "";
}

int64_t size_of(const Problem& problem) {
  const std::string_view axis = size_axis(problem.op);
  return axis.empty() ? 0 : problem.size(axis);
}

/// Fields by name, so that their order does not matter.
std::map<std::string, std::string> fields_of(const Problem& problem, const std::vector<std::string>& without) {
  std::map<std::string, std::string> fields(problem.fields.begin(), problem.fields.end());
  for (const std::string& name : without) fields.erase(name);
  return fields;
}

bool same_work(const Problem& a, const Problem& b, const std::vector<std::string>& without) {
  return a.op == b.op && a.scheme == b.scheme && fields_of(a, without) == fields_of(b, without);
}

/// The fields that a group's text names: "n=28672 k=4096" → n, k.
std::vector<std::string> group_fields(std::string_view layout_group) {
  std::vector<std::string> names;
  for (size_t start = 0; start < layout_group.size();) {
    const size_t end = std::min(layout_group.find(' ', start), layout_group.size());
    const std::string_view word = layout_group.substr(start, end - start);
    if (const size_t equals = word.find('='); equals != std::string_view::npos)
      names.emplace_back(word.substr(0, equals));
    start = end + 1;
  }
  return names;
}

struct Tuned {
  std::string text;
  std::string layout_group;
  Problem problem;
  int64_t size = 0;
};

/// One question on its way to an answer.
class Question {
 public:
  Question(const store::Store& store, const Selection& selection, const Problem& problem, const FamilyRules& rules)
      : store_(store), selection_(selection), problem_(problem), rules_(rules), size_(size_of(problem)) {
    for (const store::ProblemRow& row : store.problems()) {
      if (row.op != problem.op || row.scheme != problem.scheme) continue;
      // Any problem of the operator shows which fields make its group.
      if (group_fields_.empty()) group_fields_ = group_fields(row.layout_group);
      Problem known = Problem::parse(row.text);
      known_.push_back({row.text, row.layout_group, known, size_of(known)});
    }
    for (const Tuned& known : known_) {
      if (!same_work(known.problem, problem_, other_fields())) continue;
      group_ = selection.group(problem.op, problem.scheme, known.layout_group);
    }
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
  /// All fields but those that name the weights: problems that agree in the rest have the same weights.
  std::vector<std::string> other_fields() const {
    std::vector<std::string> others;
    for (const auto& [name, value] : problem_.fields) others.push_back(name);
    for (const Tuned& known : known_) {
      for (const auto& [name, value] : known.problem.fields) others.push_back(name);
    }
    std::erase_if(others, [&](const std::string& name) {
      return std::find(group_fields_.begin(), group_fields_.end(), name) != group_fields_.end();
    });
    return others;
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
    return ranked(usable.rows, layout_, source);
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

  std::optional<Choice> between() {
    const std::string_view axis = size_axis(problem_.op);
    if (axis.empty()) return std::nullopt;
    // The nearest tuned size at or above, and the nearest below, that have a usable row.
    std::optional<Tuned> above, below;
    std::vector<Candidate> rows_above, rows_below;
    std::vector<Tuned> sizes;
    for (const Tuned& known : known_) {
      if (known.size != size_ && same_work(known.problem, problem_, {std::string(axis)})) sizes.push_back(known);
    }
    std::sort(sizes.begin(), sizes.end(), [](const Tuned& a, const Tuned& b) { return a.size < b.size; });
    for (const Tuned& known : sizes) {
      if (above) break;
      auto rows = rows_of(known);
      if (rows.empty()) continue;
      (known.size > size_ ? above : below) = known;
      (known.size > size_ ? rows_above : rows_below) = std::move(rows);
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
                                   ? fmt::format("the smallest tuned {} ≥ {}", axis, size_)
                                   : fmt::format("the largest tuned {}, none above {} will do", axis, size_);
      say(fmt::format("taken from {}={}, {}", axis, (rows == &rows_above ? above : below)->size, rule));
      return choice;
    }
    return std::nullopt;
  }

  /// What is chosen most often for other weights of the scheme, at the nearest size that has one.
  std::optional<Choice> common() {
    std::vector<std::string> ignored = group_fields_;
    const std::string axis(size_axis(problem_.op));
    if (!axis.empty()) ignored.push_back(axis);
    std::map<int64_t, std::vector<const Choice*>> by_size;
    for (const Choice& choice : selection_.choices) {
      if (choice.how != How::Exact || (!layout_.empty() && choice.layout != layout_)) continue;
      const Problem chosen = Problem::parse(choice.problem);
      if (same_work(chosen, problem_, ignored)) by_size[size_of(chosen)].push_back(&choice);
    }
    std::vector<int64_t> order;
    for (auto at = by_size.lower_bound(size_); at != by_size.end(); ++at) order.push_back(at->first);
    for (auto at = by_size.lower_bound(size_); at != by_size.begin();) order.push_back((--at)->first);
    for (const int64_t size : order) {
      if (auto choice = most_frequent(by_size.at(size))) {
        say(fmt::format("these weights were not tuned: what job {} chose most often for {} {}{}, {} of {} times",
                        selection_.job, problem_.op, problem_.scheme,
                        axis.empty() ? "" : fmt::format(" at {}={}", axis, size), choice->evidence.size(),
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
      const auto rows = store_.candidates(
          {.environment = selection_.environment, .problem = first.problem, .ablated = false, .samples = false});
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
  int64_t size_;
  std::vector<Tuned> known_;  ///< problems of the same operator and scheme
  std::vector<std::string> group_fields_;
  const Group* group_ = nullptr;  ///< of the asked problem's weights
  std::string layout_;            ///< deployed for them; empty: none
  std::vector<std::string> notes_;
};

}  // namespace

Choice answer(const store::Store& store, const Selection& selection, const Problem& problem, const FamilyRules& rules) {
  return Question(store, selection, problem, rules).answer();
}

}  // namespace qoq::select
