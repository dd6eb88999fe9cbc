// What differs between two texts, line by line.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fairlead {

struct DiffLine {
  char mark;              // ' ' in both, '-' only in the first, '+' only in the second
  std::string_view text;  // without its newline; a part of the text that it comes from
};

// As few marked lines as can be; where that would take too long, everything in between is marked.
std::vector<DiffLine> DiffLines(std::string_view before, std::string_view after);
// Each line as "MARK TEXT\n". With `context` >= 0 only so many unchanged lines are kept around the changed ones, and
// "..." stands for the others. "" when the texts are equal.
std::string DiffText(std::string_view before, std::string_view after, int context);

}  // namespace fairlead
