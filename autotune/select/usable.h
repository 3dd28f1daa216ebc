#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/select/select.h"
#include "autotune/store/store.h"
#include "kernels/family.h"

namespace qoq::select {

/// Times closer than this are a tie.
inline constexpr double kTie = 1.01;

/// A problem's rows that a choice may rest on, fastest first, and how many were refused.
struct Usable {
  std::vector<store::Candidate> rows;
  std::string raced;  ///< the variant that won the problem's race; empty when there was none
  int ok = 0, emulated = 0, unverified = 0, untimed = 0;  ///< of the rows that ended ok and are no ablation
  /// "refused: 3 emulated rows (they have no times), 2 unverified"; empty when none was.
  std::string refusals() const;
};

/// Reads them; `problem` is the row's text.
Usable usable_rows(const store::Store& store, int64_t environment, std::string_view problem);

/// Measured when any row is, else predicted, else none.
store::Source best_source(const std::vector<store::Candidate>& rows);

/// The rows of this layout (any, when empty) and source; the best first, the rest by time. The best is the winner of
/// the race where it is among them, whatever the others' medians say: in the race they met under the same conditions.
/// Without it the published point when it ties with the fastest, else the fastest.
std::vector<store::Candidate> ranked(const Usable& usable, std::string_view layout, store::Source source);

/// How an environment reads in a sentence.
std::string describe(const store::Environment& environment);

Evidence evidence_of(const store::Candidate& row, const std::string& environment);

/// A choice that rests on this row of this very problem.
Choice exact_choice(const store::Candidate& row, const std::string& environment);

/// What to say of a time's source: predictions are named as such.
std::string_view source_note(store::Source source);

}  // namespace qoq::select
