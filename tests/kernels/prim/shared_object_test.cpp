// A generated kernel's way: compiled by the host's compiler at run time, opened, launched by its entry's name.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "kernels/base/file.h"
#include "kernels/emulator/emulator.h"

namespace qoq::tests {
namespace {

constexpr const char* source = R"(
#include "kernels/prim/prim.cuh"
using namespace qoq;
struct Args { i32* out; };
template <int Scale>
QOQ_DEVICE void kernel(const Args& args) {
  prim::store_shared_u32(prim::shared_base() + prim::thread_index() * 4, prim::thread_index() * Scale);
  prim::sync_threads();
  const u32 other = prim::load_shared_u32(prim::shared_base() + (63 - prim::thread_index()) * 4);
  prim::store_global(args.out + prim::thread_index(), static_cast<i32>(other));
}
QOQ_ENTRY(reverse, kernel<3>, Args, 64, 1)
)";

TEST(SharedObject, CompilesOpensAndRuns) {
  namespace fs = std::filesystem;
  if (std::system("g++ --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no g++ here";
  const fs::path folder = fs::temp_directory_path() / ("qoq_shared_object_test." + std::to_string(getpid()));
  write_file_atomically(folder / "kernel.cpp", source);
  const fs::path object = folder / "kernel.so";
  const std::string command = "g++ -std=c++20 -O1 -Wall -Wextra -Werror -Wno-unknown-pragmas -fPIC -shared -I" +
                              std::string(QOQ_SOURCE_DIR) + " " + (folder / "kernel.cpp").string() + " -o " +
                              object.string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  void* library = dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto entry = reinterpret_cast<void (*)(const void*)>(dlsym(library, "reverse"));
  const auto* threads = static_cast<const unsigned*>(dlsym(library, "reverse_threads"));
  ASSERT_NE(entry, nullptr);
  ASSERT_NE(threads, nullptr);
  EXPECT_EQ(*threads, 64u);

  alignas(16) std::array<int, 64> out{};
  struct {
    int* out;
  } args{out.data()};
  emulator::Memory memory;
  memory.add("out", out.data(), sizeof out, emulator::Access::Scratch);
  const auto result = emulator::launch(entry, &args, {}, *threads, 256, memory);
  EXPECT_FALSE(result.fault) << *result.fault;
  for (int i = 0; i < 64; ++i) EXPECT_EQ(out[static_cast<size_t>(i)], (63 - i) * 3);
  EXPECT_EQ(result.counters.bank_conflicts(), 0u);
  dlclose(library);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace qoq::tests
