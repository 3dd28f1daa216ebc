#pragma once
#include <string>
#include <vector>

#include "autotune/select/select.h"
#include "autotune/store/store.h"
#include "kernels/families.h"

namespace qoq::cli {

/// The targets that the store has environments of, in the order added; `gpu` alone, where it is not empty. Throws
/// Fault::Input where that one has none.
std::vector<std::string> targets_of(const store::Store& store, const std::string& gpu);

/// One selection for each job and each environment that was last used for a target (`gpu` empty: every target).
std::vector<select::Selection> selections(const store::Store& store, const std::string& gpu);

/// The problem to take where a person named none: of the operator whose variant `id` is; of the first one for an id
/// that no family knows, or for none.
Problem default_problem(const std::string& id = "");

/// find_variant() for an id that a person wrote: values that the family's parameters do not have are refused too.
NamedVariant read_variant(const std::string& id, const Problem& shape);

/// What select may ask of the kernel families.
select::FamilyRules family_rules(const std::string& target);

}  // namespace qoq::cli
