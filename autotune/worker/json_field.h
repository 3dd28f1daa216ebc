#pragma once
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/base/error.h"

namespace qoq::worker {

using Json = nlohmann::json;

/// A number as the protocol may carry it. Throws Fault::Work when it is none.
inline double finite(double value, std::string_view name) {
  if (!std::isfinite(value)) fail("{} is {}, which is no number to answer with", name, value);
  return value;
}

inline const Json& field(const Json& object, const char* name) {
  if (!object.is_object()) fail("expected an object with \"{}\", found {}", name, object.type_name());
  const auto found = object.find(name);
  if (found == object.end()) fail("\"{}\" is missing", name);
  return *found;
}

/// A field of an object by the kind of T; a number must fit. Throws Fault::Work with the field's name.
template <class T>
T get(const Json& value, const char* name) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (value.is_string()) return value.get<std::string>();
  } else if constexpr (std::is_same_v<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (value.is_number()) return finite(value.get<double>(), name);
  } else if constexpr (std::is_signed_v<T>) {
    if (value.is_number_integer()) {
      const bool above =
          value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<T>::max());
      const auto number = value.get<int64_t>();
      if (!above && number >= std::numeric_limits<T>::min() && number <= std::numeric_limits<T>::max())
        return static_cast<T>(number);
      fail("\"{}\" is out of range: {}", name, value.dump());
    }
  } else {
    if (value.is_number_unsigned()) return static_cast<T>(value.get<uint64_t>());
  }
  fail("\"{}\" is {}, of another kind than expected", name, value.type_name());
}

template <class T>
void read(const Json& object, const char* name, T& into) {
  into = get<T>(field(object, name), name);
}

template <class T>
void read(const Json& object, const char* name, std::vector<T>& into) {
  const Json& list = field(object, name);
  if (!list.is_array()) fail("\"{}\" is {}, expected a list", name, list.type_name());
  for (const Json& value : list) into.push_back(get<T>(value, name));
}

}  // namespace qoq::worker
