#include "http/client.h"

#include <curl/curl.h>

#include "util/clock.h"
#include "util/strings.h"

namespace fairlead::http {
namespace {

constexpr size_t kMaxAnswer = 256u << 20;

// What curl's callbacks fill while one request runs.
struct Transfer {
  Response response;
  std::function<bool(std::string_view)> on_bytes;
  bool too_large = false, refused = false;
  SteadyTime last_bytes = SteadyNow();
};

size_t OnBody(char* data, size_t, size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  t.last_bytes = SteadyNow();
  if (t.on_bytes && t.response.status / 100 == 2) {
    t.refused = !t.on_bytes({data, n});
    return t.refused ? 0 : n;
  }
  if (t.response.body.size() + n > kMaxAnswer) {
    t.too_large = true;
    return 0;
  }
  t.response.body.append(data, n);
  return n;
}

size_t OnHeader(char* data, size_t, size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  std::string_view line(data, n);
  if (line.starts_with("HTTP/")) {
    t.response.headers.clear();
    size_t space = line.find(' ');
    t.response.status = space == line.npos ? 0 : atoi(std::string(line.substr(space + 1, 3)).c_str());
  } else if (size_t colon = line.find(':'); colon != line.npos) {
    t.response.headers[ToLower(Trim(line.substr(0, colon)))] = std::string(Trim(line.substr(colon + 1)));
  }
  return n;
}

}  // namespace

struct Client::Pool {
  // A transfer and the connections that it may use again.
  struct Handle {
    CURL* easy = curl_easy_init();
    CURLM* multi = curl_multi_init();
    Handle() = default;
    Handle(const Handle&) = delete;
    ~Handle() {
      curl_easy_cleanup(easy);
      curl_multi_cleanup(multi);
    }
  };

  ClientOptions options;
  std::mutex mutex;  // guards idle
  std::vector<std::unique_ptr<Handle>> idle;

  std::unique_ptr<Handle> Take() {
    std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Handle>();
    auto h = std::move(idle.back());
    idle.pop_back();
    return h;
  }
  void Give(std::unique_ptr<Handle> h) {
    curl_easy_reset(h->easy);
    std::lock_guard lock(mutex);
    if (idle.size() < 8) idle.push_back(std::move(h));
  }

  void Configure(CURL* c, const ClientRequest& r, Transfer& t, curl_slist*& headers) {
    auto blob = [](const std::string& s) { return curl_blob{const_cast<char*>(s.data()), s.size(), CURL_BLOB_NOCOPY}; };
    curl_easy_setopt(c, CURLOPT_URL, (options.base_url + r.target).c_str());
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, options.user_agent.c_str());
    if (!options.unix_path.empty()) curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, options.unix_path.c_str());
    if (!options.ca_pem.empty()) {
      curl_blob b = blob(options.ca_pem);
      curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &b);
    }
    if (options.insecure_skip_verify) {
      curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
      curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!options.cert_pem.empty()) {
      curl_blob cert = blob(options.cert_pem), key = blob(options.key_pem);
      curl_easy_setopt(c, CURLOPT_SSLCERT_BLOB, &cert);
      curl_easy_setopt(c, CURLOPT_SSLKEY_BLOB, &key);
      curl_easy_setopt(c, CURLOPT_SSLCERTTYPE, "PEM");
      curl_easy_setopt(c, CURLOPT_SSLKEYTYPE, "PEM");
    }
    for (const auto& [k, v] : r.headers) headers = curl_slist_append(headers, (k + ": " + v).c_str());
    if (options.token)
      if (std::string token = options.token(); !token.empty())
        headers = curl_slist_append(headers, ("authorization: Bearer " + token).c_str());
    headers = curl_slist_append(headers, "expect:");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r.method.c_str());
    if (!r.body.empty() || r.method == "POST" || r.method == "PUT" || r.method == "PATCH") {
      curl_easy_setopt(c, CURLOPT_POSTFIELDS, r.body.data());
      curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
    }
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, OnHeader);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &t);
  }

  Result<Response> Perform(const ClientRequest& r, Transfer& t, std::stop_token stop) {
    auto handle = Take();
    CURLM* multi = handle->multi;
    curl_slist* headers = nullptr;
    Configure(handle->easy, r, t, headers);
    curl_multi_add_handle(multi, handle->easy);
    WakeFd wake(stop);
    auto deadline = SteadyNow() + r.timeout;
    std::optional<Error> failed;
    CURLcode code = CURLE_OK;
    for (int running = 1; running && !failed;) {
      curl_multi_perform(multi, &running);
      int queued = 0;
      while (CURLMsg* msg = curl_multi_info_read(multi, &queued))
        if (msg->msg == CURLMSG_DONE) code = msg->data.result;
      if (!running) break;
      auto until = t.on_bytes ? t.last_bytes + r.timeout : deadline;
      auto left = std::chrono::ceil<Millis>(until - SteadyNow()).count();
      if (stop.stop_requested())
        failed = MakeError(Code::kUnavailable, "stopped");
      else if (left <= 0)
        failed = MakeError(Code::kDeadlineExceeded, "no answer within " + std::to_string(r.timeout.count()) + " ms");
      curl_waitfd extra{wake.fd(), CURL_WAIT_POLLIN, 0};
      if (!failed) curl_multi_poll(multi, &extra, 1, static_cast<int>(std::min<long>(left, 1000)), nullptr);
    }
    curl_multi_remove_handle(multi, handle->easy);
    if (!failed && code == CURLE_OK)
      Give(std::move(handle));  // otherwise its connection may be in the middle of something
    handle.reset();
    curl_slist_free_all(headers);
    auto what = r.method + " " + options.base_url + r.target;
    if (t.too_large)
      return MakeError(Code::kInvalid, what + ": the answer exceeds " + std::to_string(kMaxAnswer) + " bytes");
    if (failed) return failed->Wrap(what);
    if (code == CURLE_OK || t.refused) return std::move(t.response);
    Code ours = code == CURLE_SSL_CACERT_BADFILE || code == CURLE_PEER_FAILED_VERIFICATION ? Code::kUnauthorized
                                                                                           : Code::kUnavailable;
    return MakeError(ours, what + ": " + curl_easy_strerror(code));
  }
};

Client::Client(ClientOptions options) : pool_(std::make_unique<Pool>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  pool_->options = std::move(options);
}

Client::~Client() = default;

Result<Response> Client::Do(const ClientRequest& request, std::stop_token stop) {
  Transfer t;
  return pool_->Perform(request, t, std::move(stop));
}

Result<Response> Client::Stream(const ClientRequest& request, std::function<bool(std::string_view)> on_bytes,
                                std::stop_token stop) {
  Transfer t;
  t.on_bytes = std::move(on_bytes);
  return pool_->Perform(request, t, std::move(stop));
}

}  // namespace fairlead::http
