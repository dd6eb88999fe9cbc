#include "kernel/netns.h"
#include "kernel/nft.h"
#include "redirect/backend.h"
#include "redirect/backends.h"
#include "redirect/nft_text.h"
#include "value/json.h"

namespace fairlead::redirect {
namespace {

// The listing without what differs between two equal tables: handles, versions, counters.
std::string Canonical(Json listing) {
  Json out = Json::array();
  for (Json& entry : listing["nftables"]) {
    if (entry.contains("metainfo")) continue;
    for (auto& [kind, body] : entry.items()) {
      body.erase("handle");
      if (body.contains("expr"))
        for (Json& e : body["expr"])
          if (e.contains("counter")) e = Json{{"counter", nullptr}};
    }
    out.push_back(entry);
  }
  return value::Dump(out);
}

class NftBackend : public Backend {
 public:
  Result<Listing> List(const RuleSet& wanted) override {
    Listing out;
    for (const std::string& name : NftTableNames(wanted.nft_prefix)) {
      auto text = kernel::NftListJson("list table inet " + name);
      if (!text.ok() && text.error().code == Code::kNotFound) continue;
      if (!text.ok()) return text.error();
      FL_ASSIGN(Json j, value::ParseJson(*text, "nft's listing of table " + name));
      out[name] = Canonical(std::move(j));
    }
    return out;
  }

  // Only tables that differ are written, all of them in one transaction.
  Status Write(const RuleSet& wanted, const Listing& have) override {
    FL_ASSIGN(const Listing expected, Expect(wanted));
    std::string script;
    for (const auto& [name, text] : NftTables(wanted)) {
      auto h = have.find(name), e = expected.find(name);
      bool same = (h == have.end()) == (e == expected.end()) && (h == have.end() || h->second == e->second);
      if (!same) script += (h == have.end() ? "" : text.remove) + text.create;
    }
    return script.empty() ? Status() : kernel::NftRun(script);
  }

  Status Remove(const std::string& prefix) override {
    std::string script;
    for (const std::string& name : NftTableNames(prefix))
      script += "add table inet " + name + "\ndelete table inet " + name + "\n";
    return kernel::NftRun(script);
  }

  Result<Listing> Expect(const RuleSet& wanted) override {
    std::string script;
    for (const auto& [name, text] : NftTables(wanted)) script += text.create;
    return cache_.Get(script, [&]() -> Result<Listing> {
      FL_TRY(kernel::NftRun(script));
      return List(wanted);
    });
  }

  Result<bool> Present(const std::string& prefix) override {
    FL_ASSIGN(std::string text, kernel::NftListJson("list tables inet"));
    return text.find("\"" + prefix + "-nat\"") != text.npos;
  }

 private:
  ExpectationCache cache_;
};

}  // namespace

std::unique_ptr<Backend> NewNftBackend() { return std::make_unique<NftBackend>(); }

}  // namespace fairlead::redirect
