#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <span>

#include "autotune/cli/command.h"
#include "autotune/cli/reading.h"
#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/tune/target.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/families.h"
#include "roofline/instruction_mix/whole_kernel.h"
#include "roofline/model/model.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("variant", 1);
  options.add_options()("variant", po::value<std::string>()->value_name("ID"),
                        "a variant's id, as reports and databases write it")(
      "gpu", po::value<std::string>()->default_value("sim:h200")->value_name("GPU"),
      "whose architecture to compile for")("problem", po::value<std::string>()->value_name("P"),
                                           "the sizes it is planned for, such as \"gemm w4a8-g128 m=64 n=4096 k=4096\" "
                                           "(default: some of its operator); scheme "
                                           "and output come from the id")(
      "cubin", po::value<std::vector<std::string>>()->multitoken()->value_name("FILE"),
      "instead of a variant: the kernels of cubin files, whoever compiled them");
  declare_cache(options);
  declare_format(options);
}

double warps_of(const Launch& launch) {
  return static_cast<double>(launch.grid.count()) * static_cast<double>((launch.block.count() + 31) / 32);
}

nlohmann::ordered_json kernel_json(const roofline::EntryCode& code) {
  nlohmann::ordered_json loops = nlohmann::json::array();
  for (const roofline::Loop& loop : code.loops)
    loops.push_back({{"begin", loop.begin},
                     {"end", loop.end},
                     {"trips", loop.trips ? nlohmann::json(*loop.trips) : nlohmann::json()},
                     {"main", &loop == code.main()},
                     {"global_bytes", loop.mix.global_bytes},
                     {"shared_bytes", loop.mix.shared_bytes},
                     {"instructions", loop.mix.names}});
  return {{"entry", code.name},
          {"architecture", fmt::format("sm_{}", code.architecture)},
          {"registers", code.registers},
          {"unknown", code.unknown()},
          {"instructions", code.mix.names},
          {"loops", loops}};
}

/// Every file that can be read is shown; a sentence says what is wrong with each other one.
int show_cubins(const std::vector<std::string>& files, bool json) {
  nlohmann::ordered_json all = nlohmann::json::array();
  int refused = 0;
  for (const std::string& file : files) {
    const std::string cubin = read_file(file);
    const roofline::CubinReading reading = roofline::try_read_cubin(std::as_bytes(std::span(cubin)));
    if (!reading.refused.empty()) {
      fmt::print(stderr, "qoqtune: {}: {}\n", file, reading.refused);
      ++refused;
    }
    nlohmann::ordered_json kernels = nlohmann::json::array();
    for (const roofline::EntryCode& code : reading.entries) {
      if (json)
        kernels.push_back(kernel_json(code));
      else
        fmt::print("{}", roofline::describe(code));
    }
    all.push_back({{"file", file}, {"refused", reading.refused}, {"kernels", kernels}});
  }
  if (json) fmt::print("{}\n", all.dump(2));
  return refused == 0 ? 0 : static_cast<int>(Fault::Input);
}

int run(const Options& options) {
  if (options.count("cubin") != 0) {
    if (options.count("variant") != 0) bad_input("inspect shows a variant or cubin files, not both");
    return show_cubins(options["cubin"].as<std::vector<std::string>>(), wants_json(options));
  }
  if (options.count("variant") == 0) bad_input("inspect needs a variant's id, or --cubin FILE");
  const std::string id = options["variant"].as<std::string>();
  const auto [family, point, problem] = read_variant(
      id, options.count("problem") != 0 ? Problem::parse(options["problem"].as<std::string>()) : default_problem(id));
  const tune::Target target = tune::resolve_targets({options["gpu"].as<std::string>()}).front();
  if (const auto why = family->unsupported(point, problem, target.device)) bad_input("{}: {}", id, *why);

  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) fail("inspect compiles the kernel: {}", nvrtc.reason);
  compile::NvrtcCompiler compiler(nvrtc, target.device.architecture(), cache_folder(options), 1);
  const Source source = family->source(point, problem);
  const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
  if (!build.ok) fail("{} does not compile for {}:\n{}", id, target.device.architecture(), build.log);

  const std::string cubin = read_file(build.object);
  const Plan plan = family->plan(point, problem, target.device);
  nlohmann::ordered_json json{{"variant", id},
                              {"architecture", target.device.architecture()},
                              {"problem", problem.text()},
                              {"launches", nlohmann::json::array()}};
  for (const Launch& launch : plan.launches) {
    for (const roofline::EntryCode& code : roofline::read_cubin(std::as_bytes(std::span(cubin)))) {
      if (code.name != launch.entry) continue;
      const compile::EntryResources resources = build.entries.at(launch.entry);
      const roofline::Occupancy occupancy = roofline::occupancy(target.device, code, launch);
      const int64_t spills = resources.spill_store_bytes + resources.spill_load_bytes;
      if (wants_json(options)) {
        nlohmann::ordered_json mix;
        if (const auto* loop = code.main()) mix = loop->mix.names;
        json["launches"].push_back({{"entry", launch.entry},
                                    {"ctas", launch.grid.count()},
                                    {"threads", launch.block.count()},
                                    {"shared_bytes", launch.shared_bytes},
                                    {"registers", resources.registers},
                                    {"spill_bytes", spills},
                                    {"ctas_per_sm", occupancy.blocks_per_sm},
                                    {"occupancy_limiter", occupancy.limiter},
                                    {"main_loop", mix}});
      } else {
        fmt::print(
            "{} on {} ({})\n  {} CTAs × {} threads, {} B shared memory, {} registers, {} B spilled, {} CTAs an SM "
            "(limited by {})\n{}",
            id, target.device.name, target.device.architecture(), launch.grid.count(), launch.block.count(),
            launch.shared_bytes, resources.registers, spills, occupancy.blocks_per_sm, occupancy.limiter,
            roofline::describe(code));
        if (const double mmas = family->traffic(point, problem, target.device).mma_instructions;
            code.main() && mmas > 0)
          fmt::print("{}", roofline::describe(roofline::whole_kernel(code, mmas / warps_of(launch))));
      }
    }
  }
  if (wants_json(options)) fmt::print("{}\n", json.dump(2));
  return 0;
}

}  // namespace

const Command inspect_command{"inspect", "registers, shared memory, occupancy and instruction mix of a variant",
                              "VARIANT", declare, run};

}  // namespace qoq::cli
