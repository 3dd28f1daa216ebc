#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "autotune/job/yaml.h"

namespace qoq::job {

/// Reads the YAML that `reference` names, written by a job that lies in `folder`. A reference that ends in ".yaml" is a
/// path relative to `folder`. Any other is a name, looked for as <folder>/<kind>/<name>.yaml, then
/// configs/<kind>/<name>.yaml under the working directory, then among the files in the program; `kind` is "models",
/// "spaces" or "" (jobs). Throws Fault::Input at `at` with the names it knows.
Yaml read_config(std::string_view kind, const std::string& reference, const std::filesystem::path& folder,
                 const Location& at);

/// The copy in the program, whatever lies on disk: for what must not depend on the working directory. Fails when there
/// is none.
Yaml shipped_config(std::string_view kind, const std::string& name);

}  // namespace qoq::job
