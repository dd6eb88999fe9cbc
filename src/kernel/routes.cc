#include "kernel/routes.h"

#include <linux/fib_rules.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "kernel/rtnetlink.h"

namespace fairlead::kernel {
namespace {

uint8_t Family(const LocalRoute& r) { return r.v6 ? AF_INET6 : AF_INET; }

// Table numbers above 255 only fit into the attribute.
uint8_t ShortTable(uint32_t table) { return table < 256 ? static_cast<uint8_t>(table) : 0; }

RtRequest RuleRequest(const LocalRoute& r, uint16_t type, uint16_t flags) {
  fib_rule_hdr h{};
  h.family = Family(r);
  h.table = ShortTable(r.table);
  h.action = FR_ACT_TO_TBL;
  RtRequest request(type, flags, h);
  request.Attribute(FRA_TABLE, r.table).Attribute(FRA_FWMARK, r.mark).Attribute(FRA_FWMASK, r.mask);
  if (r.priority) request.Attribute(FRA_PRIORITY, r.priority);
  return request;
}

RtRequest RouteRequest(const LocalRoute& r, uint16_t type, uint16_t flags) {
  rtmsg m{};
  m.rtm_family = Family(r);
  m.rtm_table = ShortTable(r.table);
  m.rtm_type = RTN_LOCAL;
  m.rtm_scope = r.v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_HOST;
  m.rtm_protocol = RTPROT_BOOT;
  RtRequest request(type, flags, m);
  request.Attribute(RTA_TABLE, r.table).Attribute(RTA_OIF, if_nametoindex("lo"));
  return request;
}

std::map<uint16_t, uint32_t> Numbers(const nlmsghdr& h, size_t header) {
  std::map<uint16_t, uint32_t> out;
  auto* a = reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(NLMSG_DATA(&h)) + NLMSG_ALIGN(header));
  auto left = static_cast<int>(h.nlmsg_len) - static_cast<int>(NLMSG_SPACE(header));
  for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
    if (RTA_PAYLOAD(a) == sizeof(uint32_t)) memcpy(&out[a->rta_type], RTA_DATA(a), sizeof(uint32_t));
  return out;
}

Result<bool> HasRule(const LocalRoute& r) {
  bool found = false;
  FL_TRY(RuleRequest(r, RTM_GETRULE, 0).Dump([&](const nlmsghdr& h) {
    if (h.nlmsg_type != RTM_NEWRULE) return;
    auto n = Numbers(h, sizeof(fib_rule_hdr));
    found |= n[FRA_TABLE] == r.table && n[FRA_FWMARK] == r.mark && n[FRA_FWMASK] == r.mask;
  }));
  return found;
}

Result<bool> HasRoute(const LocalRoute& r) {
  bool found = false;
  FL_TRY(RouteRequest(r, RTM_GETROUTE, 0).Dump([&](const nlmsghdr& h) {
    if (h.nlmsg_type != RTM_NEWROUTE) return;
    auto* m = reinterpret_cast<const rtmsg*>(NLMSG_DATA(&h));
    found |= m->rtm_type == RTN_LOCAL && m->rtm_dst_len == 0 && Numbers(h, sizeof(rtmsg))[RTA_TABLE] == r.table;
  }));
  return found;
}

}  // namespace

// The kernel refuses a second route by itself; a second rule without a priority it would take.
Result<bool> AddLocalRoute(const LocalRoute& r) {
  FL_ASSIGN(int error, RouteRequest(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL).Send());
  bool added = error == 0;
  FL_ASSIGN(bool has_rule, HasRule(r));
  if (!has_rule && (error == 0 || error == EEXIST)) {
    FL_ASSIGN(error, RuleRequest(r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL).Send());
    added |= error == 0;
  }
  if (error != 0 && error != EEXIST)
    return ErrnoError("adding the local route of table " + std::to_string(r.table), error);
  return added;
}

Result<bool> HasLocalRoute(const LocalRoute& r) {
  FL_ASSIGN(bool rule, HasRule(r));
  FL_ASSIGN(bool route, HasRoute(r));
  return rule && route;
}

Status DeleteLocalRoute(const LocalRoute& r) {
  for (const RtRequest& request : {RuleRequest(r, RTM_DELRULE, 0), RouteRequest(r, RTM_DELROUTE, 0)}) {
    FL_ASSIGN(int error, request.Send());
    if (error != 0 && error != ENOENT && error != ESRCH)
      return ErrnoError("removing the local route of table " + std::to_string(r.table), error);
  }
  return {};
}

}  // namespace fairlead::kernel
