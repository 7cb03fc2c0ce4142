#include "controller/service/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tidegate {
namespace {

std::string quoted(const std::string& value) {
  // Control characters of a command's output must not reach the operator's terminal.
  const bool plain = !value.empty() && std::ranges::all_of(value, [](unsigned char c) {
    return c > ' ' && c != 0x7F && c != '"' && c != '=' && c != '\\';
  });
  return plain
             ? value
             : nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

LogLineWriter make_log(const std::string& level, bool json) {
  auto logger = std::make_shared<spdlog::logger>("tidegate",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(spdlog::level::from_str(level));
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  return [logger, json](const char* at, const std::string& message,
                        const std::vector<std::pair<std::string, std::string>>& facts) {
    const auto severity = spdlog::level::from_str(at);
    if (!logger->should_log(severity)) return;
    const std::string time =
        to_rfc3339(std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()));
    std::string line;
    if (json) {
      nlohmann::ordered_json object{{"time", time}, {"level", at}, {"msg", message}};
      for (const auto& [key, value] : facts)
        if (!value.empty()) object[key] = value;
      line = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    } else {
      line = "time=" + time + " level=" + at + " msg=" + quoted(message);
      for (const auto& [key, value] : facts)
        if (!value.empty()) line += " " + key + "=" + quoted(value);
    }
    logger->log(severity, line);
  };
}

}  // namespace tidegate
