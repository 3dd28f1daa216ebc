#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace qoq {

/// Whose fault it is; the program's exit code follows from it.
enum class Fault {
  Work = 1,   ///< the work failed (a disk full, a driver error)
  Input = 2,  ///< bad usage or bad input
};

/// Where in a file a message points; line and column count from 1, 0 when unknown.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
};

/// The one exception of the house: a fault with its context, caught once in main.
/// Expected outcomes (an illegal variant, a wrong result) are values, never this.
class Error : public std::runtime_error {
 public:
  Error(Fault fault, const std::string& what) : std::runtime_error(what), fault_(fault) {}
  Fault fault() const { return fault_; }
  int exit_code() const { return static_cast<int>(fault_); }

 private:
  Fault fault_;
};

/// Throws: the input is bad. The sentence says what was found and what would be right.
template <class... T>
[[noreturn]] void bad_input(fmt::format_string<T...> format, T&&... values) {
  throw Error(Fault::Input, fmt::format(format, std::forward<T>(values)...));
}

/// Throws: the input is bad at a place in a file ("job.yaml:3:7: …").
template <class... T>
[[noreturn]] void bad_input_at(const Location& at, fmt::format_string<T...> format, T&&... values) {
  std::string place = at.file;
  if (at.line > 0) place += fmt::format(":{}:{}", at.line, at.column);
  throw Error(Fault::Input, place + ": " + fmt::format(format, std::forward<T>(values)...));
}

/// Throws: the work failed.
template <class... T>
[[noreturn]] void fail(fmt::format_string<T...> format, T&&... values) {
  throw Error(Fault::Work, fmt::format(format, std::forward<T>(values)...));
}

}  // namespace qoq
