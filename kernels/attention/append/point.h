#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/attention/append/config.cuh"
#include "kernels/attention/append/problem.h"
#include "kernels/family.h"

namespace qoq::attention {

/// The parameters of attention/append or attention/gather, in the order of a variant's id.
const std::vector<Parameter>& cache_parameters(CacheProblem::Op op);

/// A parameter's value. Throws Fault::Input when the point lacks it.
int value_of(const Point& point, const char* name);

/// Which parameter has a value that is not one of its own, as a sentence.
std::optional<std::string> unknown_value(const Point& point, CacheProblem::Op op);

/// Why the point's page is not the problem's.
std::optional<std::string> wrong_page(const Point& point, const CacheProblem& problem);

PageForm page_form(const Point& point, const CacheProblem& problem);
KvLayout kv_layout(const Point& point);
AppendConfig append_config(const Point& point, const CacheProblem& problem);

/// "fragment.p64": what decides how pages lie in memory.
std::string page_layout(const Point& point);

/// "append.kv4.dh128.w4.fragment.p64[.rope][.bf16]", "gather.kv4.dh128.t64.w4.fragment.p64[.bf16]"
std::string cache_variant_id(const Point& point, const CacheProblem& problem);
/// The reverse; sizes, and whether to append or gather, come from `shape`. Nothing when it is no such id.
std::optional<std::pair<Point, CacheProblem>> parse_cache_variant_id(std::string_view id, const CacheProblem& shape);

/// The config's page as the text of its initialiser.
std::string literal(const PageForm& form);

}  // namespace qoq::attention
