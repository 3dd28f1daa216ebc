#include "kernels/checkpoint/json_text.h"

#include <array>
#include <set>

#include "kernels/base/error.h"

namespace qoq {

using nlohmann::json;

namespace {

constexpr int deepest = 4;

/// The library keeps the last of two equal keys; told of every key as it is read, this refuses the second instead.
class KeyGuard {
 public:
  explicit KeyGuard(const std::string& what) : what_(what) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    const bool opens = event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth >= deepest) bad_input("{} nests deeper than {} levels", what_, deepest);
    if (event == json::parse_event_t::object_start) keys_.at(static_cast<size_t>(depth)).clear();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.at(static_cast<size_t>(depth - 1)).insert(key).second) {
        bad_input("{} names {} twice", what_, in_quotes(key));
      }
    }
    return true;
  }

 private:
  const std::string& what_;
  std::array<std::set<std::string, std::less<>>, deepest> keys_;  ///< of the open object at each depth
};

}  // namespace

json parse_json(const std::string& what, std::string_view text) {
  KeyGuard guard(what);
  try {
    return json::parse(text.begin(), text.end(),
                       [&](int depth, json::parse_event_t event, json& parsed) { return guard(depth, event, parsed); });
  } catch (const json::parse_error& error) {
    bad_input("{} is not valid JSON at byte {}", what, error.byte);
  } catch (const json::out_of_range&) {
    bad_input("{} is not valid JSON: a number is too large", what);
  }
}

std::string in_quotes(std::string_view text) {
  constexpr size_t longest = 120;
  const bool whole = text.size() <= longest;
  return json(text.substr(0, longest)).dump(-1, ' ', true, json::error_handler_t::replace) + (whole ? "" : "…");
}

}  // namespace qoq
