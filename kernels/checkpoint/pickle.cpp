#include "kernels/checkpoint/pickle.h"

#include <unordered_map>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq {

using Kind = PickleValue::Kind;

/// The stack machine that a pickle is a program for.
class PickleMachine {
 public:
  PickleMachine(const std::string& what, std::string_view bytes) : what_(what), bytes_(bytes) {}

  Pickle run() {
    while (!stopped_) step(static_cast<uint8_t>(take(1)[0]));
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const { bad_input("{} at byte {}: {}", what_, at_, why); }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) refuse("the pickle ends in the middle of an operation");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  uint64_t number(size_t width) {
    uint64_t value = 0;
    const std::string_view text = take(width);
    for (size_t i = 0; i < width; ++i) value |= static_cast<uint64_t>(static_cast<uint8_t>(text[i])) << (8 * i);
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) refuse("a line has no end");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  PickleValue& make(Kind kind) {
    PickleValue& value = pickle_.values_.emplace_back();
    value.kind = kind;
    stack_.push_back(&value);
    return value;
  }
  void make_number(int64_t value) { make(Kind::Number).number = value; }
  void make_text(uint64_t length) { make(Kind::Text).text = take(length); }

  /// Values above the last mark may be taken by operations of their own only.
  PickleValue* pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("an operation finds too few values");
    PickleValue* top = stack_.back();
    stack_.pop_back();
    return top;
  }
  PickleValue& top(Kind kind, const char* name) {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("an operation finds too few values");
    if (stack_.back()->kind != kind) refuse(std::string("an operation finds something else than ") + name);
    return *stack_.back();
  }
  std::vector<const PickleValue*> pop_to_mark() {
    if (marks_.empty()) refuse("an operation finds no mark");
    const std::vector<const PickleValue*> values(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()),
                                                 stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return values;
  }
  void make_tuple(size_t count) {
    std::vector<const PickleValue*> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    make(Kind::Tuple).items = std::move(items);
  }
  void add_items(Kind kind, const char* name, const std::vector<const PickleValue*>& items) {
    PickleValue& holder = top(kind, name);
    if (kind == Kind::Dict && items.size() % 2 != 0) refuse("a dictionary's key has no value");
    holder.items.insert(holder.items.end(), items.begin(), items.end());
  }
  std::vector<const PickleValue*> pop_some(size_t count) {
    std::vector<const PickleValue*> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  void remember(uint64_t index) {
    PickleValue* value = pop();
    stack_.push_back(value);
    memo_[index] = value;
  }
  void recall(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse("a value is recalled that was not remembered");
    stack_.push_back(found->second);
  }

  void call() {
    const PickleValue* arguments = pop();
    const PickleValue* callee = pop();
    if (callee->kind != Kind::Global || arguments->kind != Kind::Tuple) refuse("a call of something else than a name");
    if (callee->text == "collections OrderedDict" && arguments->items.empty()) {
      make(Kind::Dict);
    } else {
      make(Kind::Call).items = {callee, arguments};
    }
  }
  void build() {
    pop();
    top(Kind::Dict, "a dictionary");  // its attributes, torch's _metadata, say nothing of tensors
  }
  void make_global(std::string_view module, std::string_view name) {
    make(Kind::Global).text = std::string(module) + " " + std::string(name);
  }
  void global_of_stack() {
    const PickleValue* name = pop();
    const PickleValue* module = pop();
    if (name->kind != Kind::Text || module->kind != Kind::Text) refuse("a name that is no text");
    make_global(module->text, name->text);
  }
  void stop() {
    pickle_.value_ = pop();
    stopped_ = true;
  }
  /// Two's complement of as many bytes as it says, eight at most.
  void make_long(uint64_t width) {
    if (width > 8) refuse("a number of more than 64 bits");
    uint64_t value = number(width);
    if (width > 0 && width < 8 && (value >> (8 * width - 1)) != 0) value |= ~uint64_t{0} << (8 * width);
    make_number(static_cast<int64_t>(value));
  }

  void step(uint8_t code) {
    if (make_constant(code) || fill(code) || handle_objects(code)) return;
    refuse(fmt::format("operation {:#04x} is none that a dictionary of tensors takes", code));
  }
  /// Operations that push something new.
  bool make_constant(uint8_t code) {
    switch (code) {
      case 0x80:
        take(1);
        return true;  // PROTO
      case 0x95:
        take(8);
        return true;  // FRAME
      case '}':
        make(Kind::Dict);
        return true;
      case ']':
      case ')':
        make(Kind::Tuple);
        return true;
      case 'N':
        make(Kind::None);
        return true;
      case 0x88:
        make_number(1);
        return true;
      case 0x89:
        make_number(0);
        return true;
      case 'J':
        make_number(static_cast<int32_t>(number(4)));
        return true;
      case 'K':
        make_number(static_cast<int64_t>(number(1)));
        return true;
      case 'M':
        make_number(static_cast<int64_t>(number(2)));
        return true;
      case 0x8a:
        make_long(number(1));
        return true;
      case 'G':
        take(8);
        make(Kind::None);
        return true;  // BINFLOAT: no tensor's property is one
      case 'X':
        make_text(number(4));
        return true;
      case 0x8c:
        make_text(number(1));
        return true;
      case 0x8d:
        make_text(number(8));
        return true;
      case 'c': {
        const std::string_view module = line();
        make_global(module, line());
        return true;
      }
      default:
        return false;
    }
  }
  /// Operations that fill tuples, lists, dictionaries and the memory.
  bool fill(uint8_t code) {
    switch (code) {
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case 't': {
        auto items = pop_to_mark();
        make(Kind::Tuple).items = std::move(items);
        return true;
      }
      case 0x85:
      case 0x86:
      case 0x87:
        make_tuple(code - 0x84u);
        return true;
      case 's':
        add_items(Kind::Dict, "a dictionary", pop_some(2));
        return true;
      case 'u':
        add_items(Kind::Dict, "a dictionary", pop_to_mark());
        return true;
      case 'a':
        add_items(Kind::Tuple, "a list", pop_some(1));
        return true;
      case 'e':
        add_items(Kind::Tuple, "a list", pop_to_mark());
        return true;
      case 'q':
        remember(number(1));
        return true;
      case 'r':
        remember(number(4));
        return true;
      case 0x94:
        remember(memo_.size());
        return true;
      case 'h':
        recall(number(1));
        return true;
      case 'j':
        recall(number(4));
        return true;
      default:
        return false;
    }
  }
  bool handle_objects(uint8_t code) {
    switch (code) {
      case 'Q': {
        const PickleValue* id = pop();
        make(Kind::Outside).items = {id};
        return true;
      }
      case 'R':
        call();
        return true;
      case 'b':
        build();
        return true;
      case 0x93:
        global_of_stack();
        return true;
      case '.':
        stop();
        return true;
      default:
        return false;
    }
  }

  const std::string& what_;
  std::string_view bytes_;
  size_t at_ = 0;
  bool stopped_ = false;
  Pickle pickle_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleValue*> memo_;
};

Pickle Pickle::read(const std::string& what, std::string_view bytes) { return PickleMachine(what, bytes).run(); }

}  // namespace qoq
