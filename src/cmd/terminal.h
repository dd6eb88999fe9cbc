// What standard output is, and text that replaces itself on it.
#pragma once
#include <string>
#include <vector>

namespace fairlead::cmd {

struct Terminal {
  bool is_terminal = false, color = false;
  size_t width = 80, height = 24;
};
// Colours only on a terminal, and not with NO_COLOR or TERM=dumb.
Terminal LookAtTerminal();

// Lines that are written over by the next ones.
class LiveText {
 public:
  void Show(const std::vector<std::string>& lines);

 private:
  size_t shown_ = 0;
};

}  // namespace fairlead::cmd
