#include "autotune/select/neighbours.h"

#include <algorithm>
#include <optional>

#include "kernels/base/error.h"

namespace qoq::select {

namespace {

/// Whether `of` a problem changes with one field; nothing when the family does not take the changed problem.
template <class Of>
std::optional<bool> changes(const Of& of, const Problem& problem, const std::string& field, std::string_view value) {
  try {
    return of(problem.with(field, std::string(value))) != of(problem);
  } catch (const Error& error) {
    if (error.fault() != Fault::Input) throw;
    return std::nullopt;
  }
}

template <class Of>
bool depends(const Of& of, const Problem& a, const Problem& b, const std::string& field) {
  if (!of) return false;
  const auto one = changes(of, a, field, b.field(field)), other = changes(of, b, field, a.field(field));
  return one || other ? one.value_or(false) || other.value_or(false) : true;
}

}  // namespace

FieldRoles field_roles(const std::vector<Problem>& known, const Problem& asked, const FamilyRules& rules) {
  FieldRoles roles;
  for (const Problem& problem : known) {
    for (const std::string& field : differing_fields(problem, asked)) {
      if (problem.field(field).empty() || asked.field(field).empty()) continue;
      if (!roles.size.contains(field) && depends(rules.size, problem, asked, field)) roles.size.insert(field);
      if (!roles.weights.contains(field) && depends(rules.layout_group, problem, asked, field))
        roles.weights.insert(field);
    }
  }
  return roles;
}

std::vector<std::string> differing_fields(const Problem& a, const Problem& b) {
  std::vector<std::string> names;
  for (const Problem* one : {&a, &b}) {
    for (const auto& [name, value] : one->fields) {
      if (a.field(name) != b.field(name) && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

bool same_work(const Problem& a, const Problem& b, const std::set<std::string>& free) {
  if (a.op != b.op || a.scheme != b.scheme) return false;
  return std::ranges::all_of(differing_fields(a, b), [&](const std::string& name) {
    return free.contains(name) && !a.field(name).empty() && !b.field(name).empty();
  });
}

}  // namespace qoq::select
