#include "lab/container_plan.h"

#include "lab/images.h"
#include "util/file.h"
#include "util/strings.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Int;
using value::Str;

constexpr const char* kTokenTarget = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string TokenDir(const PodOnNode& on) { return "/run/containers/tokens/" + kube::Uid(on.pod); }

Result<std::vector<std::string>> Environment(const PodOnNode& on, const Json& container,
                                             std::map<std::string, std::string>& named) {
  named = {{"PATH", "/opt/fairlead/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
           {"HOSTNAME", kube::Name(on.pod)},
           {"HOME", "/"},
           {"KUBERNETES_SERVICE_HOST", on.config.api_host},
           {"KUBERNETES_SERVICE_PORT", "443"}};
  auto config_map = [&](const std::string& name, const char* kind) {
    return on.api.Get(std::string_view(kind) == "configmap" ? kube::kConfigMaps : kube::kSecrets,
                      kube::Namespace(on.pod), name);
  };
  for (const Json& from : At(container, "envFrom")) {
    bool cm = from.contains("configMapRef");
    const Json& ref = At(from, cm ? "configMapRef" : "secretRef");
    auto o = config_map(Str(ref, "name"), cm ? "configmap" : "secret");
    if (!o.ok()) {
      if (value::Bool(ref, "optional")) continue;
      return MakeError(Code::kNotFound,
                       std::string(cm ? "configmap" : "secret") + " \"" + Str(ref, "name") + "\" not found");
    }
    for (const auto& [k, v] : At(*o, "data").items())
      named[Str(from, "prefix") + k] = cm ? value::AsString(v) : Base64Decode(value::AsString(v)).value_or("");
  }
  for (const Json& e : At(container, "env")) {
    std::string name = Str(e, "name");
    if (std::string path = Str(e, "valueFrom", "fieldRef", "fieldPath"); !path.empty()) {
      if (path == "metadata.name")
        named[name] = kube::Name(on.pod);
      else if (path == "metadata.namespace")
        named[name] = kube::Namespace(on.pod);
      else if (path == "metadata.uid")
        named[name] = kube::Uid(on.pod);
      else if (path == "spec.nodeName")
        named[name] = on.config.name;
      else if (path == "spec.serviceAccountName")
        named[name] = Str(on.pod, "spec", "serviceAccountName");
      else if (path == "status.podIP")
        named[name] = on.ip;
      else if (path == "status.hostIP")
        named[name] = on.config.ip;
      else
        return MakeError(Code::kUnsupported, "env " + name + ": fieldPath " + path + " is not known to the lab");
    } else if (const Json& ref = At(e, "valueFrom", "configMapKeyRef"); ref.is_object()) {
      auto o = config_map(Str(ref, "name"), "configmap");
      if (!o.ok()) return MakeError(Code::kNotFound, "configmap \"" + Str(ref, "name") + "\" not found");
      named[name] = Str(*o, "data", Str(ref, "key").c_str());
    } else if (std::string resource = Str(e, "valueFrom", "resourceFieldRef", "resource"); !resource.empty()) {
      named[name] = resource.ends_with("cpu") ? "2" : "1073741824";  // no limits in the lab: the node's
    } else {
      named[name] = Str(e, "value");
    }
  }
  std::vector<std::string> out;
  for (const auto& [k, v] : named) out.push_back(k + "=" + v);
  return out;
}

// The files of a volume that has content of its own: path in it -> content.
Result<std::map<std::string, std::string>> VolumeFiles(const PodOnNode& on, const Json& volume) {
  std::map<std::string, std::string> files;
  // Of an object's data: all of it, or the keys that `items` names.
  auto add = [&](const Json& source, const kube::Resource& resource, const std::string& name) -> Status {
    auto o = on.api.Get(resource, kube::Namespace(on.pod), name);
    if (!o.ok()) {
      if (value::Bool(source, "optional")) return {};
      return MakeError(Code::kNotFound, "MountVolume.SetUp failed for volume \"" + Str(volume, "name") +
                                            "\": " + ToLower(resource.kind) + " \"" + name + "\" not found");
    }
    std::map<std::string, std::string> paths;
    for (const Json& item : At(source, "items")) paths[Str(item, "key")] = Str(item, "path");
    for (const auto& [k, v] : At(*o, "data").items()) {
      if (!paths.empty() && !paths.contains(k)) continue;
      std::string text = value::AsString(v);
      files[paths.empty() ? k : paths[k]] = resource.kind == "Secret" ? Base64Decode(text).value_or("") : text;
    }
    return {};
  };
  auto add_fields = [&](const Json& source) {
    for (const Json& item : At(source, "items")) {
      std::string path = Str(item, "fieldRef", "fieldPath"), text;
      const Json& members = path == "metadata.labels"        ? At(on.pod, "metadata", "labels")
                            : path == "metadata.annotations" ? At(on.pod, "metadata", "annotations")
                                                             : value::Null();
      for (const auto& [k, v] : members.items()) text += k + "=" + v.dump() + "\n";
      if (path == "metadata.name") text = kube::Name(on.pod);
      if (path == "metadata.namespace") text = kube::Namespace(on.pod);
      files[Str(item, "path")] = text;
    }
  };
  if (const Json& cm = At(volume, "configMap"); cm.is_object()) {
    FL_TRY(add(cm, kube::kConfigMaps, Str(cm, "name")));
  } else if (const Json& secret = At(volume, "secret"); secret.is_object()) {
    FL_TRY(add(secret, kube::kSecrets, Str(secret, "secretName")));
  } else if (const Json& fields = At(volume, "downwardAPI"); fields.is_object()) {
    add_fields(fields);
  } else if (const Json& projected = At(volume, "projected"); projected.is_object()) {
    for (const Json& source : At(projected, "sources")) {
      if (const Json& map = At(source, "configMap"); map.is_object())
        FL_TRY(add(map, kube::kConfigMaps, Str(map, "name")));
      if (const Json& s = At(source, "secret"); s.is_object()) FL_TRY(add(s, kube::kSecrets, Str(s, "name")));
      if (const Json& f = At(source, "downwardAPI"); f.is_object()) add_fields(f);
      if (const Json& token = At(source, "serviceAccountToken"); token.is_object())
        files[Str(token, "path")] = on.tokens.Issue(
            kube::Namespace(on.pod), Str(on.pod, "spec", "serviceAccountName"), kube::Name(on.pod), kube::Uid(on.pod),
            std::chrono::seconds(value::AsInt(At(token, "expirationSeconds"), 3600)));
    }
  } else {
    return MakeError(Code::kUnsupported, "volume " + Str(volume, "name") +
                                             ": the lab knows hostPath, emptyDir, configMap, secret, downwardAPI and "
                                             "projected");
  }
  return files;
}

Status AddVolumes(const PodOnNode& on, const Json& container, ContainerSpec& spec) {
  for (const Json& m : At(container, "volumeMounts")) {
    const Json* volume = nullptr;
    for (const Json& v : At(on.pod, "spec", "volumes"))
      if (Str(v, "name") == Str(m, "name")) volume = &v;
    if (!volume) return MakeError(Code::kInvalid, "volumeMount " + Str(m, "name") + " names no volume");
    std::string target = Str(m, "mountPath");
    if (const Json& host = At(*volume, "hostPath"); host.is_object()) {
      std::string path = Str(host, "path"), in_node = "/proc/" + std::to_string(on.node_pid) + "/root" + path;
      if (Str(host, "type") == "DirectoryOrCreate") FL_TRY(MakeDirectories(in_node));
      if (!FileExists(in_node))
        return MakeError(Code::kNotFound, "MountVolume.SetUp failed for volume \"" + Str(m, "name") + "\": hostPath " +
                                              path + " does not exist on the node");
      spec.mounts.push_back({path, target, value::Bool(m, "readOnly")});
    } else if (volume->contains("emptyDir")) {
      std::string dir = "/run/containers/volumes/" + kube::Uid(on.pod) + "/" + Str(m, "name");
      FL_TRY(MakeDirectories("/proc/" + std::to_string(on.node_pid) + "/root" + dir));
      spec.mounts.push_back({dir, target, false});
    } else {
      FL_ASSIGN(auto files, VolumeFiles(on, *volume));
      for (const auto& [path, content] : files) spec.files[target + "/" + path] = content;
    }
  }
  return {};
}

}  // namespace

Result<ContainerSpec> PlanContainer(const PodOnNode& on, const Json& k) {
  ContainerSpec spec;
  spec.node_pid = on.node_pid;
  spec.netns_path = on.netns_path;
  spec.root = "/run/containers/" + RandomHex(12);
  std::map<std::string, std::string> named;
  FL_ASSIGN(spec.env, Environment(on, k, named));
  FL_ASSIGN(Image image, FindImage(on.config.images_dir, Str(k, "image")));
  spec.image_dir = "/lab-images/" + image.path;
  auto expand = [&](std::string text) {
    for (const auto& [name, v] : named) text = ReplaceAll(text, "$(" + name + ")", v);
    return text;
  };
  std::vector<std::string> command, args;
  for (const Json& a : At(k, "command")) command.push_back(expand(value::AsString(a)));
  for (const Json& a : At(k, "args")) args.push_back(expand(value::AsString(a)));
  spec.argv = command.empty() ? image.entrypoint : command;
  spec.argv.insert(spec.argv.end(), args.begin(), args.end());
  if (spec.argv.empty()) return MakeError(Code::kInvalid, "no command specified");
  if (std::string dir = Str(k, "workingDir"); !dir.empty()) spec.working_dir = dir;
  const Json& security = At(k, "securityContext");
  const Json& pod_security = At(on.pod, "spec", "securityContext");
  spec.uid = value::AsInt(At(security, "runAsUser"), Int(pod_security, "runAsUser"));
  spec.gid = value::AsInt(At(security, "runAsGroup"), Int(pod_security, "runAsGroup"));
  for (const Json& cap : At(security, "capabilities", "add")) spec.add_capabilities.push_back(value::AsString(cap));
  for (const Json& cap : At(security, "capabilities", "drop")) spec.drop_all = spec.drop_all || cap == "ALL";
  FL_TRY(AddVolumes(on, k, spec));
  if (HasToken(on)) {
    std::string account = Str(on.pod, "spec", "serviceAccountName");
    if (!on.api.store().Get("/serviceaccounts", kube::Namespace(on.pod) + "/" + account))
      return MakeError(Code::kNotFound, "serviceaccount \"" + account + "\" not found");
    spec.mounts.push_back({TokenDir(on), kTokenTarget, true});
  }
  return spec;
}

bool HasToken(const PodOnNode& on) { return !(At(on.pod, "spec", "automountServiceAccountToken") == false); }

Status WriteToken(const PodOnNode& on) {
  std::string ns = kube::Namespace(on.pod);
  std::string token = on.tokens.Issue(ns, Str(on.pod, "spec", "serviceAccountName"), kube::Name(on.pod),
                                      kube::Uid(on.pod), on.config.token_lifetime);
  std::string dir = "/proc/" + std::to_string(on.node_pid) + "/root" + TokenDir(on);
  FL_TRY(MakeDirectories(dir));
  FL_TRY(WriteFileAtomic(dir + "/token", token, 0644));
  FL_TRY(WriteFileAtomic(dir + "/ca.crt", on.config.ca_pem, 0644));
  return WriteFileAtomic(dir + "/namespace", ns, 0644);
}

}  // namespace fairlead::lab
