// What a person is told whose command line cannot be understood.
#pragma once
#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace fairlead::cmd {

// Prints what is wrong and where help is to standard error, and returns the exit status; help and the version, which
// the library sees as errors too, go to standard output.
int ExplainUsage(const CLI::App& app, const CLI::ParseError& error);

}  // namespace fairlead::cmd
