// Completions and the manual page, made from the definitions that --help is made from.
#pragma once
#include <string>

namespace CLI {
class App;
}

namespace fairlead::cmd {

// `shell`: bash, zsh or fish.
std::string Completion(const CLI::App& app, const std::string& shell);
// In man's own language, section 1.
std::string ManualPage(const CLI::App& app, const std::string& version);

}  // namespace fairlead::cmd
