#include "kernels/quantize/settings.h"

#include <fmt/format.h>

namespace qoq::quantize {

namespace {
constexpr int arithmetic_version = 1;
}

std::string settings_text(const Settings& settings) {
  return fmt::format("{} {} {} {} {}", arithmetic_version, settings.scheme.name, rule_name(settings.rule),
                     layout_name(settings.layout), transform::write_recipe(settings.recipe));
}

}  // namespace qoq::quantize
