#pragma once
#include <set>
#include <string>
#include <vector>

#include "autotune/select/select.h"
#include "kernels/family.h"

namespace qoq::select {

/// What an operator's fields say, found by asking its family and not by their names: a field belongs to the size
/// (the weights) when putting another problem's value in its place changes Family::size (Family::layout_group).
struct FieldRoles {
  std::set<std::string> size;     ///< m of a gemm; batch and ctx of an attention
  std::set<std::string> weights;  ///< n and k of a gemm; heads and dh of an attention
};

/// From all pairs of `asked` and a known problem of its operator and scheme; fields in which they never differ have no
/// role. Where neither problem can take the other's value, as batch and a ragged ctx of that many lengths, the field
/// goes with another one: it has both roles.
FieldRoles field_roles(const std::vector<Problem>& known, const Problem& asked, const FamilyRules& rules);

/// The fields in which two problems differ, one of them absent included.
std::vector<std::string> differing_fields(const Problem& a, const Problem& b);

/// Same operator and scheme, and equal but for fields that are `free`, which both must have.
bool same_work(const Problem& a, const Problem& b, const std::set<std::string>& free);

}  // namespace qoq::select
