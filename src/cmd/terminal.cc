#include "cmd/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fairlead::cmd {

Terminal LookAtTerminal() {
  Terminal t;
  const char* term = getenv("TERM");
  t.is_terminal = ::isatty(STDOUT_FILENO) == 1 && !(term && strcmp(term, "dumb") == 0);
  const char* no_color = getenv("NO_COLOR");
  t.color = t.is_terminal && !(no_color && *no_color);
  winsize size{};
  if (t.is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    t.width = size.ws_col;
    t.height = size.ws_row;
  }
  return t;
}

void LiveText::Show(const std::vector<std::string>& lines) {
  std::string out;
  if (shown_ > 0) out += "\x1b[" + std::to_string(shown_) + "A";
  for (const std::string& line : lines) out += "\r\x1b[K" + line + "\n";
  if (lines.size() < shown_) out += "\x1b[J";  // what is left of longer text
  shown_ = lines.size();
  fwrite(out.data(), 1, out.size(), stdout);
  fflush(stdout);
}

}  // namespace fairlead::cmd
