#include "schemas/command_line.h"

#include <algorithm>
#include <string_view>

#include "schemas/text.h"

namespace tidegate {
namespace {

constexpr std::string_view shell_words[]{"&&", "||", "|", "&", ">", ">>", "<", "<<", "2>", "2>&1"};

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// One pass over the line. `word_` is the word being read; `quoted_` says whether any of it was.
class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  Result<std::vector<std::string>> split() {
    while (at_ < line_.size()) {
      if (auto error = step()) return std::move(*error);
    }
    if (auto error = end_word()) return std::move(*error);
    if (words_.empty()) return invalid("is empty: write a command");
    if (words_.front().empty()) return invalid("has an empty first word: write a program's name");
    return std::move(words_);
  }

 private:
  std::optional<Error> step() {
    const char c = line_[at_++];
    if (c == '\n') return invalid("has a line break outside quotes: write one command a list item");
    if (is_blank(c)) return end_word();
    in_word_ = true;
    if (c == '\'') return single_quoted();
    if (c == '"') return double_quoted();
    if (c != '\\') {
      word_ += c;
      return std::nullopt;
    }
    quoted_ = true;
    if (at_ == line_.size()) return invalid("ends in a backslash: nothing follows to escape");
    if (line_[at_] != '\n') word_ += line_[at_];
    ++at_;
    return std::nullopt;
  }

  std::optional<Error> single_quoted() {
    quoted_ = true;
    const std::size_t end = line_.find('\'', at_);
    if (end == std::string_view::npos) return invalid("has a ' that is never closed");
    word_ += line_.substr(at_, end - at_);
    at_ = end + 1;
    return std::nullopt;
  }

  std::optional<Error> double_quoted() {
    quoted_ = true;
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '"') return std::nullopt;
      const bool escapes = c == '\\' && at_ < line_.size() &&
                           std::string_view("$`\"\\\n").find(line_[at_]) != std::string_view::npos;
      if (!escapes) {
        word_ += c;
      } else if (line_[at_++] != '\n') {
        word_ += line_[at_ - 1];
      }
    }
    return invalid("has a \" that is never closed");
  }

  std::optional<Error> end_word() {
    if (!in_word_) return std::nullopt;
    const bool for_a_shell = !quoted_ && std::find(std::begin(shell_words), std::end(shell_words),
                                                   word_) != std::end(shell_words);
    if (for_a_shell)
      return invalid("has " + quote(word_) + ", which only a shell understands: write sh -c '…'");
    words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = quoted_ = false;
    return std::nullopt;
  }

  std::string_view line_;
  std::size_t at_ = 0;
  std::string word_;
  bool in_word_ = false, quoted_ = false;
  std::vector<std::string> words_;
};

}  // namespace

Result<std::vector<std::string>> split_command(const std::string& text) {
  if (text.find('\0') != std::string::npos) return invalid("has a NUL character");
  std::string_view line = text;
  // A YAML block scalar ends in a line break that nobody meant.
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  return Splitter(line).split();
}

}  // namespace tidegate
