#include "kernels/llama/config.h"

namespace qoq::llama {

std::string family_name(Family family) {
  switch (family) {
    case Family::Llama:
      return "llama";
    case Family::Mistral:
      return "mistral";
    case Family::Qwen2:
      return "qwen2";
    case Family::Qwen3:
      return "qwen3";
  }
  return "";
}

std::optional<Family> find_family(std::string_view name) {
  for (const Family family : {Family::Llama, Family::Mistral, Family::Qwen2, Family::Qwen3}) {
    if (family_name(family) == name) return family;
  }
  return std::nullopt;
}

}  // namespace qoq::llama
