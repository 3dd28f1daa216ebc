#include "kernels/runtime/driver.h"

#include <fmt/format.h>

#include "kernels/base/error.h"
#include "kernels/runtime/library.h"

namespace qoq::runtime {

#ifdef QOQ_HAS_CUDA_HEADERS

namespace {

// Two levels, so that cuda.h's renaming happens before the name becomes a string; one level would look up the old
// binary interface under the new type.
#define QOQ_TEXT_OF(name) #name
#define QOQ_TEXT(name) QOQ_TEXT_OF(name)

Driver load_driver() {
  Driver driver;
  const std::string names[] = {"libcuda.so.1"};
  // On purpose never destroyed: the driver's own threads and exit handlers outlive main.
  static const Library& library = *new Library(Library::open(names));
  if (!library) {
    driver.lack = Driver::Lack::Library;
    driver.reason = "no CUDA driver: " + library.reason();
    return driver;
  }
#define QOQ_LOAD(name)                                                                        \
  driver.name = library.find_as<decltype(driver.name)>(QOQ_TEXT(name));                       \
  if (driver.name == nullptr) {                                                               \
    driver.lack = Driver::Lack::Function;                                                     \
    driver.reason = "no CUDA driver: the installed one is too old, it lacks " QOQ_TEXT(name); \
    return driver;                                                                            \
  }
  QOQ_DRIVER_FUNCTIONS(QOQ_LOAD)
#undef QOQ_LOAD

  const CUresult result = driver.cuInit(0);
  if (result == CUDA_ERROR_STUB_LIBRARY) {
    driver.lack = Driver::Lack::RealDriver;
    driver.reason = "no CUDA driver: libcuda.so.1 is the toolkit's stub, not a driver";
  } else if (result != CUDA_SUCCESS) {
    driver.lack = Driver::Lack::Start;
    driver.start_error = static_cast<int>(result);
    driver.reason = fmt::format("no CUDA driver: cuInit failed: {}", driver.describe(result));
  } else {
    driver.cuDriverGetVersion(&driver.version);
    driver.available = true;
  }
  return driver;
}

}  // namespace

std::string Driver::describe(CUresult result) const {
  const char* text = nullptr;
  if (cuGetErrorString == nullptr || cuGetErrorString(result, &text) != CUDA_SUCCESS || text == nullptr) {
    text = "unknown error";
  }
  return fmt::format("{} (CUDA error {})", text, static_cast<int>(result));
}

void Driver::check(CUresult result, const char* what) const {
  if (result != CUDA_SUCCESS) fail("{}: {}", what, describe(result));
}

#else

namespace {

Driver load_driver() {
  Driver driver;
  driver.lack = Driver::Lack::Headers;
  driver.reason = "no CUDA driver: this program was built without CUDA headers";
  return driver;
}

}  // namespace

#endif

const Driver& Driver::get() {
  static const Driver driver = load_driver();
  return driver;
}

}  // namespace qoq::runtime
