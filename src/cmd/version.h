// The version that an executable carries: each is linked with the version.cc that the build writes for it.
#pragma once
namespace fairlead::cmd {
extern const char* const kComponentVersion;  // "1.28.5"
}
