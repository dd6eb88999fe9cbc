#include "view/access.h"

#include <openssl/crypto.h>

#include "util/strings.h"

namespace fairlead::view {
namespace {

using value::At;
using value::Str;

constexpr std::chrono::hours kLongest(12);
constexpr std::chrono::seconds kAskAgain(60);
constexpr size_t kSessions = 256;
constexpr size_t kLongestSecret = 16384;

const kube::Resource kTokenReviews{"authentication.k8s.io", "v1", "tokenreviews", false, "TokenReview"};
const kube::Resource kAccessReviews{"authorization.k8s.io", "v1", "subjectaccessreviews", false, "SubjectAccessReview"};

// All that the view shows.
const kube::Resource* const kShown[] = {&kube::kIstioCnis, &kube::kIstios, &kube::kIstioRevisions,
                                        &kube::kNodes,     &kube::kPods,   &kube::kEvents};

bool Same(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

OneTimeSecret::OneTimeSecret() : secret_(RandomHex(48)) {}

Status OneTimeSecret::Admit(const std::string& secret) {
  if (!Same(secret, secret_))
    return MakeError(Code::kUnauthorized, "this address is not the one that fairlead dashboard printed; open that one");
  if (used_.exchange(true))
    return MakeError(Code::kUnauthorized,
                     "this address was used before, and works once; start fairlead dashboard again for another");
  return {};
}

Status ClusterAccess::Admit(const std::string& token) {
  if (token.empty() || token.size() > kLongestSecret)
    return MakeError(Code::kUnauthorized, "no token was given; make one with: kubectl create token ACCOUNT");
  FL_ASSIGN(Json review, api_.Create(kTokenReviews, {{"apiVersion", kTokenReviews.ApiVersion()},
                                                     {"kind", kTokenReviews.kind},
                                                     {"spec", {{"token", token}}}}));
  if (!value::Bool(review, "status", "authenticated"))
    return MakeError(Code::kUnauthorized,
                     "the API server does not know this token, or it has expired; make one with: kubectl create token "
                     "ACCOUNT");
  const Json& user = At(review, "status", "user");
  for (const kube::Resource* r : kShown) {
    Json spec = {{"user", Str(user, "username")},
                 {"groups", At(user, "groups")},
                 {"resourceAttributes", {{"verb", "list"}, {"group", r->group}, {"resource", r->plural}}}};
    if (const Json& uid = At(user, "uid"); uid.is_string()) spec["uid"] = uid;
    if (const Json& extra = At(user, "extra"); extra.is_object()) spec["extra"] = extra;
    FL_ASSIGN(Json answer, api_.Create(kAccessReviews, {{"apiVersion", kAccessReviews.ApiVersion()},
                                                        {"kind", kAccessReviews.kind},
                                                        {"spec", spec}}));
    if (!value::Bool(answer, "status", "allowed"))
      return MakeError(Code::kForbidden, "user \"" + Str(user, "username") + "\" may not list " + r->plural +
                                             (r->group.empty() ? "" : "." + r->group) +
                                             " in the whole cluster; the ClusterRole fairlead-viewer allows what the "
                                             "view shows");
  }
  return {};
}

Result<std::string> Sessions::Open(const std::string& secret) {
  FL_TRY(access_.Admit(secret));
  std::string name = RandomHex(48);
  std::lock_guard lock(mutex_);
  SteadyTime now = clock_.Now();
  std::erase_if(sessions_, [&](const auto& s) { return now - s.second.opened > kLongest; });
  if (sessions_.size() >= kSessions)
    sessions_.erase(std::ranges::min_element(sessions_, {}, [](const auto& s) { return s.second.opened; }));
  sessions_[name] = {secret, now, now};
  return name;
}

bool Sessions::Valid(const std::string& name) {
  std::string secret;
  {
    std::lock_guard lock(mutex_);
    auto it = sessions_.find(name);
    if (it == sessions_.end()) return false;
    if (clock_.Now() - it->second.opened > kLongest) {
      sessions_.erase(it);
      return false;
    }
    if (!access_.Lapses() || clock_.Now() - it->second.checked < kAskAgain) return true;
    secret = it->second.secret;
  }
  Status admitted = access_.Admit(secret);
  std::lock_guard lock(mutex_);
  auto it = sessions_.find(name);
  if (it == sessions_.end()) return false;
  // An API server that is away says nothing about the user.
  if (admitted.ok() || admitted.error().code == Code::kUnavailable) {
    it->second.checked = clock_.Now();
    return true;
  }
  sessions_.erase(it);
  return false;
}

void Sessions::Close(const std::string& name) {
  std::lock_guard lock(mutex_);
  sessions_.erase(name);
}

}  // namespace fairlead::view
