#include "util/line_diff.h"

#include <algorithm>

namespace fairlead {
namespace {

using Lines = std::vector<std::string_view>;

constexpr int kMaxChanges = 2000;

Lines SplitLines(std::string_view text) {
  Lines out;
  while (!text.empty()) {
    size_t end = text.find('\n');
    out.push_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return out;
}

// E. Myers, "An O(ND) Difference Algorithm": furthest[d] holds, for each diagonal, how far d changes reach.
void Shortest(const Lines& a, const Lines& b, std::vector<DiffLine>& out) {
  const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
  std::vector<std::vector<int>> furthest;
  auto at = [&](int d, int k) -> int& { return furthest[static_cast<size_t>(d)][static_cast<size_t>(k + d)]; };
  auto begins_below = [&](int d, int k) { return k == -d || (k != d && at(d - 1, k - 1) < at(d - 1, k + 1)); };
  int changes = -1;
  for (int d = 0; changes < 0 && d <= std::min(n + m, kMaxChanges); ++d) {
    furthest.emplace_back(static_cast<size_t>(2 * d + 1));
    for (int k = -d; k <= d; k += 2) {
      int x = d == 0 ? 0 : begins_below(d, k) ? at(d - 1, k + 1) : at(d - 1, k - 1) + 1;
      while (x < n && x - k < m && a[static_cast<size_t>(x)] == b[static_cast<size_t>(x - k)]) ++x;
      at(d, k) = x;
      if (x >= n && x - k >= m) {
        changes = d;
        break;
      }
    }
  }
  if (changes < 0) {
    for (std::string_view line : a) out.push_back({'-', line});
    for (std::string_view line : b) out.push_back({'+', line});
    return;
  }
  std::vector<DiffLine> reversed;
  int x = n, y = m;
  for (int d = changes; d >= 0; --d) {
    int k = x - y;
    bool below = d > 0 && begins_below(d, k);
    int after_change = d == 0 ? 0 : below ? at(d - 1, k + 1) : at(d - 1, k - 1) + 1;
    for (; x > after_change; --y) reversed.push_back({' ', a[static_cast<size_t>(--x)]});
    if (d == 0) break;
    if (below)
      reversed.push_back({'+', b[static_cast<size_t>(--y)]});
    else
      reversed.push_back({'-', a[static_cast<size_t>(--x)]});
  }
  out.insert(out.end(), reversed.rbegin(), reversed.rend());
}

}  // namespace

std::vector<DiffLine> DiffLines(std::string_view before, std::string_view after) {
  Lines a = SplitLines(before), b = SplitLines(after);
  size_t head = 0, tail = 0, shorter = std::min(a.size(), b.size());
  while (head < shorter && a[head] == b[head]) ++head;
  while (tail < shorter - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  std::vector<DiffLine> out;
  for (size_t i = 0; i < head; ++i) out.push_back({' ', a[i]});
  auto middle = [&](const Lines& lines) {
    return Lines(lines.begin() + static_cast<ptrdiff_t>(head), lines.end() - static_cast<ptrdiff_t>(tail));
  };
  Shortest(middle(a), middle(b), out);
  for (size_t i = a.size() - tail; i < a.size(); ++i) out.push_back({' ', a[i]});
  return out;
}

std::string DiffText(std::string_view before, std::string_view after, int context) {
  std::vector<DiffLine> lines = DiffLines(before, after);
  std::vector<bool> kept(lines.size(), context < 0);
  bool any = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].mark == ' ') continue;
    any = true;
    auto around = static_cast<size_t>(std::max(context, 0));
    for (size_t k = i - std::min(i, around); k < std::min(lines.size(), i + around + 1); ++k) kept[k] = true;
  }
  if (!any) return "";
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (kept[i])
      out += std::string(1, lines[i].mark) + " " + std::string(lines[i].text) + "\n";
    else if (i == 0 || kept[i - 1])
      out += "...\n";
  }
  return out;
}

}  // namespace fairlead
