#include "controller/store/outbox.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace tidegate {
namespace {

Result<void> insert(Connection& connection, const std::vector<OutboxMessage>& messages) {
  Result<void> done;
  for (auto it = messages.begin(); done && it != messages.end(); ++it)
    done = connection.run(
        "INSERT INTO outbox (receiver, id, at, body) VALUES (?, ?, ?, ?)",
        {it->receiver, it->id, std::int64_t{it->at.time_since_epoch().count()}, it->body});
  return done;
}

}  // namespace

Result<std::unique_ptr<Outbox>> Outbox::open(const std::string& path) {
  std::error_code ignored;
  std::unique_ptr<Outbox> outbox(
      new Outbox(std::filesystem::absolute(path, ignored).lexically_normal()));
  auto opened = outbox->file_.use([](Connection&) -> Result<void> { return {}; });
  if (!opened) return std::move(opened.error());
  return outbox;
}

Result<void> Outbox::put(const std::string& site, const UnrestTexts& unrest,
                         const std::vector<OutboxMessage>& messages) {
  return file_.use([&](Connection& connection) {
    return connection.transaction([&]() -> Result<void> {
      auto done = connection.run("DELETE FROM unrest WHERE site = ?", {site});
      for (auto it = unrest.begin(); done && it != unrest.end(); ++it)
        done = connection.run("INSERT INTO unrest (site, environment, json) VALUES (?, ?, ?)",
                              {site, it->first, it->second});
      return done ? insert(connection, messages) : done;
    });
  });
}

Result<void> Outbox::add(const std::vector<OutboxMessage>& messages) {
  return file_.use([&](Connection& connection) {
    return connection.transaction([&] { return insert(connection, messages); });
  });
}

Result<std::map<std::string, UnrestTexts>> Outbox::unrest() {
  return file_.use([](Connection& connection) -> Result<std::map<std::string, UnrestTexts>> {
    std::map<std::string, UnrestTexts> all;
    auto read = connection.each(
        "SELECT site, environment, json FROM unrest", {},
        [&](const Row& row) { all[row.text(0)].emplace(row.text(1), row.text(2)); });
    if (!read) return std::move(read.error());
    return all;
  });
}

Result<std::optional<OutboxMessage>> Outbox::first(const std::string& receiver) {
  return file_.use([&](Connection& connection) -> Result<std::optional<OutboxMessage>> {
    std::optional<OutboxMessage> found;
    auto read = connection.each(
        "SELECT sequence, id, at, body FROM outbox WHERE receiver = ? ORDER BY sequence LIMIT 1",
        {receiver}, [&](const Row& row) {
          found = OutboxMessage{receiver, row.text(1), Timestamp(Duration(row.integer(2))),
                                row.text(3), row.integer(0)};
        });
    if (!read) return std::move(read.error());
    return found;
  });
}

Result<void> Outbox::remove(std::int64_t sequence) {
  return file_.use([&](Connection& connection) {
    return connection.transaction(
        [&] { return connection.run("DELETE FROM outbox WHERE sequence = ?", {sequence}); });
  });
}

Result<std::size_t> Outbox::keep_only(const std::vector<std::string>& receivers) {
  return file_.use([&](Connection& connection) -> Result<std::size_t> {
    std::set<std::string> others;
    auto read = connection.each("SELECT DISTINCT receiver FROM outbox", {},
                                [&](const Row& row) { others.insert(row.text(0)); });
    if (!read) return std::move(read.error());
    for (const std::string& receiver : receivers) others.erase(receiver);
    std::size_t removed = 0;
    for (const std::string& receiver : others) {
      auto gone = connection.transaction(
          [&] { return connection.run("DELETE FROM outbox WHERE receiver = ?", {receiver}); });
      if (!gone) return std::move(gone.error());
      removed += connection.changed_rows();
    }
    return removed;
  });
}

}  // namespace tidegate
