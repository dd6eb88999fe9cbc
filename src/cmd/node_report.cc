#include "cmd/node_report.h"

#include <ctime>

#include "http/client.h"
#include "util/strings.h"
#include "value/json.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Str;

std::string Clock(int64_t seconds) {
  time_t t = static_cast<time_t>(seconds);
  tm parts{};
  gmtime_r(&t, &parts);
  char text[32];
  strftime(text, sizeof text, "%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

Result<Json> AskAgent(const std::string& run_dir) {
  http::Client client({.base_url = "http://agent", .unix_path = run_dir + "/pluginevent.sock"});
  auto answer = client.Do({.target = "/node", .timeout = std::chrono::seconds(10)});
  if (!answer.ok())
    return answer.error().Wrap("no agent answers on " + run_dir +
                               "/pluginevent.sock; this command runs as root on a node, or in its istio-cni-node pod");
  if (answer->status != 200)
    return MakeError(Code::kForbidden,
                     "the agent answered " + std::to_string(answer->status) + ": " + answer->body.substr(0, 200));
  return value::ParseJson(answer->body, "the agent's answer");
}

std::string NodeTable(const Json& j, bool wide) {
  std::string out = "Node " + Str(j, "node") + ", agent " + Str(j, "version") + ", new rules by " + Str(j, "backend");
  if (At(j, "ztunnels").is_number()) out += ", " + std::to_string(value::Int(j, "ztunnels")) + " ztunnel connected";
  out += ", " + std::to_string(value::Int(j, "driftRepaired")) + " repaired since its start\n\n";
  std::vector<std::vector<std::string>> pods{{"POD", "MODE", "RULES", "BY AGENT", "NETNS"}};
  if (wide) pods[0].push_back("UID");
  for (const Json& p : At(j, "pods")) {
    pods.push_back({Str(p, "pod"), Str(p, "mode"),
                    Str(p, "backend") + (Str(p, "rules") == "found" ? " (not ours)" : ""), Str(p, "agentVersion"),
                    Str(p, "netns").empty() ? "not reachable" : Str(p, "netns")});
    if (wide) pods.back().push_back(Str(p, "uid"));
  }
  out += pods.size() == 1 ? "No pod is enrolled.\n" : AlignColumns(pods);
  std::vector<std::vector<std::string>> events{{"TIME", "POD", "WHAT"}};
  for (const Json& e : At(j, "events"))
    events.push_back({Clock(value::Int(e, "time")), Str(e, "pod"),
                      Str(e, "what") + (Str(e, "detail").empty() ? "" : ": " + Str(e, "detail"))});
  if (events.size() > 1) out += "\n" + AlignColumns(events);
  return out;
}

}  // namespace fairlead::cmd
