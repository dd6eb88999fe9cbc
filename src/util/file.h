// Whole files: read with a limit, replaced atomically. A reader never sees half of a file that WriteFileAtomic wrote.
#pragma once
#include <string>
#include <vector>

#include "util/result.h"

namespace fairlead {

// Fails with kInvalid when the file is larger than `limit` bytes.
Result<std::string> ReadFile(const std::string& path, size_t limit = 64u << 20);
// Writes `path`.tmp.XXXXXX beside it, syncs, sets `mode` and renames. On any error the old file is untouched and no
// temporary file is left.
Status WriteFileAtomic(const std::string& path, std::string_view content, unsigned mode = 0644);
Status RemoveFile(const std::string& path);                               // a missing file is fine
Status MakeDirectories(const std::string& path, unsigned mode = 0755);    // like mkdir -p
Result<std::vector<std::string>> ListDirectory(const std::string& path);  // names, sorted
bool FileExists(const std::string& path);

}  // namespace fairlead
