#include "autotune/report/ceilings.h"

#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace qoq::report {
namespace {

using Kind = roofline::Ceiling::Kind;

Kind kind_from_text(const std::string& text) {
  if (text == "memory") return Kind::Memory;
  if (text == "tensor") return Kind::Tensor;
  if (text == "cuda_core") return Kind::CudaCore;
  bad_input("ceilings: kind '{}' is none of memory, tensor, cuda_core", text);
}

}  // namespace

std::vector<roofline::Ceiling> ceilings_from_json(std::string_view text) {
  std::vector<roofline::Ceiling> ceilings;
  try {
    auto json = nlohmann::json::parse(text);
    if (!json.contains("ceilings")) return ceilings;
    for (const auto& item : json.at("ceilings")) {
      ceilings.push_back({kind_from_text(item.at("kind").get<std::string>()), item.at("name").get<std::string>(),
                          item.at("value").get<double>(), item.at("source").get<std::string>()});
    }
  } catch (const nlohmann::json::exception& error) {
    bad_input("ceilings: {}", error.what());
  }
  return ceilings;
}

}  // namespace qoq::report
