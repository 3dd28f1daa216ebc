#include "tests/autotune/cli/cli_program.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "autotune/compile/nvrtc_compiler.h"

namespace qoq::cli::testing {

namespace {

constexpr uid_t nobody = 65534;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// In the child: never returns.
[[noreturn]] void become_program(const std::vector<std::string>& arguments, const std::string& program = QOQTUNE) {
  std::vector<char*> pointers{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execv(program.c_str(), pointers.data());
  ::_exit(127);
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const Where& where) : started_(now()) {
  const std::string out = output_ / "out", err = output_ / "err";
  std::string program = QOQTUNE;
  if (where.unprivileged) {  // the build folder may be closed to others
    program = output_ / "qoqtune";
    fs::copy_file(QOQTUNE, program);
    fs::permissions(output_.path(), fs::perms::others_exec, fs::perm_options::add);
  }
  process_ = ::fork();
  if (process_ == 0) {
    const int out_file = ::open(out.c_str(), O_CREAT | O_WRONLY, 0644),
              err_file = ::open(err.c_str(), O_CREAT | O_WRONLY, 0644);
    if (out_file < 0 || err_file < 0 || ::dup2(out_file, 1) < 0 || ::dup2(err_file, 2) < 0 ||
        ::chdir(where.folder.c_str()) != 0)
      ::_exit(126);
    if (where.unprivileged && ::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) ::_exit(125);
    become_program(arguments, program);
  }
}

Program::~Program() {
  if (running()) signal(SIGKILL);
  wait();
}

void Program::signal(int number) const { ::kill(process_, number); }

bool Program::running() {
  rusage usage{};
  if (!ended_ && ::wait4(process_, &status_, WNOHANG, &usage) == process_) {
    ended_ = true;
    peak_bytes_ = 1024 * static_cast<size_t>(usage.ru_maxrss);
  }
  return !ended_;
}

Ran Program::wait() {
  rusage usage{};
  if (!ended_ && ::wait4(process_, &status_, 0, &usage) == process_)
    peak_bytes_ = 1024 * static_cast<size_t>(usage.ru_maxrss);
  ended_ = true;
  Ran ran;
  ran.seconds = now() - started_;
  ran.code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  ran.out = read_text(output_ / "out");
  ran.err = read_text(output_ / "err");
  return ran;
}

Ran run(const std::vector<std::string>& arguments, const Where& where) { return Program(arguments, where).wait(); }

std::string run_on_terminal(const std::vector<std::string>& arguments) {
  winsize size{24, 100, 0, 0};
  int terminal = -1;
  const pid_t process = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (process == 0) become_program(arguments);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(terminal, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(got));
  ::close(terminal);
  ::waitpid(process, nullptr, 0);
  return text;
}

std::string no_nvrtc() { return compile::Nvrtc::open().reason; }

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string tiny_job(const std::vector<std::string>& problems, const std::string& targets) {
  std::string text = fmt::format(R"(name: tiny
targets: {}
spaces:
  gemm/mma: {{block_m: [16], block_n: [64], block_k: [128], warp_m: [16], warp_n: [32], stages: [2, 3], slices: [1], split_k: [1],
             raster: [1], dequant: [imad], layout: [qserve]}}
problems:
)",
                                 targets);
  for (const std::string& problem : problems) text += "  - " + problem + "\n";
  return text;
}

std::string long_job() {
  std::vector<std::string> problems;
  for (int m = 1; m <= 30; ++m) {
    for (int n = 1; n <= 20; ++n) problems.push_back(fmt::format("gemm w4a8-g128 m={} n={} k=1024", m, 256 * n));
  }
  return tiny_job(problems, "[sim:a100-80, sim:l40s, sim:h200]");
}

std::vector<std::string> tune(const fs::path& folder, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"tune", folder / "job.yaml", "--db", folder / "tune.db", "--cache", QOQTUNE_CACHE};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

size_t count_candidates(const fs::path& database, bool ablations) {
  try {
    SQLite::Database raw(database.string(), SQLite::OPEN_READONLY, 5000);
    SQLite::Statement query(raw, "SELECT count(*) FROM candidate WHERE ablated = 0 OR ?");
    query.bind(1, ablations ? 1 : 0);
    query.executeStep();
    return static_cast<size_t>(query.getColumn(0).getInt64());
  } catch (const SQLite::Exception&) {
    return 0;  // not made yet
  }
}

std::vector<std::string> checked_rows(const fs::path& database) {
  SQLite::Database raw(database.string(), SQLite::OPEN_READWRITE, 5000);  // as a rerun does: the log is brought in
  EXPECT_EQ(raw.execAndGet("PRAGMA integrity_check").getString(), "ok");
  EXPECT_EQ(raw.execAndGet("SELECT count(*) FROM pragma_foreign_key_check").getInt(), 0);
  if (raw.execAndGet("SELECT count(*) FROM sqlite_schema WHERE name = 'candidate'").getInt() == 0) return {};
  SQLite::Statement query(
      raw,
      "SELECT target || ' ' || problem.text || ' ' || variant || ' ' || outcome || ' ' || coalesce(median_us, '') "
      "FROM candidate JOIN environment ON environment.id = environment JOIN problem ON problem.id = problem WHERE "
      "ablated = 0 ORDER BY 1");
  std::vector<std::string> rows;
  while (query.executeStep()) rows.push_back(query.getColumn(0).getString());
  return rows;
}

void expect_sentence(const Ran& ran, int code, const std::vector<std::string>& texts, const char* file, int line) {
  ::testing::ScopedTrace trace(file, line, ran.err.empty() ? "nothing on stderr" : ran.err);
  EXPECT_EQ(ran.code, code);
  EXPECT_EQ(ran.out, "");
  EXPECT_TRUE(ran.err.starts_with("qoqtune: "));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << "one line";
  EXPECT_TRUE(ran.err.ends_with('\n'));
  for (const std::string& text : texts) EXPECT_NE(ran.err.find(text), std::string::npos) << "lacks: " << text;
}

}  // namespace qoq::cli::testing
