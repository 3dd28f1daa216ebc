#pragma once
#include <string>
#include <vector>

#include "autotune/select/select.h"
#include "autotune/store/store.h"

namespace qoq::cli {

/// One selection for each job and each environment that was last used for a target (`gpu` empty: every target).
std::vector<select::Selection> selections(const store::Store& store, const std::string& gpu);

/// What select may ask of the kernel families.
select::FamilyRules family_rules(const std::string& target);

}  // namespace qoq::cli
