#include "autotune/report/report.h"

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
  if (!options.redact) return {to_html(document), to_markdown(document), to_csv(environments, candidates, nullptr)};

  std::vector<Redactor::Secret> secrets = host_names();
  for (const auto& row : environments) secrets.push_back({row.environment.uuid, "[uuid]"});
  secrets.push_back({store.path().string(), "[path]"});
  Redactor redactor(std::move(secrets));
  redactor.apply(document);
  return {to_html(document), to_markdown(document), to_csv(environments, candidates, &redactor)};
}

void write(const store::Store& store, const std::vector<Chosen>& chosen, const std::vector<LayoutChoice>& layouts,
           const std::filesystem::path& folder, const Options& options) {
  Files files = render(store, chosen, layouts, options);
  write_file_atomically(folder / "report.html", files.html);
  write_file_atomically(folder / "report.md", files.markdown);
  write_file_atomically(folder / "candidates.csv", files.csv);
}

}  // namespace qoq::report
