#include "autotune/compile/nvrtc_compiler.h"

#include <fmt/format.h>

#ifdef QOQ_HAS_CUDA_HEADERS
#include <nvrtc.h>
#endif

#include <chrono>

#include "autotune/compile/build_all.h"
#include "autotune/compile/ptxas_log.h"
#include "kernels/base/error.h"
#include "kernels/runtime/library.h"

namespace qoq::compile {

namespace fs = std::filesystem;

#ifdef QOQ_HAS_CUDA_HEADERS

// clang-format off
#define QOQ_NVRTC_FUNCTIONS(X)                                                                                \
  X(nvrtcVersion) X(nvrtcGetErrorString) X(nvrtcCreateProgram) X(nvrtcDestroyProgram) X(nvrtcCompileProgram)  \
  X(nvrtcGetProgramLogSize) X(nvrtcGetProgramLog) X(nvrtcGetCUBINSize) X(nvrtcGetCUBIN)
// clang-format on

struct NvrtcApi {
  runtime::Library builtins;  // before the library, so that it is closed after it
  runtime::Library library;
#define QOQ_DECLARE(name) decltype(&::name) name = nullptr;
  QOQ_NVRTC_FUNCTIONS(QOQ_DECLARE)
#undef QOQ_DECLARE

  void check(nvrtcResult result, const char* what) const {
    if (result != NVRTC_SUCCESS) fail("{}: {}", what, nvrtcGetErrorString(result));
  }
};

namespace {

constexpr int least_major = 12, least_minor = 8;

/// NVRTC opens its builtins by bare name while it compiles; found beside it now, they are found then.
runtime::Library open_builtins(const fs::path& nvrtc) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(nvrtc.parent_path(), error)) {
    if (entry.path().filename().string().starts_with("libnvrtc-builtins.so.")) {
      return runtime::Library::open(entry.path());
    }
  }
  return {};  // on the loader's path, or NVRTC's own complaint will name it
}

}  // namespace

Nvrtc Nvrtc::open() {
  const std::string names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
  auto api = std::make_shared<NvrtcApi>();
  api->library = runtime::Library::open(names, runtime::cuda_library_folders());
  if (!api->library) return {nullptr, "", "NVRTC not found: " + api->library.reason()};
  const std::string where = api->library.path().string();
#define QOQ_LOAD(name)                                          \
  api->name = api->library.find_as<decltype(api->name)>(#name); \
  if (api->name == nullptr) return {nullptr, "", "NVRTC not found: " + where + " lacks " #name};
  QOQ_NVRTC_FUNCTIONS(QOQ_LOAD)
#undef QOQ_LOAD
  int major = 0, minor = 0;
  api->nvrtcVersion(&major, &minor);
  const std::string version = fmt::format("{}.{}", major, minor);
  if (major < least_major || (major == least_major && minor < least_minor)) {
    return {nullptr, version,
            fmt::format("NVRTC not found: {} is version {}, {}.{} or newer is needed", where, version, least_major,
                        least_minor)};
  }
  api->builtins = open_builtins(api->library.path());
  return {api, version, "", where};
}

namespace {

std::vector<std::string> options_for(const Nvrtc& nvrtc, const std::string& architecture) {
  // Default device: the config's constexpr members, shared with the host, carry no execution space.
  std::vector<std::string> options = {"--gpu-architecture=" + architecture, "--std=c++20", "--fmad=false",
                                      "--device-as-default-execution-space", "--ptxas-options=-v"};
  // From 12.9 on NVRTC keeps a cache of its own where there is a driver: a hit would bring no ptxas log, and a cold
  // build would not be one. (NVRTC, "Caching")
  if (nvrtc.version != "12.8") options.push_back("--no-cache");
  return options;
}

/// One NVRTC program, destroyed at the end.
class Program {
 public:
  Program(const NvrtcApi& api, const std::string& text, const std::vector<const char*>& names,
          const std::vector<const char*>& texts)
      : api_(api) {
    api.check(api.nvrtcCreateProgram(&program_, text.c_str(), "source.cu", static_cast<int>(names.size()), texts.data(),
                                     names.data()),
              "NVRTC cannot take the source");
  }
  ~Program() { api_.nvrtcDestroyProgram(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  nvrtcResult compile(const std::vector<std::string>& options) {
    std::vector<const char*> texts;
    for (const std::string& option : options) texts.push_back(option.c_str());
    return api_.nvrtcCompileProgram(program_, static_cast<int>(texts.size()), texts.data());
  }
  std::string log() const {
    size_t bytes = 0;
    api_.check(api_.nvrtcGetProgramLogSize(program_, &bytes), "reading NVRTC's log");
    std::string log(bytes, '\0');
    api_.check(api_.nvrtcGetProgramLog(program_, log.data()), "reading NVRTC's log");
    while (!log.empty() && log.back() == '\0') log.pop_back();
    return log;
  }
  std::string cubin() const {
    size_t bytes = 0;
    api_.check(api_.nvrtcGetCUBINSize(program_, &bytes), "reading NVRTC's cubin");
    std::string cubin(bytes, '\0');
    api_.check(api_.nvrtcGetCUBIN(program_, cubin.data()), "reading NVRTC's cubin");
    return cubin;
  }

 private:
  const NvrtcApi& api_;
  nvrtcProgram program_ = nullptr;
};

Compiled compile_one(const NvrtcApi& api, const Source& source, const std::vector<std::string>& options,
                     const Headers& headers, const fs::path& object) {
  std::vector<const char*> names, texts;
  for (const auto& [name, text] : headers) {
    names.push_back(name.c_str());
    texts.push_back(text.c_str());
  }
  const auto start = std::chrono::steady_clock::now();
  Program program(api, source.text, names, texts);
  const nvrtcResult result = program.compile(options);
  Compiled compiled{.build = {}, .object = object};
  compiled.build.log = program.log();
  if (result == NVRTC_ERROR_COMPILATION) return compiled;
  if (result != NVRTC_SUCCESS) {  // an option it does not know, no memory, no builtins: not the source's fault
    fail("NVRTC {} failed: {}: {}", api.library.path().string(), api.nvrtcGetErrorString(result), compiled.build.log);
  }

  const std::string cubin = program.cubin();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  compiled.build.compile_ms = took.count();
  compiled.build.entries = parse_ptxas_log(compiled.build.log);
  for (const std::string& entry : source.entries) {
    if (compiled.build.entries.contains(entry)) continue;
    compiled.build.log += fmt::format("the source defines no entry '{}'\n", entry);
    return compiled;
  }
  write_file(object, cubin);
  compiled.build.ok = true;
  return compiled;
}

}  // namespace

std::vector<Build> NvrtcCompiler::build(std::span<const Source> sources, const Done& done, std::stop_token stop) {
  const auto options = options_for(nvrtc_, architecture_);
  const auto compile = [&](std::span<const Source* const> group, const fs::path& work, std::stop_token) {
    std::vector<Compiled> compiled;
    for (size_t i = 0; i < group.size(); ++i) {
      compiled.push_back(compile_one(*nvrtc_.api, *group[i], options, headers_, work / fmt::format("{}.cubin", i)));
    }
    return compiled;
  };
  return BuildAll{identity(), headers_, cache_, jobs_, 1, compile}(sources, done, stop);
}

#else

struct NvrtcApi {};

Nvrtc Nvrtc::open() { return {nullptr, "", "NVRTC not found: this program was built without CUDA headers"}; }

namespace {

std::vector<std::string> options_for(const Nvrtc&, const std::string& architecture) { return {architecture}; }

}  // namespace

std::vector<Build> NvrtcCompiler::build(std::span<const Source>, const Done&, std::stop_token) {
  fail("{}", nvrtc_.reason);  // not reached: the constructor has thrown it
}

#endif

NvrtcCompiler::NvrtcCompiler(Nvrtc nvrtc, std::string architecture, fs::path cache_folder, int jobs, Headers headers)
    : nvrtc_(std::move(nvrtc)),
      architecture_(std::move(architecture)),
      headers_(std::move(headers)),
      cache_(std::move(cache_folder), ".cubin"),
      jobs_(jobs) {
  if (!nvrtc_) fail("{}", nvrtc_.reason);
}

std::string NvrtcCompiler::identity() const {
  return fmt::format("nvrtc {} {}", nvrtc_.version, fmt::join(options_for(nvrtc_, architecture_), " "));
}

}  // namespace qoq::compile
