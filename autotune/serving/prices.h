#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "roofline/serving/serving.h"

namespace qoq::serving {

/// A GPU as somebody rents it out, from the program's configs/prices/gpus.yaml or a user's file.
struct Price {
  double memory_gib = 0;  ///< 2^30 bytes, as the driver reports it
  double dollars_per_hour = 0;
  std::string date;    ///< "2026-03"
  std::string source;  ///< who says so
  bool assumed = false;

  roofline::Offer offer() const { return {memory_gib * 1073741824, dollars_per_hour}; }
};

/// By the GPU sheet's id.
struct Prices {
  std::string file;
  std::map<std::string, Price> gpus;

  /// Throws Fault::Input when there is none, with those there are.
  const Price& of(const std::string& gpu) const;
};

/// Reads a price file; empty: the program's own copy of configs/prices/gpus.yaml. Throws Fault::Input with file, line
/// and column.
Prices load_prices(const std::filesystem::path& path = {});

}  // namespace qoq::serving
