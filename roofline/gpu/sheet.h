#pragma once
#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "roofline/gpu/gpu.h"

namespace qoq::roofline {

/// A YAML mapping of a sheet, read strictly: what is not asked for is an error, and every message has its place.
/// All functions throw Fault::Input with file:line:column.
class Sheet {
 public:
  Sheet(YAML::Node node, std::string file, std::string path = "");
  static Sheet parse(std::string_view yaml, const std::string& file);

  bool has(const std::string& key) const;
  std::string text(const std::string& key) const;
  Sheet child(const std::string& key) const;
  std::vector<std::string> keys() const;
  /// {value: 4800, unit: GB/s, datasheet: "NVIDIA H200"}: the unit must be this one, the value within the bounds.
  Rate rate(const std::string& key, const std::string& unit, double low, double high) const;
  /// Throws for keys not in the list, and for keys given twice.
  void allow_only(const std::vector<std::string>& known) const;
  [[noreturn]] void complain(const std::string& key, const std::string& sentence) const;

 private:
  YAML::Node get(const std::string& key) const;

  YAML::Node node_;
  std::string file_, path_;
};

}  // namespace qoq::roofline
