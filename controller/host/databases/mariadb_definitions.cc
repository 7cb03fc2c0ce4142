// Rewriting of definitions token by token: strings and comments are never touched.

#include "controller/host/databases/mariadb_definitions.h"

#include <algorithm>
#include <vector>

#include "controller/host/databases/mariadb_connection.h"

namespace tidegate {
namespace {

struct Token {
  enum class Kind { word, quoted_name, text, space, other };
  Kind kind;
  std::string_view text;
};

bool is_word(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Length of what a quote opens, closing quote included. A doubled quote stands for itself.
std::size_t quoted_length(std::string_view rest, bool escapes) {
  const char quote = rest[0];
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (escapes && rest[i] == '\\') {
      ++i;
    } else if (rest[i] == quote) {
      if (i + 1 < rest.size() && rest[i + 1] == quote)
        ++i;
      else
        return i + 1;
    }
  }
  return rest.size();
}

std::size_t up_to(std::string_view rest, std::string_view end) {
  const std::size_t at = rest.find(end);
  return at == std::string_view::npos ? rest.size() : at + end.size();
}

// Comments that the server executes ("/*!50003 …*/") are not comments: their inside is scanned.
std::size_t comment_length(std::string_view rest) {
  if (rest[0] == '#') return up_to(rest, "\n");
  if (rest.substr(0, 2) == "--" && (rest.size() == 2 || is_space(rest[2])))
    return up_to(rest, "\n");
  if (rest.substr(0, 2) != "/*" || rest.substr(2, 1) == "!" || rest.substr(2, 2) == "M!") return 0;
  return up_to(rest.substr(2), "*/") + 2;
}

Token next_token(std::string_view rest, bool ansi_quotes, bool escapes) {
  const auto cut = [&](Token::Kind kind, std::size_t length) {
    return Token{kind, rest.substr(0, length)};
  };
  const auto run_of = [&](auto belongs) {
    return static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), belongs) -
                                    rest.begin());
  };
  const char c = rest[0];
  if (c == '`') return cut(Token::Kind::quoted_name, quoted_length(rest, false));
  if (c == '"' && ansi_quotes) return cut(Token::Kind::quoted_name, quoted_length(rest, false));
  if (c == '"' || c == '\'') return cut(Token::Kind::text, quoted_length(rest, escapes));
  if (const std::size_t length = comment_length(rest)) return cut(Token::Kind::space, length);
  if (is_space(c)) return cut(Token::Kind::space, run_of(is_space));
  if (is_word(c)) return cut(Token::Kind::word, run_of(is_word));
  return cut(Token::Kind::other, 1);
}

std::vector<Token> tokens_of(std::string_view text, std::string_view sql_mode) {
  const bool ansi_quotes = sql_mode.find("ANSI_QUOTES") != std::string_view::npos;
  const bool escapes = sql_mode.find("NO_BACKSLASH_ESCAPES") == std::string_view::npos;
  std::vector<Token> tokens;
  while (!text.empty()) {
    tokens.push_back(next_token(text, ansi_quotes, escapes));
    text.remove_prefix(tokens.back().text.size());
  }
  return tokens;
}

std::string joined(const std::vector<Token>& tokens) {
  std::string text;
  for (const Token& token : tokens) text += token.text;
  return text;
}

bool names(const Token& token, std::string_view name) {
  if (token.kind == Token::Kind::word) return token.text == name;
  if (token.kind != Token::Kind::quoted_name || token.text.size() < 2) return false;
  return token.text.substr(1, token.text.size() - 2) == name;
}

bool is_keyword(const Token& token, std::string_view upper) {
  if (token.kind != Token::Kind::word || token.text.size() != upper.size()) return false;
  return std::equal(upper.begin(), upper.end(), token.text.begin(), [](char want, char got) {
    return want == (got >= 'a' && got <= 'z' ? got - 'a' + 'A' : got);
  });
}

// The token after `at` that is no space; tokens.size() when there is none.
std::size_t following(const std::vector<Token>& tokens, std::size_t at) {
  do {
    ++at;
  } while (at < tokens.size() && tokens[at].kind == Token::Kind::space);
  return at;
}

bool is_mark(const std::vector<Token>& tokens, std::size_t at, std::string_view mark) {
  return at < tokens.size() && tokens[at].kind == Token::Kind::other && tokens[at].text == mark;
}

}  // namespace

std::string move_qualifiers(std::string_view text, std::string_view sql_mode, std::string_view from,
                            std::string_view to) {
  auto tokens = tokens_of(text, sql_mode);
  const std::string replacement = quote_name(to);
  bool after_dot = false;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!after_dot && names(tokens[i], from) && is_mark(tokens, following(tokens, i), "."))
      tokens[i].text = replacement;
    if (tokens[i].kind != Token::Kind::space) after_dot = is_mark(tokens, i, ".");
  }
  return joined(tokens);
}

std::string replace_definer(std::string_view text, std::string_view sql_mode, std::string_view user,
                            std::string_view host) {
  auto tokens = tokens_of(text, sql_mode);
  const std::string definer = quote_name(user) + "@" + quote_name(host);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t equals = following(tokens, i);
    if (!is_keyword(tokens[i], "DEFINER") || !is_mark(tokens, equals, "=")) continue;
    const std::size_t old_user = following(tokens, equals);
    if (old_user >= tokens.size()) break;
    tokens[old_user].text = definer;
    const std::size_t at = following(tokens, old_user);
    if (!is_mark(tokens, at, "@")) break;  // a role
    tokens[at].text = "";
    if (const std::size_t old_host = following(tokens, at); old_host < tokens.size())
      tokens[old_host].text = "";
    break;
  }
  return joined(tokens);
}

std::string disable_event(std::string_view text, std::string_view sql_mode) {
  auto tokens = tokens_of(text, sql_mode);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!is_keyword(tokens[i], "PRESERVE")) continue;
    const std::size_t status = following(tokens, i);
    if (status < tokens.size() && is_keyword(tokens[status], "ENABLE"))
      tokens[status].text = "DISABLE";
    break;
  }
  return joined(tokens);
}

}  // namespace tidegate
