// Requests and answers of a transfer as lines of text.

#include "controller/git/transfer_protocol.h"

#include <array>
#include <sstream>
#include <utility>

namespace tidegate {

namespace {

constexpr std::array<std::pair<TransferRequest::Action, const char*>, 3> actions{{
    {TransferRequest::Action::look, "look"},
    {TransferRequest::Action::refresh, "refresh"},
    {TransferRequest::Action::push, "push"},
}};

constexpr std::array<std::pair<const char*, std::string TransferRequest::*>, 9> fields{{
    {"url", &TransferRequest::url},
    {"mirror", &TransferRequest::mirror},
    {"username", &TransferRequest::username},
    {"password", &TransferRequest::password},
    {"key", &TransferRequest::key_file},
    {"known-hosts", &TransferRequest::known_hosts_file},
    {"reference", &TransferRequest::reference},
    {"commit", &TransferRequest::commit},
    {"expected", &TransferRequest::expected},
}};

constexpr std::array<std::pair<ErrorKind, const char*>, 3> kinds{{
    {ErrorKind::invalid, "invalid"},
    {ErrorKind::site, "site"},
    {ErrorKind::transient, "transient"},
}};

/// Cuts "key value" at the first space.
std::pair<std::string, std::string> cut(const std::string& line) {
  const auto space = line.find(' ');
  if (space == line.npos) return {line, ""};
  return {line.substr(0, space), line.substr(space + 1)};
}

Error garbled() { return {ErrorKind::transient, "the git transfer ended without an answer"}; }

}  // namespace

Result<std::string> encode(const TransferRequest& request) {
  std::string text;
  for (const auto& [action, name] : actions)
    if (action == request.action) text += std::string("action ") + name + "\n";
  for (const auto& [key, member] : fields) {
    const std::string& value = request.*member;
    if (value.find_first_of(std::string("\n\r\0", 3)) != value.npos)
      return Error{ErrorKind::invalid, std::string("the ") + key + " for git has a line break"};
    if (!value.empty()) text += std::string(key) + " " + value + "\n";
  }
  return text;
}

Result<TransferRequest> decode_request(const std::string& text) {
  TransferRequest request;
  std::istringstream lines(text);
  bool known = false;
  for (std::string line; std::getline(lines, line);) {
    const auto [key, value] = cut(line);
    bool used = false;
    for (const auto& [action, name] : actions)
      if (key == "action" && value == name) request.action = action, known = used = true;
    for (const auto& [name, member] : fields)
      if (key == name) request.*member = value, used = true;
    if (!used) return Error{ErrorKind::invalid, "unknown line \"" + key + "\" in a git request"};
  }
  if (!known) return Error{ErrorKind::invalid, "a git request without action"};
  return request;
}

std::string encode(const Result<TransferAnswer>& answer) {
  if (!answer) {
    for (const auto& [kind, name] : kinds)
      if (kind == answer.error().kind)
        return std::string("error ") + name + " " + answer.error().message + "\n";
  }
  std::string text;
  for (const auto& [name, reference] : answer->references)
    text += "reference " + reference.oid + " " +
            (reference.peeled.empty() ? "-" : reference.peeled) + " " + name + "\n";
  return text + (answer->changed ? "changed\n" : "unchanged\n");
}

Result<TransferAnswer> decode_answer(const std::string& text) {
  TransferAnswer answer;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto [key, value] = cut(line);
    if (key == "error") {
      const auto [kind_name, message] = cut(value);
      for (const auto& [kind, name] : kinds)
        if (kind_name == name) return Error{kind, message};
      return garbled();
    }
    if (key == "changed" || key == "unchanged") {
      answer.changed = key == "changed";
      return answer;
    }
    const auto [oid, rest] = cut(value);
    const auto [peeled, name] = cut(rest);
    if (key != "reference" || oid.size() != 40 || name.empty()) return garbled();
    answer.references[name] = {oid, peeled == "-" ? "" : peeled};
  }
  return garbled();
}

}  // namespace tidegate
