#include "autotune/report/ceilings.h"

#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace qoq::report {
namespace {

using Kind = roofline::Ceiling::Kind;

constexpr std::pair<Kind, std::string_view> kKinds[] = {
    {Kind::Memory, "memory"}, {Kind::Tensor, "tensor"}, {Kind::CudaCore, "cuda_core"}};

Kind kind_from_text(const std::string& text) {
  for (auto [kind, name] : kKinds) {
    if (name == text) return kind;
  }
  bad_input("ceilings: kind '{}' is none of memory, tensor, cuda_core", text);
}

}  // namespace

std::string ceilings_to_json(std::span<const roofline::Ceiling> ceilings) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& ceiling : ceilings) {
    std::string_view kind;
    for (auto [value, name] : kKinds) {
      if (value == ceiling.kind) kind = name;
    }
    list.push_back({{"name", ceiling.name}, {"kind", kind}, {"value", ceiling.value}, {"source", ceiling.source}});
  }
  return nlohmann::ordered_json{{"ceilings", list}}.dump();
}

std::vector<roofline::Ceiling> ceilings_from_json(std::string_view text) {
  std::vector<roofline::Ceiling> ceilings;
  try {
    auto json = nlohmann::json::parse(text);
    if (!json.contains("ceilings")) return ceilings;
    for (const auto& item : json.at("ceilings")) {
      ceilings.push_back({item.at("name").get<std::string>(), kind_from_text(item.at("kind").get<std::string>()),
                          item.at("value").get<double>(), item.at("source").get<std::string>()});
    }
  } catch (const nlohmann::json::exception& error) {
    bad_input("ceilings: {}", error.what());
  }
  return ceilings;
}

}  // namespace qoq::report
