#include "controller/host/files/diff_text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tidegate::files {
namespace {

constexpr std::size_t context = 3;
/// Cells of the table of common subsequences (two bytes each) beyond which we replace whole.
constexpr std::size_t table_limit = 4'000'000;

using Lines = std::vector<std::string_view>;

/// Lines with their newline, so that a missing one at the end shows as a difference.
Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

/// One line of the result: kept (' '), removed ('-') or added ('+').
struct Edit {
  char sign;
  std::string_view line;
};

void append(std::vector<Edit>& edits, char sign, const Lines& lines, std::size_t begin,
            std::size_t end) {
  for (std::size_t index = begin; index < end; ++index) edits.push_back({sign, lines[index]});
}

/// Edits between old[begin, old_end) and now[begin, now_end), by a table of the longest common
/// subsequences of all their ends.
void compare_middle(std::vector<Edit>& edits, const Lines& old, const Lines& now, std::size_t begin,
                    std::size_t old_end, std::size_t now_end) {
  const std::size_t rows = old_end - begin, columns = now_end - begin, width = columns + 1;
  if ((rows + 1) * width > table_limit) {
    append(edits, '-', old, begin, old_end);
    append(edits, '+', now, begin, now_end);
    return;
  }
  // Lengths fit: the shorter side has fewer lines than the root of the limit.
  std::vector<std::uint16_t> length((rows + 1) * width);
  for (std::size_t row = rows; row-- > 0;) {
    for (std::size_t column = columns; column-- > 0;) {
      const std::size_t cell = row * width + column;
      length[cell] = old[begin + row] == now[begin + column]
                         ? static_cast<std::uint16_t>(length[cell + width + 1] + 1)
                         : std::max(length[cell + width], length[cell + 1]);
    }
  }
  std::size_t row = 0, column = 0;
  while (row < rows && column < columns) {
    const std::size_t cell = row * width + column;
    if (old[begin + row] == now[begin + column]) {
      edits.push_back({' ', old[begin + row]});
      ++row, ++column;
    } else if (length[cell + width] >= length[cell + 1]) {
      edits.push_back({'-', old[begin + row++]});
    } else {
      edits.push_back({'+', now[begin + column++]});
    }
  }
  append(edits, '-', old, begin + row, old_end);
  append(edits, '+', now, begin + column, now_end);
}

std::vector<Edit> compare(const Lines& old, const Lines& now) {
  const std::size_t shorter = std::min(old.size(), now.size());
  std::size_t begin = 0, same_end = 0;
  while (begin < shorter && old[begin] == now[begin]) ++begin;
  while (same_end < shorter - begin &&
         old[old.size() - 1 - same_end] == now[now.size() - 1 - same_end]) {
    ++same_end;
  }
  std::vector<Edit> edits;
  append(edits, ' ', old, 0, begin);
  compare_middle(edits, old, now, begin, old.size() - same_end, now.size() - same_end);
  append(edits, ' ', old, old.size() - same_end, old.size());
  return edits;
}

std::string range(std::size_t first, std::size_t count) {
  // An empty range is named by the line before it.
  const std::string start = std::to_string(count == 0 ? first : first + 1);
  return count == 1 ? start : start + ',' + std::to_string(count);
}

}  // namespace

bool is_text(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value < 0x20 && value != '\t' && value != '\n' && value != '\r' && value != 0x1b;
  });
}

std::string hunks(std::string_view before, std::string_view after) {
  const Lines old = lines_of(before), now = lines_of(after);
  const std::vector<Edit> edits = compare(old, now);
  std::string text;
  std::size_t old_line = 0, now_line = 0;
  for (std::size_t at = 0; at < edits.size();) {
    std::size_t first = at;
    while (first < edits.size() && edits[first].sign == ' ') ++first;
    if (first == edits.size()) break;
    const std::size_t begin = std::max(at, first - std::min(first, context));
    // The hunk goes on as long as the next change is so near that their contexts meet.
    std::size_t end = first;
    for (std::size_t index = first; index < edits.size() && index < end + 2 * context + 1;
         ++index) {
      if (edits[index].sign != ' ') end = index;
    }
    end = std::min(edits.size(), end + context + 1);
    old_line += begin - at;
    now_line += begin - at;
    std::string body;
    std::size_t old_count = 0, now_count = 0;
    for (std::size_t index = begin; index < end; ++index) {
      const Edit& edit = edits[index];
      if (edit.sign != '+') ++old_count;
      if (edit.sign != '-') ++now_count;
      body.append(1, edit.sign).append(edit.line);
      if (!edit.line.ends_with('\n')) body += "\n\\ No newline at end of file\n";
    }
    text +=
        "@@ -" + range(old_line, old_count) + " +" + range(now_line, now_count) + " @@\n" + body;
    old_line += old_count;
    now_line += now_count;
    at = end;
  }
  return text;
}

}  // namespace tidegate::files
