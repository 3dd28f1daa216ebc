#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace qoq {

/// What a pickle's program built, as data: nothing of it is ever called.
struct PickleValue {
  enum class Kind {
    None,
    Number,   ///< `number`; True and False too
    Text,     ///< `text`
    Tuple,    ///< `items`; lists too
    Dict,     ///< `items`: key, value, key, value …
    Global,   ///< `text`: "module name", a Python object told by its name
    Call,     ///< `items`: a Global, and the Tuple that it would be called with
    Outside,  ///< `items`: one value, the persistent id of something outside the pickle
  };
  Kind kind = Kind::None;
  int64_t number = 0;
  std::string text;
  std::vector<const PickleValue*> items;
};

/// A pickle's value and everything in it, which may hold itself.
class Pickle {
 public:
  /// Reads the operations of protocols 2 to 5 that dictionaries, tuples, numbers, texts and calls take (CPython's
  /// Lib/pickletools.py). A call of collections.OrderedDict is its dictionary, what BUILD adds to one is dropped; other
  /// calls stay calls. `what` opens every message. Throws Fault::Input for other operations and for bytes that are no
  /// program.
  static Pickle read(const std::string& what, std::string_view bytes);
  const PickleValue& value() const { return *value_; }

 private:
  friend class PickleMachine;
  std::deque<PickleValue> values_;  ///< all of them: they lie here, whoever points to them
  const PickleValue* value_ = nullptr;
};

}  // namespace qoq
