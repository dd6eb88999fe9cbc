#include "cni/plugin.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/strings.h"
#include "util/unix_socket.h"

namespace fairlead::cni {
namespace {

using nlohmann::json;

constexpr const char* kVersions[] = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
constexpr size_t kMaxAnswer = 1 << 20;
// kubelet gives a sandbox two minutes; the answer must come before that.
constexpr int64_t kDefaultWaitMs = 90000;

struct Config {
  std::string name;
  std::string cni_version = "0.1.0";
  std::string run_dir = "/var/run/istio-cni";
  std::vector<std::string> exclude_namespaces;
  std::string pod_namespace;
  int64_t wait_ms = kDefaultWaitMs;
  json prev_result;
  std::vector<std::string> valid_attachments;  // GC: containers
};

json Parse(const std::string& text) {
  json::parser_callback_t shallow = [](int depth, json::parse_event_t, json&) { return depth < 200; };
  return json::parse(text, shallow, /*allow_exceptions=*/false);
}

std::string Text(const json& j, const char* key) {
  auto it = j.find(key);
  return it != j.end() && it->is_string() ? it->get<std::string>() : "";
}

std::optional<CniError> ReadConfigJson(const std::string& text, Config& c) {
  if (text.empty()) return CniError{kDecodeFailure, "no network configuration on standard input", ""};
  json j = Parse(text);
  if (j.is_discarded() || !j.is_object())
    return CniError{kDecodeFailure, "the network configuration on standard input is not a JSON object", ""};
  if (std::string v = Text(j, "cniVersion"); !v.empty()) c.cni_version = v;
  bool known =
      std::any_of(std::begin(kVersions), std::end(kVersions), [&](const char* v) { return c.cni_version == v; });
  if (!known)
    return CniError{kIncompatibleVersion, "incompatible CNI versions",
                    "config is \"" + c.cni_version + "\", plugin supports 0.1.0 to 1.1.0"};
  c.name = Text(j, "name");
  if (c.name.empty()) return CniError{kInvalidConfig, "the network configuration has no name", "set \"name\""};
  if (std::string d = Text(j, "cni_agent_run_dir"); !d.empty()) c.run_dir = d;
  c.pod_namespace = Text(j, "pod_namespace");
  if (auto it = j.find("exclude_namespaces"); it != j.end() && it->is_array())
    for (const json& n : *it)
      if (n.is_string()) c.exclude_namespaces.push_back(n.get<std::string>());
  if (auto it = j.find("agent_wait_ms"); it != j.end() && it->is_number_integer())
    c.wait_ms = std::clamp<int64_t>(it->get<int64_t>(), 0, 110000);
  if (auto it = j.find("prevResult"); it != j.end()) c.prev_result = *it;
  if (auto it = j.find("cni.dev/valid-attachments"); it != j.end() && it->is_array())
    for (const json& a : *it)
      if (a.is_object()) c.valid_attachments.push_back(Text(a, "containerID"));
  return std::nullopt;
}

bool Before(const std::string& version, const std::string& other) {
  auto place = [](const std::string& v) { return std::find(std::begin(kVersions), std::end(kVersions), v); };
  return place(version) < place(other);
}

std::map<std::string, std::string> ParseArgs(const std::string& args) {
  std::map<std::string, std::string> out;
  for (const std::string& pair : Split(args, ';'))
    if (size_t eq = pair.find('='); eq != pair.npos) out[pair.substr(0, eq)] = pair.substr(eq + 1);
  return out;
}

std::optional<CniError> ReadEnvironment(const std::map<std::string, std::string>& env, const std::string& command,
                                        AgentRequest& r) {
  auto get = [&](const char* k) { return env.contains(k) ? env.at(k) : std::string(); };
  r.command = command;
  r.container_id = get("CNI_CONTAINERID");
  r.ifname = get("CNI_IFNAME");
  r.netns = get("CNI_NETNS");
  std::vector<std::string> missing;
  if (r.container_id.empty()) missing.push_back("CNI_CONTAINERID");
  if (r.ifname.empty()) missing.push_back("CNI_IFNAME");
  if (r.netns.empty() && command != "DEL") missing.push_back("CNI_NETNS");
  if (!missing.empty())
    return CniError{kBadEnvironment, "required env variables [" + Join(missing, ",") + "] missing", ""};
  if (r.container_id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
          r.container_id.npos ||
      !isalnum(static_cast<unsigned char>(r.container_id[0])) || r.container_id.size() > 256)
    return CniError{kBadEnvironment, "invalid characters in CNI_CONTAINERID", r.container_id.substr(0, 80)};
  if (r.ifname.size() > 15 || r.ifname.find_first_of("/: \t") != r.ifname.npos || r.ifname == "." || r.ifname == "..")
    return CniError{kBadEnvironment, "CNI_IFNAME is not an interface name", r.ifname.substr(0, 80)};
  auto args = ParseArgs(get("CNI_ARGS"));
  r.pod_name = args["K8S_POD_NAME"];
  r.pod_namespace = args["K8S_POD_NAMESPACE"];
  r.pod_uid = args["K8S_POD_UID"];
  return std::nullopt;
}

struct Exchange {
  // kForeign: an agent that does not know our requests.
  enum { kDone, kNoAgent, kLost, kForeign } state = kNoAgent;
  CniError error;   // kDone; code 0 = success
  std::string why;  // otherwise
};

// One HTTP request on the agent's socket. The status and the body; nullopt: `why` says what went wrong.
struct HttpAnswer {
  int status = 0;
  std::string body;
};
std::optional<HttpAnswer> Post(int fd, const std::string& path, const std::string& body, int netns_fd,
                               SteadyTime deadline, std::string& why) {
  auto left = std::chrono::duration_cast<Millis>(deadline - SteadyNow()).count();
  std::string request =
      "POST " + path +
      " HTTP/1.1\r\nHost: agent\r\nContent-Type: application/json\r\nConnection: close\r\nX-Wait-Ms: " +
      std::to_string(std::max<int64_t>(left, 0)) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
      body;
  if (auto sent = SendWithFds(fd, request, netns_fd >= 0 ? std::vector<int>{netns_fd} : std::vector<int>{});
      !sent.ok()) {
    why = sent.error().message;
    return std::nullopt;
  }
  std::string answer;
  while (true) {
    auto wait = std::chrono::duration_cast<Millis>(deadline + Millis(2000) - SteadyNow());
    if (auto ready = WaitFd(fd, POLLIN, std::max(wait, Millis(0))); !ready.ok()) {
      why = "the agent gave no answer in time";
      return std::nullopt;
    }
    auto got = ReceiveWithFds(fd, 65536);
    if (!got.ok() || got->bytes.empty()) break;
    answer += got->bytes;
    if (answer.size() > kMaxAnswer) break;
  }
  size_t head = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 ") || head == answer.npos) {
    why = "the agent closed the connection before it answered";
    return std::nullopt;
  }
  return HttpAnswer{atoi(answer.c_str() + 9), answer.substr(head + 4)};
}

// One request and its answer. The agent answers within the deadline, or the connection is given up.
Exchange Ask(const std::string& socket, const AgentRequest& r, int netns_fd, SteadyTime deadline) {
  Exchange x;
  auto fd = ConnectUnix(socket, SocketKind::kStream);
  if (!fd.ok()) {
    x.why = fd.error().message;
    return x;
  }
  x.state = Exchange::kLost;
  std::string body = ToJson(r).dump(-1, ' ', false, json::error_handler_t::replace);
  auto answer = Post(fd->get(), kAgentPath, body, netns_fd, deadline, x.why);
  if (!answer) return x;
  json j = Parse(answer->body);
  if (answer->status == 404 && !j.is_object()) {
    x.state = Exchange::kForeign;
    x.why = "the node agent is not Fairlead's";
    return x;
  }
  if (j.is_discarded() || !j.is_object()) {
    x.why = "the agent's answer is incomplete";
    return x;
  }
  x.state = Exchange::kDone;
  if (answer->status == 200) return x;
  auto code = j.find("code");
  x.error = {code != j.end() && code->is_number_integer() ? code->get<int>() : kRefused, Text(j, "msg"),
             Text(j, "details")};
  return x;
}

// istio's agent is told of ambient pods with POST /cmdadd (istio cni/pkg/nodeagent/cni-watcher.go). Sidecar pods are
// not its business: its own plugin, which it is about to put into our place, writes their rules.
json IstioAddresses(const json& prev_result) {
  json out = json::array();
  auto ips = prev_result.is_object() ? prev_result.find("ips") : prev_result.end();
  if (!prev_result.is_object() || ips == prev_result.end() || !ips->is_array()) return out;
  for (const json& ip : *ips) {
    std::string address = ip.is_object() ? Text(ip, "address") : "";
    size_t slash = address.find('/');
    auto bits =
        slash == address.npos ? Result<int64_t>(MakeError(Code::kInvalid, "")) : ParseInt(address.substr(slash + 1));
    if (!bits.ok() || *bits < 0 || *bits > 128) continue;
    std::string mask(address.find(':') == address.npos ? 4 : 16, '\0');
    for (int64_t i = 0; i < *bits && i < static_cast<int64_t>(mask.size()) * 8; ++i)
      mask[static_cast<size_t>(i / 8)] = static_cast<char>(mask[static_cast<size_t>(i / 8)] | (0x80 >> (i % 8)));
    auto interface = ip.find("interface");
    out.push_back({{"Interface", interface != ip.end() && interface->is_number_integer() ? *interface : json()},
                   {"Address", {{"IP", address.substr(0, slash)}, {"Mask", Base64Encode(mask)}}},
                   {"Gateway", Text(ip, "gateway")}});
  }
  return out;
}

CniError AskIstiosAgent(const Config& c, const AgentRequest& r) {
  std::string why;
  auto fd = ConnectUnix(c.run_dir + "/" + kAgentSocket, SocketKind::kStream);
  json body = {{"Netns", r.netns},
               {"PodName", r.pod_name},
               {"PodNamespace", r.pod_namespace},
               {"IPs", IstioAddresses(c.prev_result)}};
  auto answer = fd.ok() ? Post(fd->get(), "/cmdadd", body.dump(-1, ' ', false, json::error_handler_t::replace), -1,
                               SteadyNow() + Millis(10000), why)
                        : std::nullopt;
  if (answer && answer->status == 200) return {};
  if (answer) why = answer->body.substr(0, 300);
  return {kTryAgainLater, "istio's node agent has not taken the pod",
          (fd.ok() ? why : fd.error().message) + "; its own plugin deals with pods that have a sidecar"};
}

// Asks until an agent answers or the budget is spent. A new agent may take over at any moment, so a lost connection and
// a missing one are the same: try again. ADD is idempotent.
CniError AskUntilAnswered(const Config& c, const AgentRequest& r, int netns_fd, int64_t budget_ms,
                          const std::function<void(const std::string&)>& log) {
  auto deadline = SteadyNow() + Millis(budget_ms);
  std::string socket = c.run_dir + "/" + kAgentSocket;
  auto pause = Millis(10);
  bool told = false;
  while (true) {
    Exchange x = Ask(socket, r, netns_fd, deadline);
    if (x.state == Exchange::kDone && x.error.code != kTryAgainLater) return x.error;
    if (x.state == Exchange::kForeign) return r.command == "ADD" ? AskIstiosAgent(c, r) : CniError{};
    std::string why = x.state == Exchange::kDone ? x.error.message : x.why;
    if (!std::exchange(told, true)) log("waiting for the node agent: " + why);
    if (SteadyNow() + pause >= deadline)
      return {kTryAgainLater,
              "the Istio CNI node agent did not serve this pod within " + std::to_string(budget_ms) + " ms",
              why + "; see the pod istio-cni-node on this node (namespace " + c.pod_namespace + ")"};
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, Millis(200));
  }
}

std::string PrevResult(const Config& c) {
  json result = c.prev_result.is_object() ? c.prev_result : json::object();
  result["cniVersion"] = c.cni_version;
  return result.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

// Pods that never wait for an agent: the agent's own, those of excluded namespaces, and what is no pod at all.
bool NeedsNoAgent(const Config& c, const AgentRequest& r) {
  if (r.pod_name.empty() || r.pod_namespace.empty()) return true;
  if (r.pod_name.starts_with("istio-cni-node-") && r.pod_namespace == c.pod_namespace) return true;
  return std::find(c.exclude_namespaces.begin(), c.exclude_namespaces.end(), r.pod_namespace) !=
         c.exclude_namespaces.end();
}

PluginOutput Execute(const std::string& command, const PluginInput& input,
                     const std::function<void(const std::string&)>& log) {
  Config c;
  if (auto bad = ReadConfigJson(input.config, c))
    return ErrorOutput(bad->code == kIncompatibleVersion ? "1.0.0" : c.cni_version, *bad);
  AgentRequest r;
  if (auto bad = ReadEnvironment(input.env, command, r)) return ErrorOutput(c.cni_version, *bad);
  r.network = c.name;
  if (command == "CHECK" && Before(c.cni_version, "0.4.0"))
    return ErrorOutput(c.cni_version, {kIncompatibleVersion, "config version does not allow CHECK", c.cni_version});
  std::string success = command == "ADD" ? PrevResult(c) : "";
  if (NeedsNoAgent(c, r)) return {0, success};

  UniqueFd netns;
  if (!r.netns.empty()) netns.reset(::open(r.netns.c_str(), O_RDONLY | O_CLOEXEC));
  if (command == "DEL") {
    // Best effort: an agent that is away finds out from its journal when it is back.
    Exchange x = Ask(c.run_dir + "/" + kAgentSocket, r, -1, SteadyNow() + Millis(3000));
    if (x.state != Exchange::kDone) log("no agent to tell about the deletion: " + x.why);
    return {0, ""};
  }
  if (!netns.valid())
    return ErrorOutput(c.cni_version,
                       {kUnknownContainer, "cannot open the pod's network namespace " + r.netns.substr(0, 200),
                        std::string(strerror(errno))});
  CniError error =
      AskUntilAnswered(c, r, netns.get(), command == "CHECK" ? std::min<int64_t>(c.wait_ms, 30000) : c.wait_ms, log);
  if (error.code != 0) return ErrorOutput(c.cni_version, error);
  return {0, success};
}

// STATUS and GC, of which only version 1.1.0 knows.
PluginOutput ForNetwork(const std::string& command, const PluginInput& input,
                        const std::function<void(const std::string&)>& log) {
  Config c;
  if (auto bad = ReadConfigJson(input.config, c)) return ErrorOutput("1.1.0", *bad);
  if (Before(c.cni_version, "1.1.0"))
    return ErrorOutput(c.cni_version,
                       {kIncompatibleVersion, "config version does not allow " + command, c.cni_version});
  // An agent that is being replaced must not make the node NotReady, which is what runtimes make of a bad STATUS. So it
  // answers for the plugin alone: it is here, and it waits.
  if (command == "STATUS") return {0, ""};
  AgentRequest r;
  r.command = "GC";
  r.network = c.name;
  r.attachments = c.valid_attachments;
  Exchange x = Ask(c.run_dir + "/" + kAgentSocket, r, -1, SteadyNow() + Millis(5000));
  if (x.state == Exchange::kDone && x.error.code != 0) return ErrorOutput(c.cni_version, x.error);
  // Without an agent nothing is lost: its journal follows the pods when it is back.
  if (x.state != Exchange::kDone) log("no agent to collect garbage: " + x.why);
  return {0, ""};
}

PluginOutput VersionOutput(const std::string& config) {
  json j = Parse(config);
  std::string v = !j.is_discarded() && j.is_object() ? Text(j, "cniVersion") : "";
  json out = {{"cniVersion", v.empty() ? "1.1.0" : v}, {"supportedVersions", kVersions}};
  return {0, out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
}

}  // namespace

PluginOutput ErrorOutput(const std::string& cni_version, const CniError& error) {
  json j = {{"cniVersion", cni_version}, {"code", error.code}, {"msg", error.message}};
  if (!error.details.empty()) j["details"] = error.details;
  return {1, j.dump(4, ' ', false, json::error_handler_t::replace) + "\n"};
}

std::optional<std::string> ReadConfig(int fd, size_t limit, std::chrono::milliseconds timeout, CniError& error) {
  std::string out;
  auto deadline = SteadyNow() + timeout;
  char buf[65536];
  while (true) {
    auto left = std::chrono::duration_cast<Millis>(deadline - SteadyNow());
    if (!WaitFd(fd, POLLIN, std::max(left, Millis(0))).ok()) {
      error = {kIoFailure, "standard input was not closed within " + std::to_string(timeout.count()) + " ms", ""};
      return std::nullopt;
    }
    ssize_t n = ::read(fd, buf, sizeof buf);
    if (n == 0) return out;
    if (n < 0) {
      error = {kIoFailure, std::string("reading standard input: ") + strerror(errno), ""};
      return std::nullopt;
    }
    out.append(buf, static_cast<size_t>(n));
    if (out.size() > limit) {
      error = {kDecodeFailure,
               "the network configuration on standard input exceeds " + std::to_string(limit) + " bytes", ""};
      return std::nullopt;
    }
  }
}

PluginOutput RunPlugin(const PluginInput& input, const std::function<void(const std::string&)>& log) {
  auto it = input.env.find("CNI_COMMAND");
  std::string command = it == input.env.end() ? "" : it->second;
  if (command == "VERSION") return VersionOutput(input.config);
  if (command == "ADD" || command == "DEL" || command == "CHECK") return Execute(command, input, log);
  if (command == "STATUS" || command == "GC") return ForNetwork(command, input, log);
  return ErrorOutput("1.0.0", {kBadEnvironment,
                               command.empty() ? "required env variables [CNI_COMMAND] missing"
                                               : "unknown CNI_COMMAND: " + command.substr(0, 80),
                               ""});
}

}  // namespace fairlead::cni
