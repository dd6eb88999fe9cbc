#include "cmd/bundle.h"

#include <zlib.h>

#include <ctime>

#include "mesh/caches.h"
#include "util/file.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Str;

constexpr const char* kLogLines = "5000";

bool SoundsSecret(const std::string& name) {
  std::string lower = ToLower(name);
  for (const char* word : {"password", "passwd", "secret", "token", "credential", "apikey", "api_key", "private"})
    if (lower.find(word) != lower.npos) return true;
  return false;
}

// Takes values out of members that sound like credentials, and of {name, value} pairs whose name does.
void Redact(Json& j) {
  if (j.is_object()) {
    if (j.contains("name") && j.contains("value") && SoundsSecret(Str(j, "name"))) j["value"] = "(removed)";
    j.erase("managedFields");
    for (auto& [key, value] : j.items()) {
      if (value.is_string() && SoundsSecret(key) && key != "secretName") value = "(removed)";
      // What kubectl apply keeps is the whole object again, as text.
      if (key == "kubectl.kubernetes.io/last-applied-configuration") value = "(removed)";
    }
  }
  if (j.is_structured())
    for (Json& member : j) Redact(member);
}

class Archive {
 public:
  void Add(const std::string& path, const std::string& text) {
    char header[512] = {};
    snprintf(header, 100, "%s", path.substr(0, 99).c_str());
    snprintf(header + 100, 8, "0000600");
    snprintf(header + 108, 8, "0000000");
    snprintf(header + 116, 8, "0000000");
    snprintf(header + 124, 12, "%011zo", text.size());
    snprintf(header + 136, 12, "%011lo", static_cast<long>(::time(nullptr)));
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (char c : header) sum += static_cast<unsigned char>(c);
    snprintf(header + 148, 8, "%06o", sum);
    tar_.append(header, sizeof header);
    tar_ += text + std::string((512 - text.size() % 512) % 512, '\0');
    contents_ += path + "  " + std::to_string(text.size()) + " bytes\n";
  }
  const std::string& contents() const { return contents_; }

  Result<std::string> Gzip() const {
    std::string all = tar_ + std::string(1024, '\0'), out;
    z_stream z{};
    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      return MakeError(Code::kInternal, "compressing the bundle: zlib cannot start");
    out.resize(deflateBound(&z, all.size()));
    z.next_in = reinterpret_cast<Bytef*>(all.data());
    z.avail_in = static_cast<uInt>(all.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    int rc = deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    return rc == Z_STREAM_END ? Result<std::string>(out)
                              : MakeError(Code::kInternal, "compressing the bundle: zlib failed");
  }

 private:
  std::string tar_, contents_;
};

class Collector {
 public:
  explicit Collector(kube::Client& client) : client_(client) {}

  // The objects, so that what belongs to them can be read as well.
  std::vector<Json> Objects(const std::string& file, const kube::Resource& r, const std::string& ns,
                            const kube::ListOptions& options = {}) {
    auto listed = client_.List(r, ns, options);
    if (!listed.ok()) {
      errors_ += file + ": " + listed.error().message + "\n";
      return {};
    }
    std::string text;
    for (const Json& o : listed->items) {
      Json shown = o;
      Redact(shown);
      text += "---\n" + value::ToYaml(shown);
    }
    archive_.Add(file, text);
    return std::move(listed->items);
  }

  void Text(const std::string& file, const std::string& target) {
    auto answer = client_.Raw({.target = target, .headers = {{"accept", "*/*"}}});
    if (answer.ok())
      archive_.Add(file, answer->body);
    else
      errors_ += file + ": " + answer.error().message + "\n";
  }

  // Logs, those of before a restart too, and metrics.
  void Pod(const std::string& directory, const Json& pod, const std::string& metrics_port) {
    std::string ns = kube::Namespace(pod), name = kube::Name(pod);
    for (const Json& c : At(pod, "status", "containerStatuses")) {
      std::string log = kube::kPods.Path(ns, name, "log") + "?container=" + Str(c, "name") + "&tailLines=" + kLogLines;
      Text(directory + "/" + name + "." + Str(c, "name") + ".log", log);
      if (value::Int(c, "restartCount") > 0)
        Text(directory + "/" + name + "." + Str(c, "name") + ".before.log", log + "&previous=true");
    }
    if (Str(pod, "status", "phase") == "Running")
      Text(directory + "/" + name + ".metrics", kube::kPods.Path(ns, name + ":" + metrics_port) + "/proxy/metrics");
  }

  Archive& Finish() {
    if (!errors_.empty()) archive_.Add("errors.txt", errors_);
    return archive_;
  }

 private:
  kube::Client& client_;
  Archive archive_;
  std::string errors_;
};

}  // namespace

Result<std::string> WriteBundle(const kube::Config& config, const std::string& path) {
  kube::Client client(config);
  Collector c(client);
  c.Text("version.json", "/version");
  auto cnis = c.Objects("istiocnis.yaml", kube::kIstioCnis, "");
  c.Objects("istios.yaml", kube::kIstios, "");
  c.Objects("istiorevisions.yaml", kube::kIstioRevisions, "");
  c.Objects("istiorevisiontags.yaml", kube::kIstioRevisionTags, "");
  c.Objects("ztunnels.yaml", kube::kZtunnels, "");
  c.Objects("nodes.yaml", kube::kNodes, "");
  c.Objects("daemonsets.yaml", kube::kDaemonSets, "", {.label_selector = mesh::kOwned});
  c.Objects("deployments.yaml", kube::kDeployments, "", {.label_selector = mesh::kOwned});
  c.Objects("configmaps.yaml", kube::kConfigMaps, "", {.label_selector = mesh::kOwned});
  c.Objects("events.yaml", kube::kEvents, "");
  for (const Json& pod : c.Objects("operator/pods.yaml", kube::kPods, "", {.label_selector = mesh::kOperator}))
    c.Pod("operator", pod, "8443");
  for (const Json& cni : cnis)
    for (const Json& pod : c.Objects("agents/pods.yaml", kube::kPods, Str(cni, "spec", "namespace"),
                                     {.label_selector = mesh::kCniAgents}))
      c.Pod("agents", pod, "15014");
  Archive& archive = c.Finish();
  FL_ASSIGN(std::string bytes, archive.Gzip());
  FL_TRY(WriteFileAtomic(path, bytes, 0600));
  return archive.contents();
}

}  // namespace fairlead::cmd
