#include "autotune/store/rows.h"

#include <array>
#include <utility>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"

namespace qoq::store {
namespace {

constexpr std::array<std::pair<Outcome, std::string_view>, 6> kOutcomes = {{
    {Outcome::Ok, "ok"},
    {Outcome::Illegal, "illegal"},
    {Outcome::CompileFailed, "compile_failed"},
    {Outcome::LaunchFailed, "launch_failed"},
    {Outcome::Wrong, "wrong"},
    {Outcome::Timeout, "timeout"},
}};

constexpr std::array<std::pair<Source, std::string_view>, 4> kSources = {{
    {Source::None, "none"},
    {Source::Measured, "measured"},
    {Source::Predicted, "predicted"},
    {Source::Emulated, "emulated"},
}};

template <class Table, class Word>
std::string_view text_of(const Table& table, Word word) {
  for (const auto& [value, text] : table) {
    if (value == word) return text;
  }
  fail("unnamed enumerator {}", static_cast<int>(word));
}

template <class Table>
auto word_of(const Table& table, std::string_view text, std::string_view kind) {
  for (const auto& [value, name] : table) {
    if (name == text) return value;
  }
  bad_input("\"{}\" is not {}", text, kind);
}

}  // namespace

std::string_view to_text(Outcome outcome) { return text_of(kOutcomes, outcome); }
std::string_view to_text(Source source) { return text_of(kSources, source); }
Outcome outcome_from_text(std::string_view text) { return word_of(kOutcomes, text, "an outcome"); }
Source source_from_text(std::string_view text) { return word_of(kSources, text, "a source"); }

std::string Environment::key() const {
  std::string text = fmt::format(
      "target={}\nproduct={}\nuuid={}\narchitecture={}\nsm_count={}\npower_cap_w={}\ndriver={}\ncompiler={}\n"
      "kernels={}\ncache_mode={}\nlaunch_mode={}\npredictor={}\n",
      target, product, uuid, architecture, sm_count, power_cap_w, driver, compiler, kernels, cache_mode, launch_mode,
      predictor);
  if (!mig.empty()) text += fmt::format("mig={}\n", mig);
  if (!cupti.empty()) text += fmt::format("cupti={}\n", cupti);
  return digest(text);
}

}  // namespace qoq::store
