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

}  // namespace qoq::llama
