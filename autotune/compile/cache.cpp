#include "autotune/compile/cache.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::compile {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json to_json(const std::map<std::string, EntryResources>& entries) {
  json all = json::object();
  for (const auto& [name, use] : entries) {
    all[name] = {{"registers", use.registers},
                 {"static_shared_bytes", use.static_shared_bytes},
                 {"spill_store_bytes", use.spill_store_bytes},
                 {"spill_load_bytes", use.spill_load_bytes},
                 {"stack_bytes", use.stack_bytes}};
  }
  return all;
}

std::map<std::string, EntryResources> entries_from(const json& all) {
  std::map<std::string, EntryResources> entries;
  for (const auto& [name, use] : all.items()) {
    entries[name] = {use.at("registers"), use.at("static_shared_bytes"), use.at("spill_store_bytes"),
                     use.at("spill_load_bytes"), use.at("stack_bytes")};
  }
  return entries;
}

/// Over everything in build.json but itself, and over the log beside it.
std::string self_digest(json build, const std::string& log) {
  build.erase("self_digest");
  return digest(build.dump() + log);
}

}  // namespace

void write_file(const fs::path& path, std::string_view bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  const bool written = file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const bool closed = file == nullptr || std::fclose(file) == 0;
  if (!written || !closed) fail("{}: cannot be written: {}", path.string(), std::strerror(errno));
}

TemporaryFolder::TemporaryFolder(fs::path path) : path_(std::move(path)) {}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Cache::Cache(fs::path folder, std::string suffix) : object_name_("object" + suffix) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder)) fail("{}: the cache folder cannot be made: {}", folder.string(), error.message());
  folder_ = fs::canonical(folder);
  remove_abandoned();
}

void Cache::remove_abandoned() const {
  using namespace std::chrono_literals;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ / "tmp", error)) {
    const auto written = entry.last_write_time(error);
    if (!error && fs::file_time_type::clock::now() - written > 24h) fs::remove_all(entry.path(), error);
  }
}

TemporaryFolder Cache::work_folder() const {
  std::error_code error;
  fs::create_directories(folder_ / "tmp", error);
  std::string path = (folder_ / "tmp/XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    fail("{}: the cache cannot be written: {}", folder_.string(), std::strerror(errno));
  }
  return TemporaryFolder(path);
}

fs::path Cache::entry_folder(const std::string& key) const { return folder_ / key.substr(0, 2) / key; }

Cache::Found Cache::find(const std::string& key) const {
  const fs::path folder = entry_folder(key);
  const auto damaged = [&](std::string_view what) {
    return Found{{}, fmt::format("cache entry {} was damaged ({}) and is compiled again", key, what)};
  };
  try {
    const auto text = read_file_if_present(folder / "build.json");
    if (!text) return fs::exists(folder) ? damaged("no build.json") : Found{};
    const json stored = json::parse(*text);
    Build build;
    build.ok = build.from_cache = true;
    build.key = key;
    build.object = folder / object_name_;
    build.log = read_file(folder / "log.txt");
    if (stored.at("self_digest") != self_digest(stored, build.log)) return damaged("build.json or log.txt changed");
    if (stored.at("object_digest") != digest(read_file(build.object))) return damaged("its object changed");
    build.compile_ms = stored.at("compile_ms");
    build.entries = entries_from(stored.at("entries"));
    return Found{std::move(build), {}};
  } catch (const json::exception&) {
    return damaged("build.json is not whole");
  } catch (const Error& error) {
    return damaged(error.what());
  }
}

Build Cache::store(const std::string& key, const std::string& source, const fs::path& object, Build build) const {
  const TemporaryFolder draft = work_folder();
  std::error_code error;
  fs::create_hard_link(object, draft.path() / object_name_, error);
  if (error) fs::copy_file(object, draft.path() / object_name_);
  write_file(draft.path() / "source.cu", source);
  write_file(draft.path() / "log.txt", build.log);
  json stored = {{"key", key},
                 {"object_digest", digest(read_file(draft.path() / object_name_))},
                 {"compile_ms", build.compile_ms},
                 {"entries", to_json(build.entries)}};
  stored["self_digest"] = self_digest(stored, build.log);
  write_file(draft.path() / "build.json", stored.dump(1) + "\n");

  const fs::path folder = entry_folder(key);
  fs::create_directories(folder.parent_path(), error);
  fs::rename(draft.path(), folder, error);
  if (error && !find(key).build) {  // in the way: another process's whole entry, which is as good, or a damaged one
    const TemporaryFolder old = work_folder();
    fs::rename(folder, old.path() / "damaged", error);
    fs::rename(draft.path(), folder, error);
    if (error && !find(key).build) fail("{}: cannot be written: {}", folder.string(), error.message());
  }
  build.key = key;
  build.object = folder / object_name_;
  return build;
}

}  // namespace qoq::compile
