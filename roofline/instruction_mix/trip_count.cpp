// Proofs of constant trip counts. Encodings were read off nvdisasm's output: destination in bits 16–23, sources in
// 24–31 and 32–39, immediates in 32–63, third source in 64–71, predicates written in 81–83 and 84–86, comparison in
// 76–78. A wrong "unknown" costs little, a wrong count much: what is not understood ends the proof.
#include <algorithm>
#include <unordered_map>

#include "roofline/instruction_mix/code_words.h"

namespace qoq::roofline {
namespace {

constexpr int kZero = 255;          // RZ; URZ is 63 up to sm_90, 255 later
constexpr uint64_t kImmediate = 4;  // bits 9–11: second source is an immediate
constexpr int64_t kMostTrips = int64_t{1} << 24;

uint64_t bits(uint64_t half, int at, int width) { return half >> at & ((uint64_t{1} << width) - 1); }

/// What an instruction leaves behind in registers and predicates.
struct Effect {
  int registers = 0;        ///< from its destination on; −1: as many as its width says
  bool predicates = false;  ///< writes those that bits 81–86 name
};

/// Whether its registers and predicates are those of the uniform datapath (R2UR may write either's predicates).
bool is_uniform(const Instruction& one) { return one.pipe == Pipe::Uniform || one.name == "R2UR"; }

/// Instructions whose effects are known.
const std::unordered_map<std::string_view, Effect>& effects() {
  static const std::unordered_map<std::string_view, Effect> known = [] {
    std::unordered_map<std::string_view, Effect> all;
    for (const char* name :
         {"NOP", "BAR", "BRA",  "BSYNC", "BSSY", "WARPSYNC", "DEPBAR", "LDGDEPBAR", "LDGSTS", "STS",
          "STG", "STL", "STSM", "RED",   "REDG", "MEMBAR",   "ERRBAR", "CGAERRBAR", "CCTL",   "FENCE"})
      all[name] = {0, false};
    for (const char* name : {"MOV",  "SEL",  "FSEL", "FMNMX", "IMNMX", "VIMNMX",    "VIMNMX3",  "VIADDMNMX", "IABS",
                             "PRMT", "SHF",  "SGXT", "BMSK",  "F2FP",  "I2FP",      "I2IP",     "FMUL",      "FADD",
                             "FFMA", "IMAD", "IDP",  "HADD2", "HFMA2", "HFMA2.MMA", "HMUL2",    "HMNMX2",    "MUFU",
                             "POPC", "BREV", "S2R",  "VIADD", "MOVM",  "VABSDIFF",  "VABSDIFF4"})
      all[name] = {1, false};
    for (const char* name : {"LOP3", "IADD3", "LEA", "SHFL", "VOTE", "IMAD.HI"}) all[name] = {1, true};
    for (const char* name : {"ISETP", "FSETP", "HSETP2", "PLOP3"}) all[name] = {0, true};
    for (const char* name : {"CS2R", "FFMA2", "FADD2", "FMUL2", "I2F", "F2I", "F2F", "FRND"}) all[name] = {2, false};
    for (const char* name : {"IMAD.WIDE", "IADD.64"}) all[name] = {2, true};
    for (const char* name : {"IMMA", "HMMA", "QMMA", "LDSM"}) all[name] = {4, false};
    for (const char* name : {"LDS", "LDG", "LDL", "LDC"}) all[name] = {-1, false};
    for (const char* name : {"UISETP", "UPLOP3"}) all[name] = {0, true};
    for (const char* name : {"UMOV", "USEL", "USHF", "UPRMT", "UIMAD", "S2UR"}) all[name] = {1, false};
    for (const char* name : {"UIADD3", "ULOP3", "ULEA", "R2UR"}) all[name] = {1, true};
    for (const char* name : {"ULDC", "LDCU"}) all[name] = {8, false};
    return all;
  }();
  return known;
}

/// A register or predicate, of the warp's lanes or of the uniform datapath.
struct Place {
  bool uniform = false;
  int number = 0;
};

class Proof {
 public:
  Proof(const CodeWords& code, int begin, int end) : code_(code), begin_(begin), end_(end) {}

  std::optional<int64_t> trips() const {
    if (!code_.resolved || !one_way_in_and_out()) return std::nullopt;
    const auto obeyed = condition_of(end_);
    if (!obeyed) return std::nullopt;
    const auto compare = last_compare(obeyed->predicate);
    if (!compare) return std::nullopt;
    const Place counter{obeyed->predicate.uniform, static_cast<int>(bits(word(*compare).low, 24, 8))};
    const auto update = only_update(counter);
    if (!update) return std::nullopt;
    const auto start = value_before(counter);
    if (!start) return std::nullopt;
    return run(*start, *update, *compare, obeyed->value);
  }

 private:
  const Instruction& instruction(int i) const { return code_.instructions[static_cast<size_t>(i)]; }
  const Word& word(int i) const { return code_.words[static_cast<size_t>(i)]; }
  bool unpredicated(int i) const { return guard_of(word(i)) == kAlways; }
  bool has_form(int i, uint64_t form) const { return bits(word(i).low, 9, 3) == form; }

  /// A predicate and the value of it that a branch is taken for.
  struct Condition {
    Place predicate;
    bool value;
  };

  /// "@!P1 BRA", or "BRA.U !UP1": form 2 with bit 91, the uniform predicate in bits 24–27. Nothing for other branches.
  std::optional<Condition> condition_of(int i) const {
    const Word& w = word(i);
    if (bits(w.high, 23, 4) != kAlways) return std::nullopt;  // "BRA P3, …"
    const uint64_t guard = guard_of(w);
    constexpr uint64_t kUniformForm = 2;
    if (has_form(i, kUniformForm)) {
      if (guard != kAlways || bits(w.high, 27, 1) == 0 || bits(w.low, 24, 3) == kAlways) return std::nullopt;
      return Condition{{true, static_cast<int>(bits(w.low, 24, 3))}, bits(w.low, 27, 1) == 0};
    }
    if ((guard & 7) == kAlways || bits(w.high, 27, 1) != 0) return std::nullopt;
    return Condition{{false, static_cast<int>(guard & 7)}, (guard & 8) == 0};
  }

  /// The register that always reads 0.
  uint64_t zero(bool uniform) const { return uniform && code_.architecture < 100 ? 63 : 255; }

  bool one_way_in_and_out() const {
    for (int i = begin_; i <= end_; ++i) {
      const std::string_view name = instruction(i).name;
      for (const char* leaves : {"EXIT", "BRX", "BRXU", "JMP", "JMX", "CALL.REL", "CALL.ABS", "CALL", "RET", "BREAK"})
        if (name == leaves) return false;
    }
    for (const Branch& branch : code_.branches) {
      const bool from_inside = branch.at >= begin_ && branch.at <= end_;
      const bool to_inside = branch.target >= begin_ && branch.target <= end_;
      if (branch.at == end_) continue;
      if (from_inside && (!to_inside || branch.target == begin_)) return false;
      if (!from_inside && to_inside) return false;
    }
    return true;
  }

  /// Whether an instruction of the loop runs exactly once a trip.
  bool once_a_trip(int i) const {
    for (const Branch& branch : code_.branches) {
      if (branch.at < begin_ || branch.at >= end_) continue;
      if (branch.at < i && branch.target > i) return false;    // leapt over
      if (branch.at >= i && branch.target <= i) return false;  // in a loop of its own
    }
    return unpredicated(i);
  }

  /// Whether it may write the place; what is not known may.
  bool may_write(int i, Place place) const {
    const Instruction& one = instruction(i);
    const auto to = static_cast<int>(bits(word(i).low, 16, 8));
    const auto known = effects().find(one.name);
    if (known == effects().end()) return true;
    if (place.uniform != is_uniform(one)) return false;
    int registers = known->second.registers;
    if (registers < 0) {
      constexpr int kByWidth[] = {1, 1, 1, 1, 1, 2, 4, 8};
      registers = kByWidth[bits(word(i).high, 9, 3)];
    }
    return to <= place.number && place.number < to + registers;
  }

  bool may_write_predicate(int i, Place predicate) const {
    const Instruction& one = instruction(i);
    const auto known = effects().find(one.name);
    if (known == effects().end()) return true;
    if (!known->second.predicates || (predicate.uniform != is_uniform(one) && one.name != "R2UR")) return false;
    const uint64_t high = word(i).high;
    const auto wanted = static_cast<uint64_t>(predicate.number);
    return bits(high, 17, 3) == wanted || bits(high, 20, 3) == wanted;
  }

  /// The comparison that the loop's branch obeys: the predicate's last writer before it, with an immediate.
  std::optional<int> last_compare(Place predicate) const {
    for (int i = end_ - 1; i >= begin_; --i) {
      if (!may_write_predicate(i, predicate)) continue;
      const std::string_view name = instruction(i).name;
      const uint64_t high = word(i).high;
      // Not extended (bit 72), combined by AND (74–75) with PT (87–90), the result in the first of its predicates.
      const bool plain = bits(high, 8, 1) == 0 && bits(high, 10, 2) == 0 && bits(high, 23, 4) == kAlways &&
                         bits(high, 17, 3) == static_cast<uint64_t>(predicate.number) && bits(high, 20, 3) == kAlways;
      const std::string_view wanted = predicate.uniform ? "UISETP" : "ISETP";
      if (name != wanted || !has_form(i, kImmediate) || !plain || !once_a_trip(i)) return std::nullopt;
      return i;
    }
    return std::nullopt;
  }

  /// The one place in the loop where the counter changes: by an immediate.
  std::optional<int> only_update(Place counter) const {
    std::optional<int> found;
    for (int i = begin_; i <= end_; ++i) {
      if (!may_write(i, counter)) continue;
      if (found) return std::nullopt;
      found = i;
    }
    if (!found || !once_a_trip(*found) || !has_form(*found, kImmediate)) return std::nullopt;
    const Word& w = word(*found);
    const std::string_view name = instruction(*found).name;
    const bool two = name == (counter.uniform ? "UIADD3" : "IADD3") && bits(w.high, 0, 8) == zero(counter.uniform);
    const bool adds = two || (!counter.uniform && name == "VIADD");
    // Neither negated (72) nor with a carry (74).
    const bool plain = bits(w.high, 8, 1) == 0 && bits(w.high, 10, 1) == 0;
    const auto number = static_cast<uint64_t>(counter.number);
    if (!adds || !plain || bits(w.low, 16, 8) != number || bits(w.low, 24, 8) != number) return std::nullopt;
    return found;
  }

  /// What the counter holds when the loop is entered: the constant that the last write above it set, with no way in
  /// between.
  std::optional<int32_t> value_before(Place counter) const {
    for (int i = begin_ - 1; i >= 0; --i) {
      const std::string_view name = instruction(i).name;
      if (name == "EXIT" && unpredicated(i)) return std::nullopt;  // nothing falls through
      if (name == "BRA" && !condition_of(i)) return std::nullopt;
      if (name == "CALL.REL" || name == "CALL.ABS" || name == "CALL" || name == "RET") return std::nullopt;
      const bool writes = (name != "EXIT") && may_write(i, counter);
      if (writes) return only_entered_from(i) ? constant(i, counter) : std::nullopt;
    }
    return std::nullopt;
  }

  /// Whether every way from instruction `first` + 1 to the loop's begin starts at `first`.
  bool only_entered_from(int first) const {
    return std::ranges::none_of(code_.branches, [&](const Branch& branch) {
      const bool into = branch.target > first && branch.target <= begin_;
      const bool from_between = branch.at > first && branch.at < begin_;
      return into && !from_between && branch.at != end_;
    });
  }

  std::optional<int32_t> constant(int i, Place counter) const {
    const Word& w = word(i);
    const std::string_view name = instruction(i).name;
    if (!unpredicated(i) || bits(w.low, 16, 8) != static_cast<uint64_t>(counter.number)) return std::nullopt;
    const auto immediate = static_cast<int32_t>(w.low >> 32);
    const auto a = bits(w.low, 24, 8), b = bits(w.low, 32, 8), c = bits(w.high, 0, 8);
    constexpr uint64_t kPlain = 1, kImmediateThird = 2, kUniformSecond = 6;
    if (counter.uniform) {
      if (name == "UMOV" && has_form(i, kImmediate)) return immediate;
      if (name == "UMOV" && has_form(i, kUniformSecond) && b == zero(true)) return 0;
      return std::nullopt;
    }
    if (name == "MOV" && has_form(i, kImmediate)) return immediate;
    if (name == "MOV" && has_form(i, kPlain) && b == kZero) return 0;
    if (name == "CS2R" && c == kZero) return 0;  // of SRZ
    if (name == "IMAD" && a == kZero && has_form(i, kPlain) && b == kZero && c == kZero) return 0;
    if (name == "IMAD" && a == kZero && has_form(i, kImmediateThird)) return immediate;
    // −0 · 0 + two halves: their bits, whatever they mean as numbers
    if ((name == "HFMA2.MMA" || name == "HFMA2") && a == kZero && c == kZero && has_form(i, kImmediateThird))
      return immediate;
    return std::nullopt;
  }

  std::optional<int64_t> run(int32_t start, int update, int compare, bool goes_on_if_true) const {
    const auto step = static_cast<uint32_t>(word(update).low >> 32);
    const auto bound = static_cast<uint32_t>(word(compare).low >> 32);
    const bool is_signed = bits(word(compare).high, 9, 1) != 0;
    const auto holds = [&](uint32_t value) {
      const int64_t x = is_signed ? int64_t{static_cast<int32_t>(value)} : int64_t{value};
      const int64_t y = is_signed ? int64_t{static_cast<int32_t>(bound)} : int64_t{bound};
      const uint64_t accepts = bits(word(compare).high, 12, 3);  // LT 1, EQ 2, GT 4, and what they add up to
      return ((x < y ? 1 : x == y ? 2 : 4) & accepts) != 0;
    };
    auto value = static_cast<uint32_t>(start);
    for (int64_t trips = 1; trips < kMostTrips; ++trips) {
      const uint32_t compared = compare > update ? value + step : value;
      value += step;
      if (holds(compared) != goes_on_if_true) return trips;
    }
    return std::nullopt;
  }

  const CodeWords& code_;
  int begin_, end_;
};

}  // namespace

std::optional<int64_t> prove_trips(const CodeWords& code, int begin, int end) {
  return Proof(code, begin, end).trips();
}

}  // namespace qoq::roofline
