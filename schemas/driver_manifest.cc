// Driver: where environments live. Its secrets are the platform's.
#include "schemas/checks.h"
#include "schemas/manifest_kinds.h"

namespace tidegate {
namespace {

constexpr Origin platform{SecretRef::Scope::platform, false};

std::optional<MariaDbServer> read_mariadb(const Value& value) {
  const Fields fields(value, {"socket", "host", "port", "user", "password", "prefix"});
  if (value.node().kind != Node::Kind::map) return std::nullopt;
  MariaDbServer server;
  const auto socket = fields.find("socket"), host = fields.find("host"), port = fields.find("port");
  if (!socket == !host) value.wrong("needs a socket or a host: write exactly one of them");
  if (socket) {
    server.socket = socket->text(wrong_absolute_path).value_or("");
    if (server.socket.size() > 107)
      socket->wrong("is longer than 107 bytes: no socket can be there");
  }
  if (host) server.host = host->text(wrong_database_host).value_or("");
  if (port) {
    server.port = static_cast<int>(port->integer(1, 65535).value_or(server.port));
    if (!host) port->wrong("goes with a host only: remove it");
  }
  if (const auto user = fields.need("user", "write the database user to connect as"))
    server.user = user->text(wrong_database_user).value_or("");
  if (const auto password = fields.find("password"))
    server.password = read_secret(*password, platform);
  if (const auto prefix = fields.find("prefix"))
    server.prefix = prefix->text(wrong_database_prefix).value_or(server.prefix);
  return server;
}

void read_host(const Value& value, HostDriverSpec& driver) {
  const Fields fields(value, {"root", "runAs", "isolation", "keepReleases", "mariadb", "sqlite"},
                      {"ssh", "postgresql", "mysql"});
  if (const auto root = fields.need("root", "write the directory that environments live in"))
    driver.root = root->text(wrong_absolute_path).value_or("");
  if (const auto run_as = fields.find("runAs"))
    driver.run_as = run_as->text(wrong_run_as).value_or("");
  if (const auto isolation = fields.find("isolation"))
    driver.sandbox = isolation->one_of({"sandbox", "none"}).value_or("sandbox") == "sandbox";
  if (const auto keep = fields.find("keepReleases"))
    driver.keep_releases = static_cast<int>(keep->integer(1, 100).value_or(driver.keep_releases));
  if (const auto mariadb = fields.find("mariadb")) driver.mariadb = read_mariadb(*mariadb);
  if (const auto sqlite = fields.find("sqlite")) Fields(*sqlite, {});
}

}  // namespace

HostDriverSpec read_driver(const Value& spec, const std::string& name) {
  HostDriverSpec driver;
  driver.name = name;
  const Fields fields(spec, {"host"}, {"pantheon", "platformsh", "ssh"});
  // A platform that is not built yet was told of already; "host is missing" would mislead.
  const bool later = fields.count({"pantheon", "platformsh", "ssh"}) > 0;
  const auto host = later ? fields.find("host") : fields.need("host", "write host: {root: /path}");
  if (host) read_host(*host, driver);
  return driver;
}

}  // namespace tidegate
