#include "autotune/cli/command.h"
#include "autotune/worker/open_gpu.h"
#include "autotune/worker/server.h"
#include "kernels/base/error.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("gpu", po::value<std::string>()->required()->value_name("cuda:N|recorded:FILE.json"),
                        "the GPU that this process owns")("in", po::value<int>()->required()->value_name("FD"),
                                                          "an open descriptor on which it is asked")(
      "out", po::value<int>()->required()->value_name("FD"), "and one on which it answers; may be the same");
  declare_cache(options);
}

int run(const Options& options) {
  const int in = options["in"].as<int>(), out = options["out"].as<int>();
  for (const int each : {in, out}) {
    if (each < 3) bad_input("descriptor {} is standard input or output; start this through qoqtune tune", each);
  }
  const auto target = options["gpu"].as<std::string>();
  return static_cast<int>(worker::run_child([&] { return worker::open_gpu(target, cache_folder(options)); }, in, out));
}

}  // namespace

const Command worker_command{
    "worker", "owns a GPU for another qoqtune, which starts it, asks it and restarts it when a kernel takes it down",
    "",       declare,
    run,      true};

}  // namespace qoq::cli
