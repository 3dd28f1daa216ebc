// What chosen kernels make of whole models: throughput and dollars per million tokens, beside the published ratios.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "autotune/job/model.h"
#include "autotune/report/sections.h"
#include "autotune/report/text.h"
#include "autotune/serving/print.h"
#include "autotune/serving/rows.h"

namespace qoq::report {
namespace {

constexpr const char* models[] = {"llama-3-8b", "llama-2-7b", "mistral-7b",  "llama-2-13b",
                                  "llama-30b",  "yi-34b",     "llama-2-70b", "qwen1.5-72b"};

/// A model on a GPU, and its comparison where there is one.
struct Served {
  serving::ModelOnGpu on;
  std::optional<serving::Comparison> comparison;
};

/// What one GPU's chosen kernels serve.
struct ServedGpu {
  const GpuFacts* gpu = nullptr;
  std::vector<Served> models;
  std::string reason;  ///< why it serves nothing
};

roofline::KernelTimes times_of(const GpuFacts& gpu) {
  roofline::KernelTimes times;
  for (const ProblemFacts& facts : gpu.problems) {
    if (facts.timed()) serving::add_time(times, facts.problem.text, *facts.chosen->median_us, facts.chosen->source);
  }
  return times;
}

ServedGpu serve_gpu(const GpuFacts& gpu, const serving::Prices& prices) {
  ServedGpu result{&gpu, {}, ""};
  const auto sheet = serving::sheet_of(gpu.row.environment);
  if (!sheet) {
    result.reason = "it has no sheet, so that its bandwidth and fp16 rate are not known";
    return result;
  }
  if (!prices.gpus.contains(sheet->id)) {
    result.reason = fmt::format("{} has no price and memory size for {}", prices.file, sheet->id);
    return result;
  }
  const roofline::KernelTimes times = times_of(gpu);
  for (const char* name : models) {
    const roofline::ModelShape model = serving::shape_of(job::shipped_model(name));
    Served served{serving::serve_all(model, *sheet, prices.of(sheet->id), times), std::nullopt};
    if (served.on.best(true)) result.models.push_back(std::move(served));  // else there are no kernels of ours for it
  }
  // compare() points into `on`, which has moved: make the comparisons where the models have come to rest.
  for (Served& served : result.models) served.comparison = serving::compare(served.on, *sheet, times);
  if (result.models.empty()) result.reason = "the database does not hold a whole model's kernels for it";
  return result;
}

Cell rate_cell(const roofline::Serving* serving) {
  if (!serving) return {.text = "—"};
  return {.text = count_text(std::llround(serving->tokens_per_s)),
          .note = fmt::format("{}, batch {}", serving->scheme.name, serving->batch),
          .hover = serving::caveat(*serving),
          .number = serving->tokens_per_s};
}

Cell dollar_cell(const roofline::Serving* serving) {
  if (!serving || !serving->dollars_per_million) return {.text = "—"};
  return {.text = fmt::format("{:.3f}", *serving->dollars_per_million), .number = *serving->dollars_per_million};
}

std::vector<Cell> make_row(const Served& served) {
  const roofline::Serving *ours = served.on.best(true), *other = served.on.best(false);
  std::set<roofline::Basis> bases = ours->bases();
  if (other) bases.merge(other->bases());
  const serving::Published* published = serving::published(served.on.model.name, served.on.gpu);
  const bool has_ratio = published && published->ratio > 0;
  std::string equal;
  if (served.comparison && served.comparison->at_equal_batch)
    equal = fmt::format("{} at the other's batch", ratio_text(*served.comparison->at_equal_batch));
  return {{.text = served.on.model.name},
          {.text = served.on.product},
          {.text = roofline::text(bases), .style = Cell::Style::Badge},
          rate_cell(ours),
          rate_cell(other),
          served.comparison
              ? Cell{.text = ratio_text(served.comparison->ratio), .note = equal, .number = served.comparison->ratio}
              : Cell{.text = "—"},
          {.text = has_ratio ? ratio_text(published->ratio) : "—",
           .note = published ? fmt::format("batch {}", published->batch) : ""},
          dollar_cell(ours),
          dollar_cell(other)};
}

Table make_table(const std::vector<ServedGpu>& gpus) {
  Table table;
  table.columns = {
      {"model", false, ""},
      {"GPU", false, ""},
      {"times", false, "what they rest on; estimated: no kernel of ours does it, roofline at 80 %"},
      {"ours, tokens/s", true, "generated tokens of the best W4A8 KV4 scheme, prefill included"},
      {"best other, tokens/s", true, "of fp16, W8A8 KV8, W4A16 KV16 or KV8, with our kernels of these schemes"},
      {"ratio", true, "ours / best other; below: with ours held to the other's batch"},
      {"published", true, "QServe over the best mode of TensorRT-LLM, measured; below: sequences at once"},
      {"ours, $/Mtoken", true, "dollars per million generated tokens"},
      {"other, $/Mtoken", true, ""}};
  for (const ServedGpu& gpu : gpus) {
    for (const Served& served : gpu.models) table.rows.push_back(make_row(served));
  }
  return table;
}

void add_explanations(const std::vector<ServedGpu>& gpus, Document& document) {
  for (const ServedGpu& gpu : gpus) {
    for (const Served& served : gpu.models) {
      const bool published =
          served.comparison && served.comparison->published && served.comparison->published->ratio > 0;
      if (!published) continue;
      document.add(Paragraph{
          fmt::format("{} on {}: {}", served.on.model.name, gpu.gpu->name(), serving::explain(*served.comparison))});
    }
  }
}

/// The published claim "3× cheaper": ours on the L40S against the others on the A100.
void add_cheaper(const std::vector<ServedGpu>& gpus, Document& document) {
  std::map<std::string, const roofline::Serving*> ours, others;
  for (const ServedGpu& gpu : gpus) {
    for (const Served& served : gpu.models) {
      if (served.on.gpu == "l40s") ours[served.on.model.name] = served.on.best(true);
      if (served.on.gpu == "a100-80") others[served.on.model.name] = served.on.best(false);
    }
  }
  Table table;
  table.title =
      fmt::format("Published: {:.0f}× cheaper on an L40S than the others on an A100", serving::published_cheaper);
  table.columns = {{"model", false, ""},
                   {"ours on L40S, $/Mtoken", true, ""},
                   {"best other on A100-80, $/Mtoken", true, ""},
                   {"cheaper", true, "the second over the first"}};
  for (const auto& [model, our] : ours) {
    const auto found = others.find(model);
    const roofline::Serving* other = found == others.end() ? nullptr : found->second;
    if (!our || !other || !our->dollars_per_million || !other->dollars_per_million) continue;
    const double ratio = *other->dollars_per_million / *our->dollars_per_million;
    table.rows.push_back(
        {{.text = model}, dollar_cell(our), dollar_cell(other), {.text = ratio_text(ratio), .number = ratio}});
  }
  if (!table.rows.empty()) document.add(std::move(table));
}

std::string price_text(const serving::Prices& prices) {
  std::string text;
  for (const auto& [gpu, price] : prices.gpus) {
    text += fmt::format("{}{} ${:.2f} an hour with {} GiB ({}{}: {})", text.empty() ? "" : "; ", gpu,
                        price.dollars_per_hour, price.memory_gib, price.date, price.assumed ? ", assumed" : "",
                        price.source);
  }
  return text;
}

}  // namespace

void add_serving(const Facts& facts, Document& document) {
  const serving::Prices prices = serving::load_prices();  // no file of this folder: equal stores give equal reports
  std::vector<ServedGpu> gpus;
  for (const GpuFacts& gpu : facts.gpus) gpus.push_back(serve_gpu(gpu, prices));
  const bool any = std::ranges::any_of(gpus, [](const ServedGpu& gpu) { return !gpu.models.empty(); });
  if (!any) return;  // a job of single kernels is no model
  document.add(Heading{2, "Serving whole models", "serving", ""});
  document.add(Paragraph{
      "1024 tokens in, 512 out, on one GPU. A decode step is the layers' GEMMs at m = batch, attention at a mean "
      "context of "
      "1280, small operators, and the lm_head; prefill runs between steps. The other schemes run our kernels of their "
      "format, not TensorRT-LLM's; fp16, lm_head, prefill attention and small operators are estimated by the roofline "
      "at "
      "80 % of the listed rates. 90 % of the memory is used; at most 256 sequences run at once."});
  document.add(make_table(gpus));
  add_explanations(gpus, document);
  add_cheaper(gpus, document);
  document.add(Paragraph{fmt::format("Prices: {}. Another file: qoqtune serving --prices FILE.", price_text(prices))});
  std::string all;
  for (const ServedGpu& gpu : gpus) {
    if (!gpu.reason.empty()) document.add(Paragraph{fmt::format("{}: not served: {}.", gpu.gpu->name(), gpu.reason)});
    for (const Served& served : gpu.models)
      all += fmt::format("{}{}", all.empty() ? "" : "\n", serving::to_text(served.on));
  }
  document.add(Listing{"Every scheme of every model", all});
}

}  // namespace qoq::report
