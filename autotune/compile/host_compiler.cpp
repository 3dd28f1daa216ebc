#include "autotune/compile/host_compiler.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <sstream>

#include "autotune/compile/build_all.h"
#include "autotune/compile/process.h"
#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::compile {

namespace fs = std::filesystem;

namespace {

// Contraction off: a product and a sum are two roundings unless the kernel says fma, as on the GPU.
const std::vector<std::string> flags = {"-std=c++20", "-O1", "-pipe", "-fPIC", "-shared", "-ffp-contract=off"};
constexpr size_t sources_per_unit = 16;

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// The headers as files in a folder named by their digest, so that a compiler can read them.
fs::path write_headers(const Headers& headers, const fs::path& cache) {
  std::string all;
  for (const auto& [name, text] : headers) all += name + " " + digest(text) + "\n";
  const fs::path folder = fs::absolute(cache) / "headers" / digest(all);
  for (const auto& [name, text] : headers) {
    // Read, not trusted: a folder cut short by a full disk would fail every source, each with a sentence of its own.
    if (read_file_if_present(folder / name) != text) write_file_atomically(folder / name, text);
  }
  return folder;
}

/// Compiles sources together; where that fails, each half by itself, until a bad source stands alone.
class UnitBuilder {
 public:
  UnitBuilder(std::vector<std::string> command, fs::path work, std::stop_token stop)
      : command_(std::move(command)), work_(std::move(work)), stop_(std::move(stop)) {}

  void build(std::span<const Source* const> sources, std::span<Compiled> compiled) {
    const int unit = ++units_;
    const fs::path text = work_ / fmt::format("unit{}.cpp", unit);
    const fs::path object = work_ / fmt::format("unit{}.so", unit);
    std::string all;
    for (size_t i = 0; i < sources.size(); ++i) {
      const std::string name = fmt::format("source{}_{}.cu", unit, i);  // a file each: its errors name its own lines
      write_file(work_ / name, sources[i]->text);
      all += fmt::format("#include \"{}\"\n", name);
    }
    write_file(text, all);

    auto command = command_;
    command.insert(command.end(), {text.string(), "-o", object.string()});
    const auto start = std::chrono::steady_clock::now();
    const Finished finished = run_process(command, stop_);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (finished.exit_code != 0 && finished.output.find("No space left on device") != std::string::npos) {
      fail("{}: the disk is full, nothing can be compiled: {}", work_.string(), finished.output);
    }
    if (finished.exit_code != 0 && sources.size() > 1 && !stop_.stop_requested()) {
      const size_t half = sources.size() / 2;
      build(sources.first(half), compiled.first(half));
      build(sources.subspan(half), compiled.subspan(half));
      return;
    }
    for (size_t i = 0; i < sources.size(); ++i) {
      Build& build = compiled[i].build;
      build.ok = finished.exit_code == 0;
      build.cancelled = !build.ok && stop_.stop_requested();
      build.log = finished.output;
      if (finished.stopped) build.log += "the compiler was killed\n";
      build.compile_ms = took.count() / static_cast<double>(sources.size());
      for (const std::string& entry : sources[i]->entries) build.entries[entry] = {};
      compiled[i].object = object;
    }
  }

 private:
  std::vector<std::string> command_;
  fs::path work_;
  std::stop_token stop_;
  int units_ = 0;
};

}  // namespace

HostCompiler::HostCompiler(fs::path cache_folder, int jobs, Headers headers)
    : headers_(std::move(headers)), cache_(cache_folder, ".so"), jobs_(jobs) {
  const char* chosen = std::getenv("CXX");
  for (const std::string& candidate :
       {std::string(chosen != nullptr ? chosen : ""), std::string("g++"), std::string("c++")}) {
    command_ = split_words(candidate);
    if (command_.empty()) continue;
    auto ask = command_;
    ask.push_back("--version");
    const Finished finished = run_process(ask);
    if (finished.exit_code != 0) continue;
    version_ = finished.output.substr(0, finished.output.find('\n'));
    command_.insert(command_.end(), flags.begin(), flags.end());
    include_folder_ = write_headers(headers_, cache_folder);
    return;
  }
  fail("no C++ compiler: neither $CXX nor g++ nor c++ answers --version; emulated kernels need one");
}

std::string HostCompiler::identity() const { return fmt::format("host {} {}", version_, fmt::join(flags, " ")); }

std::vector<Build> HostCompiler::build(std::span<const Source> sources, const Done& done, std::stop_token stop) {
  auto command = command_;
  command.push_back("-I" + include_folder_.string());
  const auto compile = [&](std::span<const Source* const> group, const fs::path& work, std::stop_token token) {
    std::vector<Compiled> compiled(group.size());
    UnitBuilder(command, work, token).build(group, compiled);
    return compiled;
  };
  return BuildAll{identity(), headers_, cache_, jobs_, sources_per_unit, compile}(sources, done, stop);
}

}  // namespace qoq::compile
