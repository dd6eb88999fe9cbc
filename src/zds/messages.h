// The messages of the protocol between agent and ztunnel, as bytes. Behind this stands zds.proto.
#pragma once
#include <string>

#include "util/result.h"

namespace fairlead::zds {

inline constexpr size_t kMaxMessage = 1024;

std::string AddMessage(const std::string& uid, const std::string& name, const std::string& ns,
                       const std::string& service_account);
std::string KeepMessage(const std::string& uid);
std::string DeleteMessage(const std::string& uid);
std::string SnapshotSentMessage();
// kUnsupported: not version 1.
Status CheckHello(const std::string& bytes);
// ok: acknowledged. kConflict: refused, with the other side's words. kInvalid: something else.
Status ReadAck(const std::string& bytes);

// The other side, for a ztunnel of our own in tests and in the lab.
std::string HelloMessage();
std::string AckMessage(const std::string& error);
struct Request {
  enum Kind { kAdd, kKeep, kDelete, kSnapshotSent } kind;
  std::string uid, name, ns, service_account;
};
Result<Request> ReadRequest(const std::string& bytes);

}  // namespace fairlead::zds
