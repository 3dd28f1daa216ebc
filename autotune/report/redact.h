#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "autotune/report/document.h"

namespace qoq::report {

/// Replaces what names a machine or a person: UUIDs, absolute and home paths (and relative ones that leave their
/// folder), host names.
class Redactor {
 public:
  /// `secrets` are replaced wherever they stand as whole words, each by its own placeholder.
  struct Secret {
    std::string text, placeholder;
  };
  explicit Redactor(std::vector<Secret> secrets);

  std::string apply(std::string_view text) const;
  /// Every string of every block, so that no section can forget it.
  void apply(Document& document) const;

 private:
  std::vector<Secret> secrets_;
};

/// This machine's name, whole and before its first dot.
std::vector<Redactor::Secret> host_names();

}  // namespace qoq::report
