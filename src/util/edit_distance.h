// How different two words are: to find the one that was meant.
#pragma once
#include <string_view>

namespace fairlead {

// How many letters must be changed, added or left out to make one of the other (Levenshtein).
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace fairlead
