// Writes the made-up reports of sample_store.h into a folder, to be looked at: report_sample OUT_DIR [empty]
#include <filesystem>
#include <iostream>
#include <string_view>

#include "sample_store.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: report_sample OUT_DIR [empty]\n";
    return 2;
  }
  qoq::report::TemporaryStore file;
  auto store = qoq::store::Store::open(file.path(), qoq::store::Mode::ReadWrite);
  qoq::report::Sample sample;
  if (argc < 3 || std::string_view(argv[2]) != "empty") {
    sample = qoq::report::fill_sample(store);
    qoq::report::fill_measured(store);
  }
  qoq::report::write(store, sample.chosen, sample.layouts, argv[1],
                     {.command_line = "qoqtune report --db results/demo/tune.db"});
}
