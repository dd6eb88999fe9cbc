// sprig's paths, with slashes. Source of the behaviour: Go's path package.
#include "gotmpl/sprig.h"
#include "util/strings.h"

namespace fairlead::gotmpl::sprig {
namespace {

std::string Clean(const std::string& path) {
  if (path.empty()) return ".";
  bool rooted = path[0] == '/';
  std::vector<std::string> parts;
  for (const std::string& p : Split(path, '/')) {
    if (p.empty() || p == ".") continue;
    if (p != "..")
      parts.push_back(p);
    else if (!parts.empty() && parts.back() != "..")
      parts.pop_back();
    else if (!rooted)
      parts.push_back(p);
  }
  std::string out = (rooted ? "/" : "") + Join(parts, "/");
  return out.empty() ? "." : out;
}

std::string Base(std::string path) {
  if (path.empty()) return ".";
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (path.empty()) return "/";
  return path.substr(path.rfind('/') + 1);
}

std::string Dir(const std::string& path) { return Clean(path.substr(0, path.rfind('/') + 1)); }

std::string Ext(const std::string& path) {
  std::string last = path.substr(path.rfind('/') + 1);
  size_t point = last.rfind('.');
  return point == last.npos ? "" : last.substr(point);
}

}  // namespace

void RegisterPaths(Engine& e) {
  const S text{{S::kString}};
  for (const char* prefix : {"", "os"}) {
    auto name = [&](std::string n) {
      if (*prefix) n[0] = static_cast<char>(toupper(static_cast<unsigned char>(n[0])));
      return prefix + n;
    };
    auto define = [&](const std::string& n, std::string (*f)(const std::string&)) {
      Define(e, name(n), text, [f](const List& a) -> Result<Value> { return Value(f(Text(a[0]))); });
    };
    define("base", [](const std::string& p) { return Base(p); });
    define("dir", Dir);
    define("ext", Ext);
    define("clean", Clean);
    Define(e, name("isAbs"), text, [](const List& a) -> Result<Value> { return Value(Text(a[0]).starts_with('/')); });
  }
}

}  // namespace fairlead::gotmpl::sprig
