#include "autotune/job/job.h"

#include <algorithm>
#include <array>

#include "autotune/job/config_file.h"
#include "autotune/job/expand.h"
#include "autotune/job/yaml.h"
#include "kernels/base/file.h"

namespace qoq::job {
namespace fs = std::filesystem;
namespace {

const std::array<std::string, 14> job_keys{"name",   "models", "tp",       "m",          "schemes",
                                           "layers", "output", "bias",     "attention",  "targets",
                                           "search", "spaces", "problems", "ablate_each"};
const std::array<std::string, 4> scheme_keys{"scheme", "m", "layers", "output"};
const std::array<std::string, 5> attention_keys{"scheme", "batch", "ctx", "q", "output"};
const std::array<std::string, 4> search_keys{"strategy", "budget", "minutes", "seed"};
const std::array<std::string, 2> problem_keys{"problem", "weight"};
const std::array<std::string, 2> outputs{"fp16", "bf16"};
constexpr int64_t most_tokens = int64_t{1} << 20;  // of a batch, of a context; families say more
constexpr double heaviest = 1e9;

/// A list of sizes, or a mapping from sizes to their weights.
std::vector<Sized> read_sizes(const Yaml& value) {
  std::vector<Sized> result;
  const auto add = [&](const Yaml& key, double weight) {
    const int64_t size = key.integer(1, most_tokens);
    if (std::ranges::find(result, size, &Sized::size) != result.end()) key.fault("{} comes twice", size);
    result.push_back({size, weight});
  };
  if (value.is_mapping()) {
    for (const auto& [key, weight] : value.entries()) add(key, weight.positive(heaviest));
  } else {
    for (const Yaml& element : value.list()) add(element, 1);
  }
  return result;
}

template <class Known>
std::vector<std::string> read_words(const Yaml& value, const Known& known) {
  std::vector<std::string> result;
  for (const Yaml& element : value.list()) {
    const std::string word = element.one_of(known);
    if (std::ranges::find(result, word) != result.end()) element.fault("\"{}\" comes twice", word);
    result.push_back(word);
  }
  return result;
}

std::vector<int> read_tensor_parallel(const Yaml& value) {
  static const std::array<std::string, 4> known{"1", "2", "4", "8"};
  std::vector<int> result;
  for (const std::string& word : read_words(value, known)) result.push_back(word[0] - '0');
  return result;
}

std::vector<int> tensor_parallel_of(const Record& job) {
  const auto value = job.find("tp");
  return value ? read_tensor_parallel(*value) : std::vector<int>{1};
}

/// The job's defaults, then what one entry of `schemes:` says otherwise.
std::vector<Request> read_schemes(const Record& job, const std::vector<std::string>& known_schemes) {
  Request common;
  if (auto value = job.find("m")) common.tokens = read_sizes(*value);
  common.layers = linear_layers();
  if (auto value = job.find("layers")) common.layers = read_words(*value, linear_layers());
  if (auto value = job.find("output")) common.output = value->one_of(outputs);
  if (auto value = job.find("bias")) common.bias = value->boolean();
  common.tensor_parallel = tensor_parallel_of(job);

  std::vector<Request> requests;
  for (const Yaml& element : job.require("schemes").list()) {
    Request request = common;
    if (element.is_mapping()) {
      const Record record(element, scheme_keys);
      request.scheme = record.require("scheme").one_of(known_schemes);
      if (auto value = record.find("m")) request.tokens = read_sizes(*value);
      if (auto value = record.find("layers")) request.layers = read_words(*value, linear_layers());
      if (auto value = record.find("output")) request.output = value->one_of(outputs);
    } else {
      request.scheme = element.one_of(known_schemes);
    }
    if (request.tokens.empty()) element.fault("no m: say which numbers of tokens, here or for the whole job");
    requests.push_back(std::move(request));
  }
  return requests;
}

std::vector<AttentionRequest> read_attention(const Record& job, const Yaml& list,
                                             const std::vector<std::string>& known_schemes) {
  std::vector<AttentionRequest> requests;
  for (const Yaml& element : list.list()) {
    const Record record(element, attention_keys);
    AttentionRequest request;
    request.scheme = record.require("scheme").one_of(known_schemes);
    request.batches = read_sizes(record.require("batch"));
    request.contexts = read_sizes(record.require("ctx"));
    request.tensor_parallel = tensor_parallel_of(job);
    if (auto value = record.find("q")) request.q = value->integer(1, most_tokens);
    if (auto value = job.find("output")) request.output = value->one_of(outputs);
    if (auto value = record.find("output")) request.output = value->one_of(outputs);
    requests.push_back(std::move(request));
  }
  return requests;
}

std::vector<std::string> read_targets(const Yaml& value) {
  const auto check = [](const Yaml& element) {
    const std::string target = element.text();
    const bool simulated = target.starts_with("sim:") && target.size() > 4;
    const bool attached = target.starts_with("cuda:") && target.size() > 5 &&
                          target.find_first_not_of("0123456789", 5) == std::string::npos;
    if (target == "auto") element.fault("auto stands for all attached GPUs and alone: write targets: auto");
    if (!simulated && !attached) element.expected("a target (auto, cuda:0 or sim:NAME)");
    return target;
  };
  if (value.is_text() && value.text() == "auto") return {};
  if (value.is_text()) return {check(value)};
  std::vector<std::string> result;
  for (const Yaml& element : value.list()) {
    const std::string target = check(element);
    if (std::ranges::find(result, target) != result.end()) element.fault("\"{}\" comes twice", target);
    result.push_back(target);
  }
  return result;
}

Search read_search(const Yaml& value, std::span<const std::string> strategies) {
  const Record record(value, search_keys);
  Search search;
  if (auto entry = record.find("strategy")) {
    search.strategy = strategies.empty() ? entry->text() : entry->one_of(strategies);
  }
  if (auto entry = record.find("budget")) search.budget = entry->integer(1, int64_t{1} << 40);
  if (auto entry = record.find("minutes")) search.minutes = entry->positive(1e6);
  if (auto entry = record.find("seed")) search.seed = static_cast<uint64_t>(entry->integer(0, INT64_MAX));
  return search;
}

/// A parameter of some family.
std::string read_ablate_each(const Yaml& value, const Families& families) {
  std::vector<std::string> names;
  for (const auto& family : families) {
    for (const Parameter& parameter : family->parameters()) {
      if (std::ranges::find(names, parameter.name) == names.end()) names.push_back(parameter.name);
    }
  }
  return value.one_of(names);
}

Restriction read_restriction(const std::string& family, const Yaml& space) {
  Restriction restriction{family, {}};
  for (const auto& [key, values] : space.entries()) {
    Restriction::Allowed allowed{key.text(), {}, key.at()};
    for (const Yaml& value : values.list()) allowed.values.push_back({value.text(), value.at()});
    restriction.allowed.push_back(std::move(allowed));
  }
  return restriction;
}

std::vector<Restriction> read_spaces(const Yaml& value, const fs::path& folder, const Families& families) {
  std::vector<std::string> names;
  for (const auto& family : families) names.emplace_back(family->name());
  std::vector<Restriction> result;
  for (const auto& [key, space] : value.entries()) {
    const std::string family = key.one_of(names);
    const Yaml body = space.is_text() ? read_config("spaces", space.text(), folder, space.at()) : space;
    result.push_back(read_restriction(family, body));
    const auto place = std::ranges::find(names, family) - names.begin();
    restrict_parameters(families[static_cast<std::size_t>(place)]->parameters(),
                        result.back());  // refuses now, not later
  }
  return result;
}

void add_written_problems(const Yaml& list, const Families& families, Work& work) {
  for (const Yaml& element : list.list()) {
    Yaml text = element;
    double weight = 1;
    if (element.is_mapping()) {
      const Record record(element, problem_keys);
      text = record.require("problem");
      if (auto value = record.find("weight")) weight = value->positive(heaviest);
    }
    try {
      work.add(canonical(Problem::parse(text.text()), families), weight, "job");
    } catch (const Error& error) {
      text.fault("{}", error.what());
    }
  }
}

std::vector<Model> read_models(const Yaml& value, const fs::path& folder) {
  std::vector<Model> models;
  for (const Yaml& element : value.list()) {
    models.push_back(load_model(element.text(), folder, element.at()));
    if (std::ranges::count(models, models.back().name, &Model::name) > 1) {
      element.fault("the model {} comes twice", models.back().name);
    }
  }
  return models;
}

Yaml read_job_file(const fs::path& path) {
  if (const auto text = read_file_if_present(path)) return Yaml::parse(path.string(), *text);
  const Location at{path.string()};
  if (path.has_parent_path() && path.parent_path() != "configs") bad_input_at(at, "no such file");
  const std::string name = path.extension() == ".yaml" ? path.stem().string() : path.filename().string();
  return read_config("", name, path.parent_path(), at);
}

}  // namespace

std::vector<Parameter> Job::parameters(const Family& family) const {
  const auto found = std::ranges::find(restrictions, family.name(), &Restriction::family);
  return found == restrictions.end() ? family.parameters() : restrict_parameters(family.parameters(), *found);
}

Job load_job(const fs::path& path, const Families& families, std::span<const std::string> strategies) {
  const Yaml file = read_job_file(path);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Record record(file, job_keys);

  Job job;
  job.name = record.require("name").text();
  job.text = file.dump();
  if (auto value = record.find("targets")) job.targets = read_targets(*value);
  if (auto value = record.find("search")) job.search = read_search(*value, strategies);
  if (auto value = record.find("ablate_each")) job.ablate_each = read_ablate_each(*value, families);
  if (auto value = record.find("spaces")) job.restrictions = read_spaces(*value, folder, families);

  Work work;
  const auto attention = record.find("attention");
  if (auto value = record.find("models")) {
    job.models = read_models(*value, folder);
    if (!attention || record.find("schemes"))
      expand(job.models, read_schemes(record, schemes_of("gemm", families)), families, work, job.refusals);
    if (attention)
      expand(job.models, read_attention(record, *attention, schemes_of("attention", families)), families, work,
             job.refusals);
  } else if (attention) {
    attention->fault("no models: say whose attention");
  }
  if (auto value = record.find("problems")) add_written_problems(*value, families, work);
  if (!record.find("models") && !record.find("problems")) {
    file.fault("nothing to do: neither \"models\" nor \"problems\" is given");
  }
  job.work = std::move(work).heaviest_first();
  return job;
}

}  // namespace qoq::job
