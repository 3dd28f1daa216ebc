#pragma once
#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/worker/descriptor.h"
#include "autotune/worker/lines.h"

namespace qoq::worker {

/// A child process that is spoken to in lines. It has a process group of its own (Ctrl-C at the terminal does not
/// reach it) and one socket beside the usual descriptors; its standard output and error are one log, which the parent
/// reads, so that whatever a driver prints there disturbs neither the lines nor the parent's own output.
class Child {
 public:
  /// Who gets what the child prints, as it comes.
  using Log = std::function<void(std::string_view)>;

  /// Starts a program with "--in 3 --out 3" added to its arguments. Throws Fault::Work when there is no such program or
  /// the machine refuses a process.
  Child(std::vector<std::string> command, Log log);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t process() const { return process_; }

  /// False when it is gone or does not read within some seconds.
  bool say(std::string line);

  struct Heard {
    enum class What {
      Line,
      Late,        ///< nothing within the time given
      Gone,        ///< it closed its end, as a process that ends does; `text`: half a line that it left
      Unreadable,  ///< no end of a line in more bytes than a line may have
    };
    What what = What::Late;
    std::string text;
  };
  /// The next line, as soon as it is there.
  Heard listen(double seconds);

  /// Ends it: closes the line, and kills it if it has not ended after `patience_s`. Returns how it ended, the end of a
  /// sentence: "exited with code 1", "was killed by signal 6 (Aborted)", "did not end by itself and was killed". Throws
  /// Fault::Work when even killing does not end it, which happens in a driver that does not let go.
  std::string end(double patience_s);
  /// Its log's last lines, in one; empty when it said nothing.
  std::string last_words() const;

 private:
  void start(const std::vector<std::string>& command, int socket, int log);
  void read_log();
  bool wait_until_gone(double seconds);

  Log log_to_;
  pid_t process_ = -1;
  Descriptor socket_, log_;
  Lines lines_;
  std::string tail_;  // of the log
  bool gone_ = false;
  int status_ = 0;  // of waitpid, when gone
};

}  // namespace qoq::worker
