// sprig's URLs. Source of the behaviour: Masterminds/sprig v3.3 url.go, Go's net/url.
#include "gotmpl/quote.h"
#include "gotmpl/sprig.h"
#include "util/strings.h"

namespace fairlead::gotmpl::sprig {
namespace {

struct Url {
  std::string scheme, opaque, userinfo, host, path, query, fragment;
  bool has_userinfo = false;
};

// Which characters stay as they are, besides letters, digits and -_.~
constexpr const char* kPathSafe = "$&+,/:;=@";
constexpr const char* kFragmentSafe = "$&+,/:;=?@!()*'";
constexpr const char* kUserSafe = "$&+,;=";

std::string Escape(const std::string& s, const char* safe) {
  std::string out;
  for (unsigned char c : s) {
    char code[4];
    if (isalnum(c) || strchr("-_.~", c) || strchr(safe, c))
      out += static_cast<char>(c);
    else
      out += (snprintf(code, sizeof code, "%%%02X", c), code);
  }
  return out;
}

Result<std::string> Unescape(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '%') {
      out += s[i];
      continue;
    }
    if (i + 2 >= s.size() || !isxdigit(static_cast<unsigned char>(s[i + 1])) ||
        !isxdigit(static_cast<unsigned char>(s[i + 2])))
      return Fail("invalid URL escape " + QuoteGo(s.substr(i, 3)));
    out += static_cast<char>(strtol(s.substr(i + 1, 2).c_str(), nullptr, 16));
    i += 2;
  }
  return out;
}

Result<Url> Parse(const std::string& text) {
  auto wrapped = [&](const Error& e) { return Fail("unable to parse url: parse " + QuoteGo(text) + ": " + e.message); };
  for (unsigned char c : text)
    if (c < 0x20 || c == 0x7f) return wrapped(Fail("net/url: invalid control character in URL"));
  Url u;
  std::string rest = text;
  if (size_t hash = rest.find('#'); hash != rest.npos) {
    auto fragment = Unescape(rest.substr(hash + 1));
    if (!fragment.ok()) return wrapped(fragment.error());
    u.fragment = *fragment;
    rest.resize(hash);
  }
  if (size_t colon = rest.find(':'); colon != rest.npos) {
    std::string scheme = rest.substr(0, colon);
    bool letters =
        std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) { return isalnum(c) || strchr("+-.", c); });
    if (scheme.empty()) return wrapped(Fail("missing protocol scheme"));
    if (letters && isalpha(static_cast<unsigned char>(scheme[0]))) {
      u.scheme = ToLower(scheme);
      rest.erase(0, colon + 1);
    }
  }
  if (size_t question = rest.find('?'); question != rest.npos) {
    u.query = rest.substr(question + 1);
    rest.resize(question);
  }
  if (!rest.starts_with('/')) {
    if (!u.scheme.empty()) {
      u.opaque = rest;
      return u;
    }
    if (rest.substr(0, rest.find('/')).find(':') != rest.npos)
      return wrapped(Fail("first path segment in URL cannot contain colon"));
  }
  if (rest.starts_with("//") && (!u.scheme.empty() || !rest.starts_with("///"))) {
    std::string authority = rest.substr(2, rest.find('/', 2) == rest.npos ? rest.npos : rest.find('/', 2) - 2);
    rest.erase(0, 2 + authority.size());
    if (size_t at = authority.rfind('@'); at != authority.npos) {
      u.has_userinfo = true;
      u.userinfo = authority.substr(0, at);
      authority.erase(0, at + 1);
    }
    if (authority.starts_with('[') && authority.find(']') == authority.npos)
      return wrapped(Fail("missing ']' in host"));
    size_t colon = authority.rfind(':');
    if (colon != authority.npos && authority.find(']', colon) == authority.npos &&
        authority.find_first_not_of("0123456789", colon + 1) != authority.npos)
      return wrapped(Fail("invalid port " + QuoteGo(authority.substr(colon)) + " after host"));
    u.host = authority;
  }
  auto path = Unescape(rest);
  if (!path.ok()) return wrapped(path.error());
  u.path = *path;
  return u;
}

std::string UserText(const std::string& userinfo) {
  size_t colon = userinfo.find(':');
  std::string user = Escape(Unescape(userinfo.substr(0, colon)).value_or(""), kUserSafe);
  if (colon == userinfo.npos) return user;
  return user + ":" + Escape(Unescape(userinfo.substr(colon + 1)).value_or(""), kUserSafe);
}

std::string Hostname(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') == host.npos ? host.npos : host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

std::string Assemble(const Url& u) {
  std::string out = u.scheme.empty() ? "" : u.scheme + ":";
  if (!u.opaque.empty()) {
    out += u.opaque;
  } else {
    if (!u.scheme.empty() || !u.host.empty() || u.has_userinfo) {
      if (!u.host.empty() || !u.path.empty() || u.has_userinfo) out += "//";
      if (u.has_userinfo) out += UserText(u.userinfo) + "@";
      out += u.host;
    }
    std::string path = Escape(u.path, kPathSafe);
    if (!path.empty() && path[0] != '/' && !u.host.empty()) out += '/';
    if (out.empty() && path.substr(0, path.find('/')).find(':') != path.npos) out += "./";
    out += path;
  }
  if (!u.query.empty()) out += "?" + u.query;
  if (!u.fragment.empty()) out += "#" + Escape(u.fragment, kFragmentSafe);
  return out;
}

}  // namespace

void RegisterUrls(Engine& e) {
  Define(e, "urlParse", {{S::kString}}, [](const List& a) -> Result<Value> {
    FL_ASSIGN(Url u, Parse(Text(a[0])));
    return Value::NewMap({{"scheme", Value(u.scheme)},
                          {"host", Value(u.host)},
                          {"hostname", Value(Hostname(u.host))},
                          {"path", Value(u.path)},
                          {"query", Value(u.query)},
                          {"opaque", Value(u.opaque)},
                          {"fragment", Value(u.fragment)},
                          {"userinfo", Value(u.has_userinfo ? UserText(u.userinfo) : "")}});
  });
  Define(e, "urlJoin", {{S::kMap}}, [](const List& a) -> Result<Value> {
    Url u;
    const std::pair<const char*, std::string*> parts[] = {
        {"scheme", &u.scheme}, {"host", &u.host},         {"path", &u.path},        {"query", &u.query},
        {"opaque", &u.opaque}, {"fragment", &u.fragment}, {"userinfo", &u.userinfo}};
    if (a[0].is_nil()) return Value("");
    for (const auto& [key, part] : parts) {
      auto it = (*a[0].as_map())->find(key);
      if (it == (*a[0].as_map())->end()) continue;
      if (!it->second.as_string())
        return Fail("unable to parse " + std::string(key) + " key, must be of type string, but " + KindOf(it->second) +
                    " found");
      *part = Text(it->second);
    }
    u.has_userinfo = !u.userinfo.empty();
    return Value(Assemble(u));
  });
}

}  // namespace fairlead::gotmpl::sprig
