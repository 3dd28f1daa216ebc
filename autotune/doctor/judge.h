#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "autotune/doctor/findings.h"

namespace qoq::doctor {

/// Text: works · limited · fails.
enum class Verdict { Works, Limited, Fails };

std::string_view to_text(Verdict verdict);

/// What is in the way, and what to do about it; a sentence each.
struct Obstacle {
  std::string why, fix;
  bool operator==(const Obstacle&) const = default;
};

/// One thing this program can do, and whether it will here. It fails where something it needs is missing; it is limited
/// where it runs but its numbers, or some problems, suffer.
struct Ability {
  std::string name;  ///< "tune on cuda:0"
  Verdict verdict = Verdict::Works;
  std::vector<Obstacle> obstacles;  ///< none when it works
};

/// What will and will not work on a machine like this: a pure function, in the order of a user's first steps.
std::vector<Ability> judge(const Findings& findings);

}  // namespace qoq::doctor
