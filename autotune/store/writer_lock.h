#pragma once
#include <filesystem>

namespace qoq::store {

/// Holds "<database>.lock" for the one writer. The kernel drops the lock when the holder ends, however it ends, so a
/// killed tuner leaves nothing to clean. (A child forked without exec shares it until it ends too.)
class WriterLock {
 public:
  /// Takes the lock at once, or throws Fault::Input naming the process that holds it.
  explicit WriterLock(const std::filesystem::path& database);
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace qoq::store
