#pragma once
// For the tests of this folder: programs that serve, ended with their object.

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "controller/git/test_repository.h"

namespace tidegate {

class Server {
 public:
  Server(std::vector<std::string> arguments, const std::string& log) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    const int code = ::posix_spawnp(&process_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (code != 0) throw std::runtime_error("cannot start " + arguments[0]);
  }
  ~Server() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  pid_t process_ = -1;
};

/// What a server wrote into a file when it was ready; a server that is not within 20 s ends the
/// test.
inline std::string wait_for(const std::string& path) {
  for (int i = 0; i < 2000; ++i) {
    const std::string text = read_file(path);
    if (text.ends_with('\n')) return text.substr(0, text.size() - 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error("no " + path);
}

/// Serves the bare repositories of a folder by git's own http-backend.
class HttpGitServer {
 public:
  /// `options` of the script below: "auth", "tls", "tls13".
  HttpGitServer(const TemporaryDirectory& directory, const std::string& options)
      : script_((write_file(directory / "server.py", script), directory / "server.py")),
        port_file_(directory / ("port-" + options)),
        server_({"python3", script_, directory.path(), port_file_, options},
                directory / "server.log"),
        port_(wait_for(port_file_)) {}
  std::string address(const std::string& host = "127.0.0.1") const { return host + ":" + port_; }

 private:
  static constexpr const char* script = R"(
import base64, http.server, os, ssl, subprocess, sys
folder, port_file, options = sys.argv[1:4]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, form, *values):
        print(form % values, self.headers.get("Authorization"), flush=True)
    def plain(self, status, headers=()):
        self.send_response(status)
        for name, value in headers: self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def serve(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        while self.headers.get("Transfer-Encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0: break
        if path.startswith("/redirect/"):
            port = self.server.server_address[1]
            target = path.split("/")[2].replace("PORT", str(port))
            rest = "/" + "/".join(path.split("/")[3:]) + "?" + query
            return self.plain(302, [("Location", "http://" + target + rest)])
        if path.startswith("/broken/"): return self.plain(503)
        wanted = "Basic " + base64.b64encode(b"ada:right").decode()
        if "auth" in options and self.headers.get("Authorization") != wanted:
            return self.plain(401, [("WWW-Authenticate", "Basic realm=git")])
        environment = dict(os.environ, GIT_PROJECT_ROOT=folder, GIT_HTTP_EXPORT_ALL="1",
            REQUEST_METHOD=self.command, PATH_INFO=path, QUERY_STRING=query, REMOTE_USER="ada",
            CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)),
            GIT_CONFIG_COUNT="2", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*",
            GIT_CONFIG_KEY_1="http.receivepack", GIT_CONFIG_VALUE_1="true")
        environment.pop("HTTP_CONTENT_ENCODING", None)
        answer = subprocess.run(["git", "http-backend"], input=body, env=environment,
                                stdout=subprocess.PIPE).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(v.split()[0]) for n, v in headers if n == "Status"), 200)
        self.send_response(status)
        for name, value in headers:
            if name != "Status": self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    do_GET = do_POST = serve
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if "tls" in options:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/certificate.pem", folder + "/key.pem")
    if "tls13" in options: context.minimum_version = ssl.TLSVersion.TLSv1_3
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
open(port_file, "w").write("%d\n" % server.server_address[1])
server.serve_forever()
)";

  std::string script_, port_file_;
  Server server_;
  std::string port_;
};

}  // namespace tidegate
