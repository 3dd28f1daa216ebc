#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/family.h"

namespace qoq::job {

/// What a job allows of one family's space, as written: parameter → values or labels.
struct Restriction {
  struct Value {
    std::string text;  ///< "128", "imad"
    Location at;
  };
  struct Allowed {
    std::string parameter;
    std::vector<Value> values;
    Location at;
  };
  std::string family;  ///< "gemm/mma"
  std::vector<Allowed> allowed;
};

/// The family's parameters with only the allowed values, in the order the job wrote them; a parameter that the
/// restriction does not name keeps all of its own. Throws Fault::Input, with place and the known ones, on a parameter
/// or a value that the family does not have.
std::vector<Parameter> restrict_parameters(std::vector<Parameter> parameters, const Restriction& restriction);

}  // namespace qoq::job
