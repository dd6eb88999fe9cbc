#include "http/stream.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

namespace fairlead::http {
namespace {

size_t Fail(error_code& ec) {
  ec = boost::asio::error::make_error_code(boost::asio::error::connection_aborted);
  return 0;
}

// The other side has said that nothing more comes; Beast ends a message by it, where that is how it ends.
size_t Ended(error_code& ec) {
  ec = boost::asio::error::make_error_code(boost::asio::error::eof);
  return 0;
}

}  // namespace

Stream::Stream(UniqueFd fd, int wake_fd, bool is_unix) : fd_(std::move(fd)), wake_fd_(wake_fd), unix_(is_unix) {
  ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
}

Status Stream::Accept(SSL_CTX* ctx) {
  ssl_.reset(SSL_new(ctx));
  SSL_set_fd(ssl_.get(), fd_.get());
  deadline_ = SteadyNow() + std::chrono::seconds(10);
  while (true) {
    int rc = SSL_accept(ssl_.get());
    if (rc == 1) return {};
    if (!WaitSsl(rc)) return MakeError(Code::kUnavailable, std::string("TLS handshake failed: ") + ssl_error_);
  }
}

Status Stream::Connect(SSL_CTX* ctx, const std::string& host) {
  ssl_.reset(SSL_new(ctx));
  SSL_set_fd(ssl_.get(), fd_.get());
  if (!host.empty()) {
    // An address is compared with the certificate's addresses, a name with its names.
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) != 1) {
      SSL_set1_host(ssl_.get(), host.c_str());
      SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    }
  }
  while (true) {
    int rc = SSL_connect(ssl_.get());
    if (rc == 1) return {};
    if (WaitSsl(rc)) continue;
    long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict != X509_V_OK && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE)
      return MakeError(Code::kUnauthorized,
                       std::string("the server's certificate is not valid: ") + X509_verify_cert_error_string(verdict));
    if (SteadyNow() >= deadline_) return MakeError(Code::kDeadlineExceeded, "TLS handshake: no answer in time");
    return MakeError(Code::kUnavailable, std::string("TLS handshake failed: ") + ssl_error_);
  }
}

Peer Stream::PeerInfo() const {
  Peer peer;
  if (unix_)
    if (auto c = GetPeerCredentials(fd_.get()); c.ok()) peer.unix_credentials = *c;
  if (!ssl_) return peer;
  X509* cert = SSL_get1_peer_certificate(ssl_.get());
  if (!cert) return peer;
  X509_NAME* name = X509_get_subject_name(cert);
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    ASN1_STRING* data = X509_NAME_ENTRY_get_data(entry);
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(data)),
                     static_cast<size_t>(ASN1_STRING_length(data)));
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_commonName) peer.cert_common_name = text;
    if (nid == NID_organizationName) peer.cert_organizations.push_back(text);
  }
  X509_free(cert);
  return peer;
}

bool Stream::WaitForBytes() { return (ssl_ && SSL_pending(ssl_.get()) > 0) || Wait(POLLIN); }

bool Stream::PeerClosed() const {
  pollfd p{fd_.get(), POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

size_t Stream::Read(char* data, size_t size, error_code& ec) {
  ec = {};
  while (true) {
    if (ssl_) {
      int n = SSL_read(ssl_.get(), data, static_cast<int>(std::min<size_t>(size, 1 << 20)));
      if (n > 0) return static_cast<size_t>(n);
      if (SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN) return Ended(ec);
      if (!WaitSsl(n)) return Fail(ec);
      continue;
    }
    if (!Wait(POLLIN)) return Fail(ec);
    if (unix_) {
      auto got = ReceiveWithFds(fd_.get(), size);
      if (!got.ok() && got.error().sys_errno == EAGAIN) continue;
      if (!got.ok()) return Fail(ec);
      if (got->bytes.empty()) return Ended(ec);
      memcpy(data, got->bytes.data(), got->bytes.size());
      for (auto& fd : got->fds)
        if (fds_.size() < 16) fds_.push_back(std::move(fd));
      return got->bytes.size();
    }
    ssize_t n = ::recv(fd_.get(), data, size, 0);
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0) return Ended(ec);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    return Fail(ec);
  }
}

bool Stream::WriteAll(std::string_view bytes) {
  while (!bytes.empty()) {
    if (ssl_) {
      int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20)));
      if (n > 0)
        bytes.remove_prefix(static_cast<size_t>(n));
      else if (!WaitSsl(n))
        return false;
      continue;
    }
    ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0)
      bytes.remove_prefix(static_cast<size_t>(n));
    else if (errno != EINTR && (errno != EAGAIN || !Wait(POLLOUT)))
      return false;
  }
  return true;
}

bool Stream::Wait(short events) {
  auto left = std::chrono::duration_cast<Millis>(deadline_ - SteadyNow());
  return left.count() > 0 && WaitFd(fd_.get(), events, left, wake_fd_).ok();
}

bool Stream::WaitSsl(int rc) {
  int why = SSL_get_error(ssl_.get(), rc);
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ssl_error_ = reason ? reason : "the other side closed the connection";
  ERR_clear_error();
  if (why == SSL_ERROR_WANT_READ) return Wait(POLLIN);
  if (why == SSL_ERROR_WANT_WRITE) return Wait(POLLOUT);
  return false;
}

}  // namespace fairlead::http
