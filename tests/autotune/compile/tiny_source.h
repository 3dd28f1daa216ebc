#pragma once
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "kernels/family.h"

namespace qoq::compile {

/// A generated text in the shape families use: y[i] = factor · x[i] + y[i].
inline Source saxpy(const std::string& name, int factor = 2) {
  return {fmt::format(R"(#include "kernels/prim/prim.cuh"
namespace {0}_parts {{
struct Args {{ const float* x; float* y; qoq::i32 count; }};
QOQ_DEVICE void body(const Args& args) {{
  using namespace qoq::prim;
  const qoq::u32 i = block_index_x() * 128 + thread_index();
  if (i >= static_cast<qoq::u32>(args.count)) return;
  store_global(args.y + i, {1}.0f * load_readonly(args.x + i) + load_global(args.y + i));
}}
}}  // namespace {0}_parts
QOQ_ENTRY({0}, {0}_parts::body, {0}_parts::Args, 128, 1)
)",
                      name, factor),
          {name}};
}

inline Source broken(const std::string& name) {
  Source source = saxpy(name);
  source.text += "this is no C++;\n";
  return source;
}

/// A folder of the test's own, gone afterwards.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "qoq_test_XXXXXX").string();
    path_ = ::mkdtemp(path.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace qoq::compile
