#include "autotune/compile/ptxas_log.h"

#include <charconv>

namespace qoq::compile {

namespace {

/// The number that stands before `unit` in a line ("Used 27 registers"); nothing changes when the unit is not there.
template <class Number>
void read_before(std::string_view line, std::string_view unit, Number& value) {
  const size_t at = line.find(unit);
  if (at == std::string_view::npos || at == 0) return;
  const size_t start = line.find_last_not_of("0123456789", at - 1) + 1;
  std::from_chars(line.data() + start, line.data() + at, value);
}

/// What follows `word` in a line, without quotes, up to the next space or quote; empty when the word is not there.
std::string_view read_after(std::string_view line, std::string_view word) {
  const size_t at = line.find(word);
  if (at == std::string_view::npos) return {};
  std::string_view rest = line.substr(at + word.size());
  if (rest.starts_with('\'')) rest.remove_prefix(1);
  return rest.substr(0, rest.find_first_of("' "));
}

}  // namespace

std::map<std::string, EntryResources> parse_ptxas_log(std::string_view log) {
  std::map<std::string, EntryResources> entries;
  EntryResources called;  // functions that were not inlined: they may be anybody's, so their spills are everybody's
  std::string entry, function;
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    if (const auto name = read_after(line, "Compiling entry function "); !name.empty()) {
      entry = name;
      entries[entry] = {};
    } else if (const auto other = read_after(line, "Function properties for "); !other.empty()) {
      function = other;
    } else if (line.find(" bytes stack frame") != std::string_view::npos) {
      EntryResources found;
      read_before(line, " bytes stack frame", found.stack_bytes);
      read_before(line, " bytes spill stores", found.spill_store_bytes);
      read_before(line, " bytes spill loads", found.spill_load_bytes);
      EntryResources& use = function == entry && !entry.empty() ? entries[entry] : called;
      use.stack_bytes += found.stack_bytes;
      use.spill_store_bytes += found.spill_store_bytes;
      use.spill_load_bytes += found.spill_load_bytes;
    } else if (line.find("Used ") != std::string_view::npos && !entry.empty()) {
      read_before(line, " registers", entries[entry].registers);
      read_before(line, " bytes smem", entries[entry].static_shared_bytes);
    }
  }
  for (auto& [name, use] : entries) {
    use.stack_bytes += called.stack_bytes;
    use.spill_store_bytes += called.spill_store_bytes;
    use.spill_load_bytes += called.spill_load_bytes;
  }
  return entries;
}

}  // namespace qoq::compile
