#include "cmd/usage.h"

#include <CLI/CLI.hpp>

#include "cmd/update_command.h"
#include "util/edit_distance.h"

namespace fairlead::cmd {
namespace {

// The command that was meant: "lab fault" of the words that were understood.
const CLI::App* Deepest(const CLI::App* app) {
  for (auto given = app->get_subcommands(); !given.empty(); given = app->get_subcommands()) app = given.front();
  return app;
}

std::string PathOf(const CLI::App* app) {
  return app->get_parent() ? PathOf(app->get_parent()) + " " + app->get_name() : app->get_name();
}

std::string Nearest(const CLI::App* app, const std::string& word) {
  std::string best;
  size_t least = 3;  // more letters are another word
  for (const CLI::App* c : app->get_subcommands({})) {
    const std::string& name = c->get_name();
    size_t distance = word.size() > 1 && name.starts_with(word) ? 1 : EditDistance(word, name);
    if (distance < least) least = distance, best = name;
  }
  return best;
}

std::string Message(const CLI::App* command, const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> left = app.remaining(true);
  if (left.empty()) return command->get_subcommands({}).empty() ? error.what() : "a command is required";
  const std::string& word = left.front();
  if (word.starts_with('-')) return "unknown flag " + word;
  if (command->get_subcommands({}).empty()) return "unexpected argument \"" + word + "\"";
  std::string meant = Nearest(command, word);
  return "unknown command \"" + word + "\"" + (meant.empty() ? "" : "; did you mean " + meant + "?");
}

}  // namespace

int ExplainUsage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const CLI::App* command = Deepest(&app);
  fprintf(stderr, "error: %s\nSee %s --help\n", Message(command, app, error).c_str(), PathOf(command).c_str());
  return kFailed;
}

}  // namespace fairlead::cmd
