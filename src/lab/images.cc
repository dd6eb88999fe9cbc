#include "lab/images.h"

#include "util/file.h"
#include "util/strings.h"

namespace fairlead::lab {

Result<Image> FindImage(const std::string& dir, const std::string& reference) {
  std::string base = reference.substr(reference.rfind('/') + 1);
  size_t colon = base.find(':');
  std::string name = base.substr(0, colon), tag = colon == base.npos ? "latest" : base.substr(colon + 1);
  if (tag.ends_with("-distroless")) tag = tag.substr(0, tag.size() - 11);
  if (!FileExists(dir + "/" + name + "/" + tag) && FileExists(dir + "/" + name + "/any")) tag = "any";
  auto text = ReadFile(dir + "/" + name + "/" + tag + "/entrypoint", 65536);
  if (!text.ok()) {
    auto tags = ListDirectory(dir + "/" + name);
    return MakeError(Code::kNotFound,
                     "failed to pull image \"" + reference + "\": the lab has no image " + name + ":" + tag +
                         (tags.ok() ? "; it has tags " + Join(*tags, ", ") : "; it has none of that name"));
  }
  return Image{name + "/" + tag, SplitNonEmpty(*text, '\n')};
}

}  // namespace fairlead::lab
