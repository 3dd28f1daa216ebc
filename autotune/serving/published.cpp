#include "autotune/serving/published.h"

namespace qoq::serving {

namespace {

constexpr Published table[] = {
    {"Llama-3-8B", "a100-80", 256, 1.2}, {"Llama-3-8B", "l40s", 128, 1.4},  {"Llama-2-7B", "a100-80", 190, 0},
    {"Llama-2-7B", "l40s", 128, 0},      {"Mistral-7B", "a100-80", 256, 0}, {"Mistral-7B", "l40s", 128, 0},
    {"Llama-2-13B", "a100-80", 128, 0},  {"Llama-2-13B", "l40s", 75, 0},    {"Llama-30B", "a100-80", 64, 0},
    {"Llama-30B", "l40s", 32, 0},        {"Yi-34B", "a100-80", 196, 0},     {"Yi-34B", "l40s", 64, 0},
    {"Llama-2-70B", "a100-80", 96, 0},   {"Llama-2-70B", "l40s", 24, 0},    {"Qwen1.5-72B", "a100-80", 32, 2.4},
    {"Qwen1.5-72B", "l40s", 4, 3.5},
};

}  // namespace

std::span<const Published> published() { return table; }

const Published* published(std::string_view model, std::string_view gpu) {
  for (const Published& row : table) {
    if (row.model == model && row.gpu == gpu) return &row;
  }
  return nullptr;
}

}  // namespace qoq::serving
