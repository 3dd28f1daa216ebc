#pragma once
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/autotune/store/synthetic.h"

namespace qoq::cli::testing {

using store::testing::Disk;
using store::testing::Folder;
namespace fs = std::filesystem;

/// How a run of the program ended.
struct Ran {
  int code = -1;  ///< its exit code, or 128 + the signal that ended it
  std::string out, err;
  double seconds = 0;
  bool operator==(const Ran&) const = default;
};

/// How to run it: where, and as whom.
struct Where {
  fs::path folder = ".";      ///< working directory
  bool unprivileged = false;  ///< as nobody, when the test runs as root
};

/// The real program, started.
class Program {
 public:
  Program(const std::vector<std::string>& arguments, const Where& where = {});
  ~Program();  ///< kills it if it still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  void signal(int number) const;
  bool running();
  Ran wait();
  /// The most memory it had at once; once it has ended.
  size_t peak_bytes() const { return peak_bytes_; }

 private:
  Folder output_;
  pid_t process_ = 0;
  double started_ = 0;
  int status_ = 0;
  bool ended_ = false;
  size_t peak_bytes_ = 0;
};

/// Runs it to its end.
Ran run(const std::vector<std::string>& arguments, const Where& where = {});

/// Runs it on a terminal of its own, 100 columns wide; what it wrote there, both streams.
std::string run_on_terminal(const std::vector<std::string>& arguments);

/// Why there is no NVRTC here; empty when there is.
std::string no_nvrtc();

void write_text(const fs::path& path, const std::string& text);
std::string read_text(const fs::path& path);

/// A job of two points (and the published ones) a problem.
std::string tiny_job(const std::vector<std::string>& problems = {"gemm w4a8-g128 m=16 n=256 k=1024"},
                     const std::string& targets = "[sim:h200]");
/// Six hundred problems on three GPUs that use few kernels: a run takes seconds once they are compiled.
std::string long_job();

/// `tune` of a job in `folder` with the suite's cache.
std::vector<std::string> tune(const fs::path& folder, const std::vector<std::string>& more = {});

/// How many candidates are in the database just now; 0 while there is none yet.
size_t count_candidates(const fs::path& database, bool ablations = false);

/// The database's candidates without ablations, each as "target problem variant outcome median"; checks that it is
/// whole.
std::vector<std::string> checked_rows(const fs::path& database);

}  // namespace qoq::cli::testing

/// Expects the exit code, nothing on stdout and exactly one line on stderr that holds every text.
#define EXPECT_SENTENCE(ran, expected_code, ...) \
  qoq::cli::testing::expect_sentence(ran, expected_code, {__VA_ARGS__}, __FILE__, __LINE__)
namespace qoq::cli::testing {
void expect_sentence(const Ran& ran, int code, const std::vector<std::string>& texts, const char* file, int line);
}
