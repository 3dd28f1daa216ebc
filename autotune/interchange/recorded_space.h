#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace qoq::interchange {

/// A parameter's value. A number without a fraction is an integer, however the file writes it.
using Value = std::variant<int64_t, double, bool, std::string>;

/// As people read it: "16", "0.5", "true", "imad".
std::string to_text(const Value& value);

struct RecordedParameter {
  std::string name;
  std::vector<Value> values;  ///< each once: numbers ascending, then truth values, then texts
  bool operator==(const RecordedParameter&) const = default;
};

/// T4's words for how a configuration ended.
namespace invalidity {
inline constexpr std::string_view kCorrect = "correct";
inline constexpr std::string_view kConstraints = "constraints";  ///< refused before it was compiled
inline constexpr std::string_view kCompile = "compile";
inline constexpr std::string_view kRuntime = "runtime";
inline constexpr std::string_view kCorrectness = "correctness";  ///< wrong result
inline constexpr std::string_view kTimeout = "timeout";
}  // namespace invalidity

/// One configuration that was tried.
struct RecordedEntry {
  std::vector<uint32_t> choices;   ///< for each parameter the index into its values
  std::string invalidity;          ///< T4's word, or whatever word the file has; "correct" exactly when there is a time
  std::string reason;              ///< what the file says beside the word; may be empty
  std::optional<double> time_us;   ///< what the file calls the objective; positive
  std::vector<double> samples_us;  ///< raw, in the order taken; may be empty
  bool operator==(const RecordedEntry&) const = default;
};

/// A tuning space that somebody measured, configuration by configuration: what a search strategy can be replayed on.
struct RecordedSpace {
  std::string name;                           ///< "convolution_milo on A4000"; the problem's text where we wrote it
  std::string kernel;                         ///< "convolution_milo", "gemm/mma"
  std::string gpu;                            ///< "A4000", "NVIDIA H200"
  std::string source;                         ///< "measured", "predicted"; empty: the file does not say
  std::string time_unit;                      ///< the file's word; times here are microseconds
  std::vector<RecordedParameter> parameters;  ///< in the file's order
  std::vector<RecordedEntry> entries;         ///< in the file's order; a configuration may occur twice
  std::vector<std::pair<std::string, std::string>> notes;  ///< what else the file says of itself

  /// The configuration as {parameter's value…}, in the parameters' order.
  const Value& value(const RecordedEntry& entry, size_t parameter) const {
    return parameters[parameter].values[entry.choices[parameter]];
  }
  bool operator==(const RecordedSpace&) const = default;
};

/// Builds a space entry by entry; finish() sorts the parameters' values.
class SpaceBuilder {
 public:
  /// The parameters' names, before the first choice.
  void set_parameters(std::vector<std::string> names);
  const std::vector<RecordedParameter>& parameters() const { return parameters_; }
  /// The index of a parameter's value for now, to be put into an entry's choices.
  uint32_t choice(size_t parameter, const Value& value);
  /// Puts parameters and entries into the space, their choices renumbered.
  void finish(RecordedSpace& space, std::vector<RecordedEntry> entries);

 private:
  std::vector<RecordedParameter> parameters_;
  std::vector<uint32_t> latest_;  ///< the value given last for a parameter: it mostly comes again
};

}  // namespace qoq::interchange
