#include "autotune/compile/kernel_headers.h"

#include <algorithm>
#include <span>
#include <vector>

#include "kernels/base/digest.h"
#include "kernels/base/embedded.h"

namespace qoq::embedded {
// Written by qoq_embed() in this folder's CMakeLists.txt.
extern const std::span<const File> device_texts;
extern const std::span<const File> emulator_texts;
}  // namespace qoq::embedded

namespace qoq::compile {

namespace {

void add(Headers& headers, std::span<const embedded::File> files) {
  for (const embedded::File& file : files) headers.emplace(file.path, file.text);
}

/// The names in the text's #include "…" lines. Also finds those behind #if and in comments: a digest too wide only
/// compiles once too often.
std::vector<std::string> included_names(std::string_view text) {
  std::vector<std::string> names;
  const auto skip_blanks = [&](size_t at) { return std::min(text.find_first_not_of(" \t", at), text.size()); };
  for (size_t at = 0; (at = text.find('#', at)) != std::string_view::npos;) {
    at = skip_blanks(at + 1);
    if (!text.substr(at).starts_with("include")) continue;
    at = skip_blanks(at + 7);
    if (!text.substr(at).starts_with('"')) continue;
    const size_t close = text.find_first_of("\"\n", at + 1);
    if (close == std::string_view::npos || text[close] != '"') continue;
    names.emplace_back(text.substr(at + 1, close - at - 1));
  }
  return names;
}

}  // namespace

Headers device_headers() {
  Headers headers;
  add(headers, embedded::device_texts);
  return headers;
}

Headers emulator_headers() {
  Headers headers = device_headers();
  // Emulated code never reads the PTX half: a change there must not throw its builds away.
  std::erase_if(headers, [](const auto& header) { return header.first.starts_with("kernels/prim/cuda"); });
  add(headers, embedded::emulator_texts);
  return headers;
}

IncludeDigests::IncludeDigests(const Headers& headers) {
  for (const auto& [name, text] : headers) headers_[name] = {digest(text), included_names(text)};
}

void IncludeDigests::reach(const std::vector<std::string>& includes, std::set<std::string_view>& reached) const {
  for (const std::string& name : includes) {
    const auto header = headers_.find(name);
    if (header != headers_.end() && reached.insert(header->first).second) reach(header->second.includes, reached);
  }
}

std::string IncludeDigests::of(std::string_view text) const {
  std::set<std::string_view> reached;
  reach(included_names(text), reached);
  std::string all = digest(text);
  for (const std::string_view name : reached) {
    all.append("\n").append(name).append(" ").append(headers_.find(name)->second.digest);
  }
  return digest(all);
}

}  // namespace qoq::compile
