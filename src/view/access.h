// Who may look.
//
// On a laptop: whoever has the secret that the program printed, once; from then on that browser's session. In a
// cluster: whoever has a token that the API server knows, of a user who may list all that the view shows.
#pragma once
#include "kube/api.h"
#include "util/clock.h"

namespace fairlead::view {

// Threading: every member may be called from any thread.
class Access {
 public:
  virtual ~Access() = default;
  // Whether a secret lets its bearer look. Errors: kUnauthorized, kForbidden, kUnavailable; their messages are shown.
  virtual Status Admit(const std::string& secret) = 0;
  // Whether a session is looked at again while it lasts.
  virtual bool Lapses() const = 0;
};

class OneTimeSecret : public Access {
 public:
  OneTimeSecret();
  const std::string& secret() const { return secret_; }
  Status Admit(const std::string& secret) override;
  bool Lapses() const override { return false; }

 private:
  std::string secret_;
  std::atomic<bool> used_{false};
};

// Asks the API server: TokenReview, then a SubjectAccessReview for each resource.
class ClusterAccess : public Access {
 public:
  explicit ClusterAccess(kube::Api& api) : api_(api) {}
  Status Admit(const std::string& token) override;
  bool Lapses() const override { return true; }

 private:
  kube::Api& api_;
};

// Browsers that were admitted. The secret is kept in memory only.
class Sessions {
 public:
  explicit Sessions(Access& access, const Clock& clock = Clock::Real()) : access_(access), clock_(clock) {}
  // Admits the secret; the name of the new session.
  Result<std::string> Open(const std::string& secret);
  // Whether that session may look now. A minute after the last answer a cluster is asked again.
  bool Valid(const std::string& session);
  void Close(const std::string& session);

 private:
  struct Session {
    std::string secret;
    SteadyTime opened, checked;
  };
  Access& access_;
  const Clock& clock_;
  std::mutex mutex_;  // guards sessions_
  std::map<std::string, Session> sessions_;
};

}  // namespace fairlead::view
