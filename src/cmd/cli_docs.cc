#include "cmd/cli_docs.h"

#include <CLI/CLI.hpp>

#include "util/strings.h"

namespace fairlead::cmd {
namespace {

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); });
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
  std::string name = app.get_name(), commands, cases;
  for (const CLI::App* c : Commands(app)) {
    commands += c->get_name() + " ";
    cases += "    " + c->get_name() + ") words=\"" + Join(Flags(*c), " ") + "\" ;;\n";
  }
  return "# bash completion of " + name + "; source it, or put it into /etc/bash_completion.d\n_" + name +
         "() {\n  local word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"\" words=\"\" i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"${COMP_WORDS[i]}\" in -*) ;; *) command=\"${COMP_WORDS[i]}\"; break ;; esac\n  done\n"
         "  case \"$command\" in\n    \"\") words=\"" +
         commands + Join(Flags(app), " ") + "\" ;;\n" + cases + "  esac\n  words=\"$words " + Join(Flags(app), " ") +
         "\"\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _" + name + " " + name +
         "\n";
}

std::string Zsh(const CLI::App& app) {
  std::string name = app.get_name(), commands, cases;
  auto options = [](const CLI::App& of) {
    std::string out;
    for (const CLI::Option* o : of.get_options())
      for (const std::string& l : o->get_lnames()) out += " '--" + l + ":" + Plain(o->get_description()) + "'";
    return out;
  };
  for (const CLI::App* c : Commands(app)) {
    commands += "    '" + c->get_name() + ":" + Plain(c->get_description()) + "'\n";
    cases += "    " + c->get_name() + ") options=(" + options(*c) + options(app) + ") ;;\n";
  }
  return "#compdef " + name + "\n_" + name + "() {\n  local -a commands options\n  commands=(\n" + commands +
         "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  case \"${words[2]}\" "
         "in\n" +
         cases + "  esac\n  _describe option options\n  _files\n}\n_" + name + " \"$@\"\n";
}

std::string Fish(const CLI::App& app) {
  std::string name = app.get_name(), out = "# fish completion of " + name + "\n";
  for (const CLI::App* c : Commands(app)) {
    out += "complete -c " + name + " -n __fish_use_subcommand -a " + c->get_name() + " -d '" +
           Plain(c->get_description()) + "'\n";
    for (const CLI::Option* o : c->get_options())
      for (const std::string& l : o->get_lnames())
        out += "complete -c " + name + " -n '__fish_seen_subcommand_from " + c->get_name() + "' -l " + l + " -d '" +
               Plain(o->get_description()) + "'\n";
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
  for (const CLI::App* c : Commands(app))
    out += ".SS " + c->get_name() + "\n" + Roff(c->get_description()) + "\n" + OptionsIn(*c);
  return out +
         ".SH EXIT STATUS\n0: done. 1: it could not be carried out. 2: refused before anything changed. 3: not "
         "complete, or something is wrong. 130: interrupted.\n.SH ENVIRONMENT\n.TP\n.B KUBECONFIG\nPath of the "
         "kubeconfig file.\n.TP\n.B NO_COLOR\nNo colours.\n";
}

}  // namespace fairlead::cmd
