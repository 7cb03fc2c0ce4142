#pragma once
// A real MariaDB server for the tests of this folder, started once in each test program, and the
// engine on it with exactly the rights that messages tell an administrator to give.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "controller/host/databases/engine.h"
#include "controller/host/databases/mariadb_connection.h"

namespace tidegate {

class MariaDbTestServer {
 public:
  /// Null when it did not start; the reason was printed.
  static MariaDbTestServer* get() {
    static std::unique_ptr<MariaDbTestServer> server = start();
    return server.get();
  }
  ~MariaDbTestServer() {
    if (process_ > 0) {  // -1 would be every process of the machine.
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }

  MariaDbServer settings(const std::string& user) const {
    MariaDbServer server;
    server.socket = directory_ + "/socket";
    server.user = user;
    return server;
  }
  MariaDbConnection connect(const std::string& user = "root", const std::string& password = "") {
    auto connection = MariaDbConnection::open(settings(user), password);
    if (!connection) throw std::runtime_error(connection.error().message);
    return std::move(*connection);
  }
  void halt() { ::kill(process_, SIGSTOP); }
  void resume() { ::kill(process_, SIGCONT); }

 private:
  explicit MariaDbTestServer(std::string directory) : directory_(std::move(directory)) {}

  static std::unique_ptr<MariaDbTestServer> start() {
    char name[] = "/tmp/tidegate-mariadb-XXXXXX";
    std::unique_ptr<MariaDbTestServer> server(new MariaDbTestServer(::mkdtemp(name)));
    const std::string data = server->directory_ + "/data";
    // A server that starts clears its own TMPDIR of temporary tables: also those of a neighbour.
    const std::string apart = "TMPDIR=" + server->directory_ + " ";
    const std::string user = ::geteuid() == 0 ? " --user=root" : "";
    if (std::system((apart +
                     "mariadb-install-db --no-defaults --auth-root-authentication-method=normal "
                     "--skip-test-db --datadir=" +
                     data + user + " >" + server->directory_ + "/install.log 2>&1")
                        .c_str()) != 0)
      return failed(*server, "/install.log");
    server->process_ = ::fork();
    if (server->process_ < 0) return failed(*server, "/install.log");
    if (server->process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const std::string command =
          apart +
          "exec /usr/sbin/mariadbd --no-defaults --skip-networking --event-scheduler=ON "
          "--innodb-buffer-pool-size=128M --innodb-flush-log-at-trx-commit=0 --datadir=" +
          data + " --socket=" + server->directory_ + "/socket --pid-file=" + server->directory_ +
          "/pid" + user + " >" + server->directory_ + "/server.log 2>&1";
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 600; ++i) {
      if (MariaDbConnection::open(server->settings("root"), "")) return server;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return failed(*server, "/server.log");
  }

  static std::nullptr_t failed(const MariaDbTestServer& server, const std::string& log) {
    std::cerr << std::ifstream(server.directory_ + log).rdbuf() << std::endl;
    return nullptr;
  }

  const std::string directory_;
  pid_t process_ = -1;
};

class MariaDbTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = MariaDbTestServer::get();
    ASSERT_NE(nullptr, server_) << "mariadbd did not start: is mariadb-server installed?";
    char name[] = "/tmp/tidegate-users-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    state_ = name;
    admin_ = std::make_unique<MariaDbConnection>(server_->connect());
    run("CREATE OR REPLACE USER tidegate@localhost IDENTIFIED BY 'secret'");
    const std::string grants = mariadb_grants(server_->settings("tidegate"));
    for (std::size_t at = 0; at < grants.size();) {
      const std::size_t end = std::min(grants.find("; ", at), grants.size());
      run(grants.substr(at, end - at));
      at = end + 2;
    }
    engine_ = make_mariadb_engine(server_->settings("tidegate"), "secret", state_);
  }

  void TearDown() override {
    if (admin_) {
      auto all = admin_->rows("SHOW DATABASES LIKE 'tg\\_%'");
      for (const auto& row : *all) run("DROP DATABASE " + quote_name(row[0]));
      auto users = admin_->rows("SELECT user, host FROM mysql.user WHERE user LIKE 'tg\\_%'");
      for (const auto& row : *users)
        run("DROP USER " + quote_name(row[0]) + "@" + quote_name(row[1]));
    }
    std::filesystem::remove_all(state_);
  }

  void run(const std::string& statement) { run_on(*admin_, statement); }
  static void run_on(MariaDbConnection& connection, const std::string& statement) {
    auto done = connection.run(statement);
    ASSERT_TRUE(done) << statement << ": " << done.error().message;
  }
  /// All values, columns apart by '|', rows by newline.
  std::string ask(const std::string& query) { return ask_on(*admin_, query); }
  static std::string ask_on(MariaDbConnection& connection, const std::string& query) {
    auto rows = connection.rows(query);
    if (!rows) return rows.error().message;
    std::string text;
    for (const auto& row : *rows) {
      if (!text.empty()) text += '\n';
      for (std::size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "|" : "") + row[i];
    }
    return text;
  }

  std::string made(const Owner& owner, const std::string& content) {
    const std::string physical =
        engine_->physical({owner.site, owner.environment, "main", content});
    auto done = engine_->create(physical, owner);
    EXPECT_TRUE(done) << done.error().message;
    return physical;
  }
  Result<void> copied(const std::string& from, const std::string& to, const Owner& owner) {
    return engine_->copy(from, to, owner, {}, {});
  }
  /// A connection as the environment's own user, by the URL that its release gets.
  MariaDbConnection as(const Owner& owner, const std::string& physical) {
    const std::string url = engine_->access(physical, owner)->url;
    const std::size_t user = 8, colon = url.find(':', user), at = url.find('@');
    auto connection =
        server_->connect(url.substr(user, colon - user), url.substr(colon + 1, at - colon - 1));
    return connection;
  }

  MariaDbTestServer* server_ = nullptr;
  std::string state_;
  std::unique_ptr<MariaDbConnection> admin_;
  std::unique_ptr<DatabaseEngine> engine_;
  const Owner live_{"acme", "live", std::nullopt}, test_{"acme", "test", std::nullopt};
};

}  // namespace tidegate
