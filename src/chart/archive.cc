#include "chart/archive.h"

#include <zlib.h>

#include "util/strings.h"

namespace fairlead::chart {
namespace {

Error Refused(const std::string& message) { return MakeError(Code::kInvalid, message); }

std::string Field(const char* header, size_t at, size_t size) {
  std::string s(header + at, size);
  return s.substr(0, s.find('\0'));
}

// Octal text, or base 256 where the first byte says so.
size_t Number(const char* header, size_t at, size_t size) {
  size_t n = 0;
  if (header[at] & 0x80) {
    for (size_t i = 1; i < size; ++i) n = n << 8 | static_cast<unsigned char>(header[at + i]);
    return n;
  }
  for (char c : Field(header, at, size))
    if (c >= '0' && c <= '7') n = n * 8 + static_cast<size_t>(c - '0');
  return n;
}

// "27 path=some/long/name\n" of an extended header.
std::string PathOf(const std::string& extended) {
  for (size_t at = 0; at < extended.size();) {
    size_t length = static_cast<size_t>(atoll(extended.c_str() + at));
    size_t space = extended.find(' ', at);
    if (length == 0 || length > extended.size() - at || space == extended.npos || space >= at + length) break;
    std::string record = extended.substr(space + 1, at + length - space - 2);
    if (record.starts_with("path=")) return record.substr(5);
    at += length;
  }
  return "";
}

// The path within the archive's folder.
Result<std::string> Inner(const std::string& name) {
  char separator = name.find('\\') != name.npos ? '\\' : '/';
  auto parts = Split(name, separator);
  if (parts[0] == "Chart.yaml") return Refused("chart yaml not in base directory");
  if (parts.size() > 1 && parts[1].empty() && parts.size() > 2) return Refused("chart illegally contains absolute paths");
  std::vector<std::string> clean;
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].empty() || parts[i] == ".") continue;
    if (parts[i] == "..") {
      if (clean.empty()) return Refused("chart illegally references parent directory");
      clean.pop_back();
    } else {
      clean.push_back(parts[i]);
    }
  }
  if (clean.empty()) return Refused("chart illegally contains content outside the base directory: \"" + name + "\"");
  if (clean[0].size() == 2 && isalpha(static_cast<unsigned char>(clean[0][0])) && clean[0][1] == ':')
    return Refused("chart contains illegally named files");
  return Join(clean, "/");
}

}  // namespace

Result<std::string> Gunzip(const std::string& bytes) {
  z_stream z{};
  if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) return Refused("gzip: cannot start");
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::vector<char> buffer(1 << 16);
  int rc = Z_OK;
  while (rc == Z_OK) {
    z.next_out = reinterpret_cast<Bytef*>(buffer.data());
    z.avail_out = static_cast<uInt>(buffer.size());
    rc = inflate(&z, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - z.avail_out);
    if (out.size() > kMaxChartBytes + (16u << 20)) {
      inflateEnd(&z);
      return Refused("decompressed chart is larger than the maximum file size " + std::to_string(kMaxChartBytes));
    }
    if (rc == Z_OK && z.avail_in == 0 && z.avail_out != 0) break;  // it ends in the middle
  }
  inflateEnd(&z);
  if (rc != Z_STREAM_END)
    return Refused(rc == Z_DATA_ERROR && out.empty() ? "gzip: invalid header" : "gzip: unexpected end or damaged data");
  return out;
}

Result<Files> ReadArchive(const std::string& bytes) {
  FL_ASSIGN(std::string tar, Gunzip(bytes));
  Files out;
  size_t total = 0;
  std::string long_name;
  for (size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    const char* header = tar.data() + at;
    size_t size = Number(header, 124, 12);
    at += 512;
    if (size > tar.size() - at) return Refused("the archive ends within a file");
    std::string name = Field(header, 0, 100), prefix = Field(header, 345, 155);
    if (!prefix.empty() && Field(header, 257, 5) == "ustar") name = prefix + "/" + name;
    if (!long_name.empty()) name = std::exchange(long_name, "");
    std::string content = tar.substr(at, size);
    at += (size + 511) / 512 * 512;
    char type = header[156];
    if (type == 'x') {
      long_name = PathOf(content);
    } else if (type == 'L') {
      long_name = content.substr(0, content.find('\0'));
    } else if ((type == '0' || type == '\0') && !name.ends_with('/')) {
      FL_ASSIGN(std::string inner, Inner(name));
      if (size > kMaxFileBytes)
        return Refused("decompressed chart file \"" + name + "\" is larger than the maximum file size " +
                    std::to_string(kMaxFileBytes));
      total += size;
      if (total > kMaxChartBytes)
        return Refused("decompressed chart is larger than the maximum file size " + std::to_string(kMaxChartBytes));
      if (content.starts_with("\xef\xbb\xbf")) content.erase(0, 3);
      out[inner] = std::move(content);
    }
  }
  if (out.empty()) return Refused("no files in chart archive");
  return out;
}

}  // namespace fairlead::chart
