#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::test {

/// A folder of one test's own, gone with it.
struct ScratchFolder : testing::Test {
  ScratchFolder()
      : folder(std::filesystem::temp_directory_path() /
               ("qoq_checkpoint." + std::to_string(getpid()) + "." +
                testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  ~ScratchFolder() override { std::filesystem::remove_all(folder); }
  auto files() const { return std::distance(std::filesystem::directory_iterator(folder), {}); }
  std::filesystem::path put(const std::string& name, std::string_view bytes) const {
    write_file_atomically(folder / name, bytes);
    return folder / name;
  }
  std::filesystem::path folder;
};

/// The bytes of a safetensors file with this header and data.
inline std::string with_header(std::string_view header, std::string_view data = {}) {
  std::string bytes;
  for (size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes.append(header).append(data);
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What the Error says that `act` throws; empty, and a failure, when it throws none or one of another fault.
template <class Act>
std::string complaint(Fault fault, const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), fault) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace qoq::test
