#include "util/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "util/exec_lock.h"
#include "util/fd.h"

namespace fairlead {
namespace fs = std::filesystem;

Result<std::string> ReadFile(const std::string& path, size_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError("reading " + path, errno);
  std::string out;
  char buf[65536];
  while (true) {
    ssize_t n = ::read(fd.get(), buf, sizeof buf);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("reading " + path, errno);
    if (n == 0) return out;
    out.append(buf, static_cast<size_t>(n));
    if (out.size() > limit)
      return MakeError(Code::kInvalid,
                       "reading " + path + ": larger than the limit of " + std::to_string(limit) + " bytes");
  }
}

Status WriteFileAtomic(const std::string& path, std::string_view content, unsigned mode) {
  std::string tmp = path + ".tmp.XXXXXX";
  std::unique_lock alone(g_exec_lock, std::defer_lock);
  if (mode & 0111) alone.lock();
  UniqueFd fd(::mkostemp(tmp.data(), O_CLOEXEC));
  if (!fd.valid()) return ErrnoError("writing " + path, errno);
  auto fail = [&](const char* step) {
    Error e = ErrnoError("writing " + path + " (" + step + ")", errno);
    ::unlink(tmp.c_str());
    return e;
  };
  while (!content.empty()) {
    ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("write");
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (::fchmod(fd.get(), mode) != 0) return fail("chmod");
  if (::fsync(fd.get()) != 0) return fail("sync");
  fd.reset();  // before the file gets its name: an executable that is still open for writing cannot be run (ETXTBSY)
  if (::rename(tmp.c_str(), path.c_str()) != 0) return fail("rename");
  return {};
}

Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoError("removing " + path, errno);
  return {};
}

Status MakeDirectories(const std::string& path, unsigned mode) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return {};
  if (fs::path parent = fs::path(path).parent_path(); !parent.empty() && parent != path)
    FL_TRY(MakeDirectories(parent.string()));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return ErrnoError("creating directory " + path, errno);
  return {};
}

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  std::error_code ec;
  std::vector<std::string> names;
  for (fs::directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec))
    names.push_back(it->path().filename().string());
  if (ec) return ErrnoError("listing " + path, ec.value());
  std::sort(names.begin(), names.end());
  return names;
}

bool FileExists(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0;
}

}  // namespace fairlead
