#include "cmd/cli_docs.h"

#include <CLI/CLI.hpp>

#include "util/strings.h"

namespace fairlead::cmd {
namespace {

struct Command {
  std::string path;  // "lab up"
  const CLI::App* app;
};

std::vector<std::string> NamesOf(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* c : app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); }))
    out.push_back(c->get_name());
  return out;
}

// Every command, each followed by those below it.
std::vector<Command> Commands(const CLI::App& app, const std::string& above = "") {
  std::vector<Command> out;
  for (const std::string& name : NamesOf(app)) {
    out.push_back({above + name, app.get_subcommand(name)});
    auto below = Commands(*out.back().app, above + name + " ");
    out.insert(out.end(), below.begin(), below.end());
  }
  return out;
}

// "--output", "-o" of every option that may be given to `app`.
std::vector<std::string> Flags(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* o : app.get_options()) {
    for (const std::string& name : o->get_lnames()) out.push_back("--" + name);
    for (const std::string& name : o->get_snames()) out.push_back("-" + name);
  }
  return out;
}

// What fits between single quotes in any of the shells.
std::string Plain(const std::string& help) { return ReplaceAll(ReplaceAll(help, "'", ""), ":", " -"); }

std::string Bash(const CLI::App& app) {
  std::string name = app.get_name(), cases, global = Join(Flags(app), " ");
  auto commands = Commands(app);
  std::reverse(commands.begin(), commands.end());  // "lab up" before "lab", whose pattern takes it, too
  for (const auto& [path, c] : commands)
    cases += "    \" " + path + "\" | \" " + path + " \"*) words=\"" + Join(NamesOf(*c), " ") + " " +
             Join(Flags(*c), " ") + "\" ;;\n";
  return "# bash completion of " + name + "; source it, or put it into /etc/bash_completion.d\n_" + name +
         "() {\n  local word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"\" words=\"\" i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"${COMP_WORDS[i]}\" in\n      -n | --namespace | --context | --kubeconfig) ((++i)) ;;\n      -*) "
         ";;\n"
         "      *) command=\"$command ${COMP_WORDS[i]}\" ;;\n    esac\n  done\n"
         "  case \"$command\" in\n    \"\") words=\"" +
         Join(NamesOf(app), " ") + "\" ;;\n" + cases + "  esac\n  words=\"$words " + global +
         "\"\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _" + name + " " + name +
         "\n";
}

std::string Zsh(const CLI::App& app) {
  std::string name = app.get_name(), cases;
  auto described = [](const CLI::App& of) {
    std::string out;
    for (const std::string& c : NamesOf(of))
      out += " '" + c + ":" + Plain(of.get_subcommand(c)->get_description()) + "'";
    return out;
  };
  auto options = [](const CLI::App& of) {
    std::string out;
    for (const CLI::Option* o : of.get_options())
      for (const std::string& l : o->get_lnames()) out += " '--" + l + ":" + Plain(o->get_description()) + "'";
    return out;
  };
  auto commands = Commands(app);
  std::reverse(commands.begin(), commands.end());
  for (const auto& [path, c] : commands)
    cases += "    '" + path + " '*) commands=(" + described(*c) + ") options=(" + options(*c) + options(app) + ") ;;\n";
  return "#compdef " + name + "\n_" + name + "() {\n  local -a commands options\n" +
         "  case \"${words[2,CURRENT-1]} \" in\n" + cases + "    *) commands=(" + described(app) + ") options=(" +
         options(app) + ") ;;\n  esac\n  _describe command commands\n  _describe option options\n  _files\n}\n_" +
         name + " \"$@\"\n";
}

std::string Fish(const CLI::App& app) {
  std::string name = app.get_name(), out = "# fish completion of " + name + "\n";
  for (const auto& [path, c] : Commands(app)) {
    auto words = SplitNonEmpty(path, ' ');
    std::string given = "'__fish_seen_subcommand_from " + Join(words, "; and __fish_seen_subcommand_from ") + "'";
    std::string above = words.size() == 1 ? "__fish_use_subcommand" : "'__fish_seen_subcommand_from " + words[0] + "'";
    out +=
        "complete -c " + name + " -n " + above + " -a " + words.back() + " -d '" + Plain(c->get_description()) + "'\n";
    for (const CLI::Option* o : c->get_options())
      for (const std::string& l : o->get_lnames())
        out += "complete -c " + name + " -n " + given + " -l " + l + " -d '" + Plain(o->get_description()) + "'\n";
  }
  return out;
}

// Text in roff: a line that begins with a dot or a quote, and backslashes, mean something there.
std::string Roff(const std::string& text) {
  std::string out = ReplaceAll(ReplaceAll(text, "\\", "\\e"), "-", "\\-");
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string OptionsIn(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* o : app.get_options()) {
    if (o->get_name(false, true).empty()) continue;
    std::string names = Join(SplitNonEmpty(o->get_name(o->get_positional(), true), ','), ", ");
    if (!o->get_default_str().empty()) names += " (default " + o->get_default_str() + ")";
    out += ".TP\n.B " + Roff(names) + "\n" + Roff(o->get_description()) + "\n";
  }
  return out;
}

}  // namespace

std::string Completion(const CLI::App& app, const std::string& shell) {
  return shell == "bash" ? Bash(app) : shell == "zsh" ? Zsh(app) : Fish(app);
}

std::string ManualPage(const CLI::App& app, const std::string& version) {
  std::string name = app.get_name(), upper = name;
  for (char& c : upper) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  std::string out = ".TH " + upper + " 1 \"\" \"" + name + " " + version + "\"\n.SH NAME\n" + name + " \\- " +
                    Roff(app.get_description()) + "\n.SH SYNOPSIS\n.B " + name +
                    "\n[\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]\n.SH OPTIONS\n" + OptionsIn(app) +
                    ".SH COMMANDS\n";
  for (const auto& [path, c] : Commands(app))
    out += ".SS " + path + "\n" + Roff(c->get_description()) + "\n" + OptionsIn(*c);
  return out +
         ".SH EXIT STATUS\n0: done. 1: it could not be carried out. 2: refused before anything changed. 3: not "
         "complete, or something is wrong. 130: interrupted.\n.SH ENVIRONMENT\n.TP\n.B KUBECONFIG\nPath of the "
         "kubeconfig file.\n.TP\n.B NO_COLOR\nNo colours.\n";
}

}  // namespace fairlead::cmd
