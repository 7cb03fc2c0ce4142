#include "controller/commands/identity.h"

#include <cstdlib>

#include "controller/process/process.h"

namespace tidegate {

std::string git_says(const std::string& directory, const char* what) {
  ProcessRequest request;
  request.argv = {"git", "config", what};
  for (const char* name : {"HOME", "PATH", "XDG_CONFIG_HOME"}) {
    if (const char* value = std::getenv(name)) request.environment[name] = value;
  }
  request.environment.emplace("PATH", "/usr/bin:/bin");
  request.directory = directory;
  request.deadline = std::chrono::seconds(5);
  auto result = run_process(request);
  if (!result || !result->succeeded()) return "";
  return result->output.substr(0, result->output.find('\n'));
}

std::optional<std::pair<std::string, std::string>> name_and_mail(const std::string& author) {
  const auto open = author.find(" <");
  if (open == std::string::npos || open == 0 || !author.ends_with('>')) return std::nullopt;
  std::string name = author.substr(0, open);
  std::string mail = author.substr(open + 2, author.size() - open - 3);
  const std::string barred("<>\n\0", 4);
  if (mail.empty() || name.find_first_of(barred) != name.npos ||
      mail.find_first_of(barred) != mail.npos)
    return std::nullopt;
  return std::pair(std::move(name), std::move(mail));
}

}  // namespace tidegate
