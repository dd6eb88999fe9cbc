#include "util/result.h"

#include <cerrno>
#include <system_error>

namespace fairlead {

const char* CodeName(Code code) {
  switch (code) {
    case Code::kInvalid: return "Invalid";
    case Code::kNotFound: return "NotFound";
    case Code::kAlreadyExists: return "AlreadyExists";
    case Code::kConflict: return "Conflict";
    case Code::kGone: return "Gone";
    case Code::kForbidden: return "Forbidden";
    case Code::kUnauthorized: return "Unauthorized";
    case Code::kUnavailable: return "Unavailable";
    case Code::kDeadlineExceeded: return "DeadlineExceeded";
    case Code::kIo: return "Io";
    case Code::kUnsupported: return "Unsupported";
    case Code::kInternal: return "Internal";
  }
  return "Unknown";
}

Error Error::Wrap(std::string_view context) const {
  Error out = *this;
  out.message = std::string(context) + ": " + message;
  return out;
}

Error MakeError(Code code, std::string message) {
  Error e;
  e.code = code;
  e.message = std::move(message);
  return e;
}

Error ErrnoError(std::string_view what, int err) {
  Error e;
  e.code = err == ENOENT ? Code::kNotFound : Code::kIo;
  e.message = std::string(what) + ": " + std::generic_category().message(err);
  e.sys_errno = err;
  return e;
}

}  // namespace fairlead
