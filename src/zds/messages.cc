#include "zds/messages.h"

#include "zds.pb.h"

namespace fairlead::zds {
namespace {

namespace pb = istio::workload::zds;

template <class Message>
Result<Message> Parse(const std::string& bytes, std::string what) {
  Message m;
  if (bytes.size() <= kMaxMessage && m.ParseFromString(bytes)) return m;
  what.append(" expected, got something else");
  return MakeError(Code::kInvalid, std::move(what));
}

}  // namespace

std::string AddMessage(const std::string& uid, const std::string& name, const std::string& ns,
                       const std::string& service_account) {
  pb::WorkloadRequest r;
  auto* add = r.mutable_add();
  add->set_uid(uid);
  add->mutable_workload_info()->set_name(name);
  add->mutable_workload_info()->set_namespace_(ns);
  add->mutable_workload_info()->set_service_account(service_account);
  return r.SerializeAsString();
}

std::string KeepMessage(const std::string& uid) {
  pb::WorkloadRequest r;
  r.mutable_keep()->set_uid(uid);
  return r.SerializeAsString();
}

std::string DeleteMessage(const std::string& uid) {
  pb::WorkloadRequest r;
  r.mutable_del()->set_uid(uid);
  return r.SerializeAsString();
}

std::string SnapshotSentMessage() {
  pb::WorkloadRequest r;
  r.mutable_snapshot_sent();
  return r.SerializeAsString();
}

Status CheckHello(const std::string& bytes) {
  FL_ASSIGN(auto hello, Parse<pb::ZdsHello>(bytes, "ZdsHello"));
  if (hello.version() == pb::V1) return {};
  std::string message = std::to_string(hello.version());
  message.append(" is not a version of ZDS that this agent speaks: it speaks 1");
  return MakeError(Code::kUnsupported, std::move(message));
}

Status ReadAck(const std::string& bytes) {
  FL_ASSIGN(auto response, Parse<pb::WorkloadResponse>(bytes, "WorkloadResponse"));
  if (!response.has_ack()) return MakeError(Code::kInvalid, "a WorkloadResponse without ack");
  if (response.ack().error().empty()) return {};
  return MakeError(Code::kConflict, response.ack().error());
}

std::string HelloMessage() {
  pb::ZdsHello hello;
  hello.set_version(pb::V1);
  return hello.SerializeAsString();
}

std::string AckMessage(const std::string& error) {
  pb::WorkloadResponse r;
  r.mutable_ack()->set_error(error);
  return r.SerializeAsString();
}

Result<Request> ReadRequest(const std::string& bytes) {
  FL_ASSIGN(auto r, Parse<pb::WorkloadRequest>(bytes, "WorkloadRequest"));
  if (r.has_add())
    return Request{Request::kAdd, r.add().uid(), r.add().workload_info().name(), r.add().workload_info().namespace_(),
                   r.add().workload_info().service_account()};
  if (r.has_keep()) return Request{Request::kKeep, r.keep().uid(), "", "", ""};
  if (r.has_del()) return Request{Request::kDelete, r.del().uid(), "", "", ""};
  if (r.has_snapshot_sent()) return Request{Request::kSnapshotSent, "", "", "", ""};
  return MakeError(Code::kInvalid, "a WorkloadRequest without payload");
}

}  // namespace fairlead::zds
