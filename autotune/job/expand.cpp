#include "autotune/job/expand.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "kernels/base/error.h"

namespace qoq::job {
namespace {

Problem gemm_problem(const Request& request, const Linear& linear, int64_t m) {
  Problem problem{"gemm",
                  request.scheme,
                  {{"m", std::to_string(m)}, {"n", std::to_string(linear.n)}, {"k", std::to_string(linear.k)}}};
  if (request.output != "fp16") problem.fields.emplace_back("out", request.output);
  if (request.bias) problem.fields.emplace_back("bias", "1");
  return problem;
}

/// One shard of one layer at every m. A family that does not take the shape answers with a sentence: that is a refusal,
/// not a fault of the job.
void expand_shard(const Model& model, const Request& request, const std::string& layer, int tp,
                  const Families& families, Work& work, std::vector<Refusal>& refusals) {
  const auto refuse = [&](const std::string& reason) {
    refusals.push_back({fmt::format("{} {} {} tp={}", model.name, layer, request.scheme, tp), reason});
  };
  const auto outcome = shard(model, layer, tp, group_of(request.scheme));
  if (const auto* refusal = std::get_if<Refusal>(&outcome)) return refuse(refusal->reason);
  const auto& linear = std::get<Linear>(outcome);
  for (const Sized& tokens : request.tokens) {
    try {
      work.add(canonical(gemm_problem(request, linear, tokens.size), families), model.layers * tokens.weight,
               fmt::format("{} {} tp={}", model.name, layer, tp));
    } catch (const Error& error) {
      if (error.fault() != Fault::Input) throw;
      return refuse(error.what());
    }
  }
}

Problem attention_problem(const AttentionRequest& request, const Heads& heads, int64_t batch, int64_t context) {
  Problem problem{"attention",
                  request.scheme,
                  {{"batch", std::to_string(batch)},
                   {"heads", fmt::format("{}/{}", heads.q_heads, heads.kv_heads)},
                   {"dh", std::to_string(heads.head_dim)},
                   {"ctx", std::to_string(context)}}};
  if (request.q != 1) problem.fields.emplace_back("q", std::to_string(request.q));
  if (request.output != "fp16") problem.fields.emplace_back("out", request.output);
  return problem;
}

/// One shard at every batch and context, each sentence of a family that does not take one kept once.
void expand_shard(const Model& model, const AttentionRequest& request, int tp, const Families& families, Work& work,
                  std::vector<Refusal>& refusals) {
  const std::string what = fmt::format("{} attention {} tp={}", model.name, request.scheme, tp);
  const auto refuse = [&](const std::string& reason) {
    const auto same = [&](const Refusal& known) { return known.what == what && known.reason == reason; };
    if (std::ranges::none_of(refusals, same)) refusals.push_back({what, reason});
  };
  const auto outcome = shard_heads(model, tp);
  if (const auto* refusal = std::get_if<Refusal>(&outcome)) return refuse(refusal->reason);
  for (const Sized& batch : request.batches) {
    for (const Sized& context : request.contexts) {
      const Problem problem = attention_problem(request, std::get<Heads>(outcome), batch.size, context.size);
      try {
        work.add(canonical(problem, families), model.layers * batch.weight * context.weight,
                 fmt::format("{} attention tp={}", model.name, tp));
      } catch (const Error& error) {
        if (error.fault() != Fault::Input) throw;
        refuse(error.what());
      }
    }
  }
}

}  // namespace

void Work::add(const Problem& problem, double weight, const std::string& origin) {
  auto found = std::ranges::find(items_, problem, &WorkItem::problem);
  if (found == items_.end()) found = items_.insert(items_.end(), WorkItem{problem, 0, {}});
  found->weight += weight;
  found->origins.push_back(origin);
}

std::vector<WorkItem> Work::heaviest_first() && {
  std::ranges::stable_sort(items_, std::greater<>{}, &WorkItem::weight);
  return std::move(items_);
}

std::vector<std::string> schemes_of(std::string_view op, const Families& families) {
  std::vector<std::string> result;
  for (const auto& family : families) {
    if (family->op() != op) continue;
    for (std::string& scheme : family->schemes()) {
      if (std::ranges::find(result, scheme) == result.end()) result.push_back(std::move(scheme));
    }
  }
  return result;
}

Problem canonical(const Problem& problem, const Families& families) {
  for (const auto& family : families) {
    const std::vector<std::string> schemes = family->schemes();
    if (family->op() == problem.op && std::ranges::find(schemes, problem.scheme) != schemes.end()) {
      return family->canonical(problem);
    }
  }
  bad_input("no family of kernels solves \"{} {}\"", problem.op, problem.scheme);
}

int64_t group_of(const std::string& scheme) {
  const std::size_t mark = scheme.rfind("-g");
  int64_t group = 0;
  if (mark != std::string::npos) {
    const char* end = scheme.data() + scheme.size();
    const auto [stop, error] = std::from_chars(scheme.data() + mark + 2, end, group);
    if (error != std::errc{} || stop != end) return 0;
  }
  return group;
}

void expand(const std::vector<Model>& models, const std::vector<Request>& requests, const Families& families,
            Work& work, std::vector<Refusal>& refusals) {
  for (const Model& model : models) {
    for (const Request& request : requests) {
      for (const int tp : request.tensor_parallel) {
        for (const std::string& layer : request.layers) {
          expand_shard(model, request, layer, tp, families, work, refusals);
        }
      }
    }
  }
}

void expand(const std::vector<Model>& models, const std::vector<AttentionRequest>& requests, const Families& families,
            Work& work, std::vector<Refusal>& refusals) {
  for (const Model& model : models) {
    for (const AttentionRequest& request : requests) {
      for (const int tp : request.tensor_parallel) expand_shard(model, request, tp, families, work, refusals);
    }
  }
}

}  // namespace qoq::job
