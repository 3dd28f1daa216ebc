#include "autotune/doctor/machine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

namespace qoq::doctor {

namespace fs = std::filesystem;

namespace {

constexpr int cap_sys_admin = 21;  // linux/capability.h
constexpr uintmax_t least_free_bytes = 64 << 20;

/// Files of /proc have no size: read to the end.
std::optional<std::string> text_of(const fs::path& path) {
  std::ifstream in(path);
  if (!in) return {};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// What follows "name:" on a line of its own.
std::optional<std::string> field(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + ":")) continue;
    const size_t from = line.find_first_not_of(" \t", name.size() + 1);
    return from == std::string::npos ? "" : line.substr(from);
  }
  return {};
}

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

bool is_gpu_node(const std::string& name) {
  if (name == "nvidiactl" || name == "nvidia-uvm") return true;
  return name.size() > 6 && name.starts_with("nvidia") && std::all_of(name.begin() + 6, name.end(), is_digit);
}

}  // namespace

bool Machine::module_loaded() const { return text_of(proc / "driver/nvidia/version").has_value(); }

std::string Machine::module_version() const {
  // "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (…)": the first word that
  // begins with a digit and holds a dot.
  std::istringstream words(field(text_of(proc / "driver/nvidia/version").value_or(""), "NVRM version").value_or(""));
  for (std::string word; words >> word;) {
    if (is_digit(word.front()) && word.find('.') != std::string::npos) return word;
  }
  return "";
}

std::vector<std::string> Machine::closed_nodes() const {
  std::vector<std::string> closed;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dev, error)) {
    if (is_gpu_node(entry.path().filename().string()) && ::access(entry.path().c_str(), R_OK | W_OK) != 0)
      closed.push_back(entry.path().string());
  }
  std::ranges::sort(closed);
  return closed;
}

CounterAccess Machine::counter_access() const {
  const auto text = text_of(proc / "driver/nvidia/params");
  const auto value = text ? field(*text, "RmProfilingAdminOnly") : std::nullopt;
  if (!value) return CounterAccess::NotKnown;
  return *value == "0" ? CounterAccess::Everybody : CounterAccess::Administrators;
}

bool Machine::administrator() const {
  const std::string mask = field(text_of(proc / "self/status").value_or(""), "CapEff").value_or("");
  uint64_t bits = 0;
  const auto read = std::from_chars(mask.data(), mask.data() + mask.size(), bits, 16);
  return read.ec == std::errc{} && (bits >> cap_sys_admin & 1) != 0;
}

std::string why_not_writable(const fs::path& folder) {
  // What is not there yet will be made in the nearest folder that is.
  std::error_code error;
  fs::path there = fs::absolute(folder, error);
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  if (!fs::is_directory(there, error)) return fmt::format("{}: is not a folder", there.string());
  if (::access(there.c_str(), W_OK | X_OK) != 0)
    return fmt::format("{}: cannot be written: {}", there.string(), std::strerror(errno));
  const auto space = fs::space(there, error);
  if (!error && space.available < least_free_bytes)
    return fmt::format("{}: the disk is full ({} MiB free)", there.string(), space.available >> 20);
  return "";
}

}  // namespace qoq::doctor
