#include "kube/config.h"

#include "util/clock.h"
#include "util/file.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::kube {
namespace {

using value::At;
using value::Str;

std::string Env(const char* name) {
  const char* v = getenv(name);
  return v ? v : "";
}

const Json& Named(const Json& list, const std::string& name, const char* member) {
  for (const Json& e : list)
    if (Str(e, "name") == name) return At(e, member);
  return value::Null();
}

// Inline base64 data, else the file that the other key names, relative to the kubeconfig.
Result<std::string> DataOrFile(const Json& entry, const char* data_key, const char* file_key, const std::string& dir) {
  if (std::string data = Str(entry, data_key); !data.empty()) return Base64Decode(data);
  std::string file = Str(entry, file_key);
  if (file.empty()) return std::string();
  return ReadFile(file[0] == '/' ? file : dir + "/" + file, 1 << 20);
}

// Reads a token file at most once a second (kubelet renews it long before it expires); keeps the last good one.
class TokenFile {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}
  std::string operator()() {
    std::lock_guard lock(mutex_);
    if (token_.empty() || SteadyNow() - read_ > std::chrono::seconds(1)) {
      if (auto text = ReadFile(path_, 1 << 20); text.ok()) token_ = std::string(Trim(*text));
      read_ = SteadyNow();
    }
    return token_;
  }

 private:
  std::string path_;
  std::mutex mutex_;
  std::string token_;
  SteadyTime read_{};
};

}  // namespace

Result<Config> LoadKubeconfig(const std::string& given, const std::string& want_context) {
  std::string path = given;
  if (path.empty())
    for (const std::string& p : SplitNonEmpty(Env("KUBECONFIG"), ':'))
      if (path.empty() && FileExists(p)) path = p;
  if (path.empty()) path = Env("HOME") + "/.kube/config";
  FL_ASSIGN(std::string text, ReadFile(path, 4 << 20));
  FL_ASSIGN(Json doc, value::ParseYaml(text, path));
  std::string dir = path.substr(0, path.find_last_of('/') + 1);
  std::string context_name = want_context.empty() ? Str(doc, "current-context") : want_context;
  auto missing = [&](const std::string& what, const std::string& name) {
    return MakeError(Code::kInvalid,
                     path + ": there is no " + what + " named \"" + name + "\"; see kubectl config view");
  };
  const Json& context = Named(At(doc, "contexts"), context_name, "context");
  if (context.is_null()) return missing("context", context_name);
  const Json& cluster = Named(At(doc, "clusters"), Str(context, "cluster"), "cluster");
  if (cluster.is_null()) return missing("cluster", Str(context, "cluster"));
  const Json& user = Named(At(doc, "users"), Str(context, "user"), "user");
  Config out;
  out.http.base_url = Str(cluster, "server");
  if (out.http.base_url.empty())
    return MakeError(Code::kInvalid, path + ": cluster \"" + Str(context, "cluster") + "\" has no server");
  while (out.http.base_url.ends_with('/')) out.http.base_url.pop_back();
  out.http.insecure_skip_verify = value::Bool(cluster, "insecure-skip-tls-verify");
  FL_ASSIGN(out.http.ca_pem, DataOrFile(cluster, "certificate-authority-data", "certificate-authority", dir));
  FL_ASSIGN(out.http.cert_pem, DataOrFile(user, "client-certificate-data", "client-certificate", dir));
  FL_ASSIGN(out.http.key_pem, DataOrFile(user, "client-key-data", "client-key", dir));
  if (std::string token = Str(user, "token"); !token.empty())
    out.http.token = [token] { return token; };
  else if (std::string file = Str(user, "tokenFile"); !file.empty())
    out.http.token = [t = std::make_shared<TokenFile>(file)] { return (*t)(); };
  if (std::string ns = Str(context, "namespace"); !ns.empty()) out.ns = ns;
  return out;
}

Result<Config> LoadInCluster(const std::string& dir) {
  std::string host = Env("KUBERNETES_SERVICE_HOST"), port = Env("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty())
    return MakeError(
        Code::kInvalid,
        "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; give --kubeconfig");
  Config out;
  out.http.base_url = "https://" + (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + port;
  FL_ASSIGN(out.http.ca_pem, ReadFile(dir + "/ca.crt", 1 << 20));
  out.http.token = [t = std::make_shared<TokenFile>(dir + "/token")] { return (*t)(); };
  if (auto ns = ReadFile(dir + "/namespace", 4096); ns.ok()) out.ns = std::string(Trim(*ns));
  return out;
}

Result<Config> LoadConfig(const std::string& kubeconfig, const std::string& context) {
  if (kubeconfig.empty() && Env("KUBECONFIG").empty() && !Env("KUBERNETES_SERVICE_HOST").empty())
    return LoadInCluster();
  return LoadKubeconfig(kubeconfig, context);
}

}  // namespace fairlead::kube
