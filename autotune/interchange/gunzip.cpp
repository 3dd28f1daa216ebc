#include "autotune/interchange/gunzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "kernels/base/error.h"

namespace qoq::interchange {

namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

/// zlib's state, let go at the end.
class Inflater {
 public:
  Inflater() {
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (::inflateInit2(&stream, gzip_only) != Z_OK) fail("zlib cannot start: out of memory");
  }
  ~Inflater() { ::inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream stream{};
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzip(std::string_view bytes, const std::string& file, size_t most_bytes) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  // zlib's pointer is not to const, but it only reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  size_t given = 0;
  std::string text;
  for (;;) {
    if (stream.avail_in == 0) {
      stream.avail_in = static_cast<uInt>(std::min<size_t>(bytes.size() - given, std::numeric_limits<uInt>::max() / 2));
      given += stream.avail_in;
    }
    const size_t had = text.size();
    text.resize(had + kPieceBytes);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + had);
    stream.avail_out = static_cast<uInt>(kPieceBytes);
    const int state = ::inflate(&stream, Z_NO_FLUSH);
    text.resize(had + kPieceBytes - stream.avail_out);
    const size_t offset = given - stream.avail_in;
    if (text.size() > most_bytes) bad_input("{}: unpacks to more than {} MiB", file, most_bytes >> 20);
    if (state == Z_STREAM_END) {
      if (offset == bytes.size()) return text;
      if (::inflateReset(&stream) != Z_OK) fail("zlib cannot start again");
    } else if (state == Z_BUF_ERROR || (state == Z_OK && offset == bytes.size() && stream.avail_out != 0)) {
      bad_input("{}: the gzip data end too early, after byte {}", file, offset);
    } else if (state != Z_OK) {
      bad_input("{}: byte {} of the gzip data: {}", file, offset, stream.msg != nullptr ? stream.msg : "damaged");
    }
  }
}

}  // namespace qoq::interchange
