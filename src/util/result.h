// Errors as values. A function that can fail returns Result<T>; a caller branches on Error::code and shows
// Error::message to the person who must act. Context grows outward: `Error::Wrap("reading /etc/x")` yields "reading
// /etc/x: no such file".
#pragma once
#include <expected>
#include <string>
#include <utility>

namespace fairlead {

enum class Code {
  kInvalid,  // the input is wrong; the same input will fail again
  kNotFound,
  kAlreadyExists,
  kConflict,  // somebody else changed it meanwhile; read again and retry
  kGone,      // a resource version is too old; list again
  kForbidden,
  kUnauthorized,
  kUnavailable,  // the other side is not there now; retry later
  kDeadlineExceeded,
  kIo,  // the operating system refused; see `sys_errno`
  kUnsupported,
  kInternal,
};

// The name of a code for logs, for example "NotFound".
const char* CodeName(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;
  int sys_errno = 0;    // errno, where the operating system gave one
  int http_status = 0;  // where an HTTP answer gave one
  std::string reason;   // a Kubernetes reason, where there is one

  // The same error with "context: " before its message.
  Error Wrap(std::string_view context) const;
};

Error MakeError(Code code, std::string message);
// "what: strerror(err)", with kNotFound for ENOENT and kIo otherwise.
Error ErrnoError(std::string_view what, int err);

// A value or an Error. Unlike std::expected the compiler warns when it is ignored.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::move(value)) {}                       // NOLINT: implicit on purpose
  Result(Error error) : v_(std::unexpected(std::move(error))) {}  // NOLINT
  bool ok() const { return v_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& value() & { return *v_; }
  const T& value() const& { return *v_; }
  T&& value() && { return *std::move(v_); }
  T& operator*() & { return *v_; }
  const T& operator*() const& { return *v_; }
  T&& operator*() && { return *std::move(v_); }
  T* operator->() { return &*v_; }
  const T* operator->() const { return &*v_; }
  const Error& error() const { return v_.error(); }
  T value_or(T other) const { return ok() ? *v_ : std::move(other); }

 private:
  std::expected<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : v_(std::unexpected(std::move(error))) {}  // NOLINT
  bool ok() const { return v_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return v_.error(); }

 private:
  std::expected<void, Error> v_;
};

using Status = Result<void>;

}  // namespace fairlead

#define FL_CONCAT2(a, b) a##b
#define FL_CONCAT(a, b) FL_CONCAT2(a, b)
// FL_ASSIGN(auto x, F()): x is F()'s value; an error returns from this function.
#define FL_ASSIGN(lhs, expr) FL_ASSIGN_IMPL(FL_CONCAT(fl_result_, __LINE__), lhs, expr)
#define FL_ASSIGN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                   \
  if (!tmp.ok()) return tmp.error();   \
  lhs = std::move(tmp).value()
// FL_TRY(F()): an error returns from this function.
#define FL_TRY(expr) FL_TRY_IMPL(FL_CONCAT(fl_status_, __LINE__), expr)
#define FL_TRY_IMPL(tmp, expr)         \
  do {                                 \
    auto tmp = (expr);                 \
    if (!tmp.ok()) return tmp.error(); \
  } while (0)
