#include "kernels/families.h"

#include "kernels/attention/append/family.h"
#include "kernels/attention/decode/family.h"
#include "kernels/attention/gather/family.h"
#include "kernels/base/error.h"
#include "kernels/ceiling/issue_family.h"
#include "kernels/ceiling/launch_family.h"
#include "kernels/ceiling/memory_family.h"
#include "kernels/ceiling/tensor_family.h"
#include "kernels/gemm/mma/family.h"

namespace qoq {

const std::vector<std::unique_ptr<Family>>& families() {
  static const auto table = [] {
    std::vector<std::unique_ptr<Family>> all;
    all.push_back(gemm::make_mma_family());
    all.push_back(attention::make_decode_family());
    all.push_back(attention::make_append_family());
    all.push_back(attention::make_gather_family());
    all.push_back(ceiling::make_read_family());
    all.push_back(ceiling::make_copy_family());
    all.push_back(ceiling::make_l2_family());
    all.push_back(ceiling::make_issue_family());
    all.push_back(ceiling::make_mma_family());
    all.push_back(ceiling::make_wgmma_family());
    all.push_back(ceiling::make_launch_family());
    return all;
  }();
  return table;
}

std::vector<const Family*> families_for(const Problem& problem) {
  std::vector<const Family*> found;
  std::string known;
  for (const auto& family : families()) {
    for (const std::string& scheme : family->schemes()) {
      if (family->op() == problem.op && scheme == problem.scheme) found.push_back(family.get());
      const std::string pair = fmt::format("{} {}", family->op(), scheme);
      if (known.find(pair) == std::string::npos) known += (known.empty() ? "" : ", ") + pair;
    }
  }
  if (found.empty())
    bad_input("\"{}\": no kernel family solves {} {}; there are: {}", problem.text(), problem.op, problem.scheme,
              known);
  return found;
}

const Family& family_named(std::string_view name) {
  std::string known;
  for (const auto& family : families()) {
    if (family->name() == name) return *family;
    known += (known.empty() ? "" : ", ") + std::string(family->name());
  }
  bad_input("no kernel family is called \"{}\"; there are: {}", name, known);
}

NamedVariant find_variant(std::string_view id, const Problem& shape) {
  for (const auto& family : families()) {
    if (family->op() != shape.op) continue;
    if (auto found = family->parse_variant(id, shape)) return {family.get(), found->first, found->second};
  }
  bad_input(
      "\"{}\" is no variant of {}; ids look like mma.w4a8-g128.bm64.bn128.….imad.qserve or "
      "decode.kv4.dh128.p64.….fragment (see a report or "
      "candidates.csv)",
      id, shape.op);
}

Problem parse_problem(std::string_view text) {
  const Problem problem = Problem::parse(text);
  return families_for(problem).front()->canonical(problem);
}

}  // namespace qoq
