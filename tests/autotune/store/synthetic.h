#pragma once
#include <filesystem>
#include <string>

#include "autotune/store/store.h"

namespace qoq::store::testing {

/// A fresh folder, removed with all it holds.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A small disk of our own in memory, which can be full or read-only. Needs root; says why it could not be had.
class Disk {
 public:
  explicit Disk(size_t kibibytes);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  bool mounted() const { return refusal_.empty(); }
  const std::string& refusal() const { return refusal_; }
  void resize(size_t kibibytes);
  void make_read_only();
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  Folder folder_;
  std::string refusal_;
};

inline constexpr const char* kProblem = "gemm w4a8-g128 m=64 n=4096 k=4096";

Environment simulated(const std::string& target = "sim:h200");
ProblemRow gemm_row(const std::string& text = kProblem);
/// The i-th candidate of a problem: ok, verified, predicted, two kernels, three samples.
Candidate candidate(int i, const std::string& problem = kProblem);
/// Opens `path` for writing and puts the problem in.
Store open_with_problem(const std::filesystem::path& path, const std::string& problem = kProblem);

/// The sentence of the Error that `body` throws, with its fault in front ("Input: …"); empty when it throws none.
std::string fault_of(const auto& body);

}  // namespace qoq::store::testing

#include "kernels/base/error.h"

std::string qoq::store::testing::fault_of(const auto& body) {
  try {
    body();
  } catch (const Error& error) {
    return (error.fault() == Fault::Input ? "Input: " : "Work: ") + std::string(error.what());
  }
  return "";
}
