#include "autotune/report/report.h"

#include <optional>

#include "autotune/report/csv.h"
#include "autotune/report/facts.h"
#include "autotune/report/redact.h"
#include "autotune/report/sections.h"
#include "kernels/base/file.h"

namespace qoq::report {

Files render(const store::Store& store, const std::vector<Chosen>& chosen, const std::vector<LayoutChoice>& layouts,
             const Options& options) {
  auto environments = store.environments();
  Candidates candidates;
  for (const auto& row : environments) candidates[row.id] = store.candidates({.environment = row.id});
  Document document = make_document(collect_facts(store, candidates, chosen, layouts, options));
  std::optional<Redactor> redactor;
  if (options.redact) {
    std::vector<Redactor::Secret> secrets = host_names();
    for (const auto& row : environments) secrets.push_back({row.environment.uuid, "[uuid]"});
    secrets.push_back({store.path().string(), "[path]"});
    redactor.emplace(std::move(secrets));
    redactor->apply(document);
  }
  Files files{to_html(document), to_markdown(document),
              to_csv(environments, candidates, redactor ? &*redactor : nullptr)};
  for (const Block& block : document.blocks) {
    if (const auto* figure = std::get_if<Figure>(&block))
      files.figures.emplace_back(figure->id + ".svg", to_svg(*figure));
  }
  return files;
}

void write(const store::Store& store, const std::vector<Chosen>& chosen, const std::vector<LayoutChoice>& layouts,
           const std::filesystem::path& folder, const Options& options) {
  Files files = render(store, chosen, layouts, options);
  write_file_atomically(folder / "report.html", files.html);
  for (const auto& [name, picture] : files.figures) write_file_atomically(folder / "figures" / name, picture);
  write_file_atomically(folder / "report.md", files.markdown);
  write_file_atomically(folder / "candidates.csv", files.csv);
}

}  // namespace qoq::report
