// Writes the made-up reports of sample_store.h into a folder, to be looked at and opened by browser_test.py:
// report_sample OUT_DIR [empty | figures]
#include <filesystem>
#include <iostream>
#include <string_view>

#include "autotune/report/document.h"
#include "kernels/base/file.h"
#include "sample_store.h"

namespace {

using qoq::report::Figure;

/// Every kind of figure that a section may hand in, with what is hard to draw: gaps, hostile text, no bounds.
void write_figures(const std::filesystem::path& folder) {
  qoq::report::Document document{.title = "Figures", .subtitle = "every kind", .blocks = {}};
  const auto text = nlohmann::json::parse(R"([["w8a8, m = 8", "</script> 推"], ["m = 64"], ["m = 256"]])");
  for (const char* scale : {"linear", "log"}) {
    document.add(
        Figure{.id = std::string("bars-") + scale,
               .title = "Bars & <groups>",
               .alt = "Three groups of bars",
               .caption = "Hollow: predicted.",
               .plot = {{"kind", "bars"},
                        {"x", {{"label", "m"}, {"categories", {"8", "64", "a longer name that has to slant"}}}},
                        {"y", {{"label", "overhead, %"}, {"scale", scale}}},
                        {"series",
                         {{{"label", "w8a8"}, {"hollow", false}, {"values", {3.5, nullptr, 12}}, {"text", text}},
                          {{"label", "w4a8-g128"}, {"hollow", true}, {"values", {20, 41.5, 88}}, {"text", text}}}}}});
  }
  document.add(
      Figure{.id = "linear-points",
             .title = "Points on linear axes",
             .alt = "Two series of points",
             .caption = "",
             .plot = {{"x", {{"label", "batch"}, {"scale", "linear"}}},
                      {"y", {{"label", "TOPS"}, {"scale", "linear"}, {"min", 0}}},
                      {"lines", nlohmann::json::array()},
                      {"series",
                       {{{"label", "w4a16"},
                         {"connected", true},
                         {"hollow", false},
                         {"points", {{{"x", 1}, {"y", 4}, {"text", {"one", "two"}}}, {{"x", 78}, {"y", 312}}}}},
                        {{"label", "w8a8"},
                         {"connected", false},
                         {"hollow", true},
                         {"points", {{{"x", 1}, {"y", 2}}, {{"x", 156}, {"y", 624}}}}}}}}});
  qoq::write_file_atomically(folder / "report.html", qoq::report::to_html(document));
  for (const auto& block : document.blocks) {
    const auto& figure = std::get<Figure>(block);
    qoq::write_file_atomically(folder / "figures" / (figure.id + ".svg"), qoq::report::to_svg(figure));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: report_sample OUT_DIR [empty | figures]\n";
    return 2;
  }
  const std::string_view what = argc < 3 ? "" : argv[2];
  if (what == "figures") {
    write_figures(argv[1]);
    return 0;
  }
  qoq::report::TemporaryStore file;
  auto store = qoq::store::Store::open(file.path(), qoq::store::Mode::ReadWrite);
  qoq::report::Sample sample;
  if (what != "empty") {
    sample = qoq::report::fill_sample(store);
    qoq::report::fill_measured(store);
  }
  qoq::report::write(store, sample.chosen, sample.layouts, argv[1],
                     {.command_line = "qoqtune report --db results/demo/tune.db"});
}
