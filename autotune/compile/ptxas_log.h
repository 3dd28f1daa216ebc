#pragma once
#include <map>
#include <string>
#include <string_view>

#include "autotune/compile/compiler.h"

namespace qoq::compile {

/// Reads what ptxas said under --ptxas-options=-v: registers, static shared memory, stack and spills of each entry.
/// Spills are nowhere else: the cubin does not name them.
std::map<std::string, EntryResources> parse_ptxas_log(std::string_view log);

}  // namespace qoq::compile
