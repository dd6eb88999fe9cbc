// For tests: feeds a parser with damaged copies of good inputs. The sequence is the same in each run.
#pragma once
#include <random>
#include <string>
#include <vector>

namespace fairlead {

// Calls `parse` with `count` mutations of each seed: bytes flipped, removed, repeated, cut off, and spliced with other
// seeds.
template <class Parse>
void ForEachMutation(const std::vector<std::string>& seeds, int count, Parse parse) {
  std::mt19937 random(20260101);
  auto pick = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  constexpr std::string_view kInteresting = "{}[]()\"'\\:,|-&*!%@`\n\t #\0\xff$.=/";
  for (const std::string& seed : seeds) {
    parse(seed);
    for (int i = 0; i < count; ++i) {
      std::string text = seed;
      for (size_t steps = 1 + pick(4); steps > 0; --steps) {
        size_t at = pick(text.size() + 1);
        switch (pick(6)) {
          case 0:
            if (at < text.size()) text[at] = kInteresting[pick(kInteresting.size())];
            break;
          case 1: text.insert(at, 1, kInteresting[pick(kInteresting.size())]); break;
          case 2: text.erase(at, pick(8)); break;
          case 3: text.insert(at, text.substr(at, pick(16))); break;
          case 4: text.resize(at); break;
          default: {
            const std::string& other = seeds[pick(seeds.size())];
            text = text.substr(0, at) + other.substr(std::min(other.size(), at));
          }
        }
      }
      parse(text);
    }
  }
}

}  // namespace fairlead
