#include "controller/process/sandbox.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>

#include "controller/process/descriptor.h"
#include "controller/process/process_test_support.h"

namespace tidegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A driver's root below /tmp with a site of two environments, another site, and a controller's
/// secrets; commands run in acme/live.
class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto problem = sandbox_problem()) GTEST_SKIP() << *problem;
    write_file(code_ + "/index.php", "acme's code");
    write_file(code_ + "/cache/old", "");
    write_file(content_ + "/upload", "acme's upload");
    write_file(root_ / "other/live/secret", "other's secret");
    write_file(root_ / "acme/test/secret", "test's secret");
    write_file(secrets_ + "/token", "controller's token");
    sandbox_.hidden_root = root_.path();
    sandbox_.read_only = {code_};
    sandbox_.writable = {content_, code_ + "/cache"};
    sandbox_.hidden = {secrets_};
    if (geteuid() != 0) return;
    sandbox_.user = {65534, 65534};
    for (const std::string& path : {content_, content_ + "/upload", code_ + "/cache"})
      ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
  }

  ProcessResult run(const std::string& script, const std::string& argument = "") {
    return run(shell(script, argument));
  }

  ProcessResult run(ProcessRequest request) {
    if (request.directory.empty()) request.directory = code_;
    const Result<ProcessResult> result = run_confined(std::move(request), sandbox_);
    EXPECT_TRUE(result) << result.error().message;
    return result ? *result : ProcessResult{};
  }

  const TestDirectory root_, outside_;
  const std::string code_ = root_ / "acme/live/release/code";
  const std::string content_ = root_ / "acme/live/content/files";
  const std::string secrets_ = outside_ / "secrets";
  Sandbox sandbox_;
};

TEST_F(SandboxTest, ReadsItsCodeAndWritesOnlyWhatIsItsOwn) {
  const ProcessResult result = run("cat index.php; echo new > cache/new; echo more >> " + content_ +
                                   "/upload; echo no > x; "
                                   "echo no > index.php; echo no > ../x; echo no > /etc/x; echo no "
                                   "> /x; echo t > /tmp/t; cat /tmp/t");
  EXPECT_EQ(result.output, "acme's codet\n");
  EXPECT_EQ(read_text(code_ + "/cache/new"), "new\n");
  EXPECT_EQ(read_text(content_ + "/upload"), "acme's uploadmore\n");
  EXPECT_EQ(read_text(code_ + "/index.php"), "acme's code");
  EXPECT_FALSE(std::filesystem::exists(code_ + "/x"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "acme/live/release/x"));
  EXPECT_FALSE(std::filesystem::exists("/tmp/t"));
}

TEST_F(SandboxTest, SeesNothingOfOthersAndOfTheController) {
  sandbox_.read_only.push_back(outside_.path());  // Even where the way there is open.
  for (const std::string& place :
       {root_ / "other/live/secret", root_ / "acme/test/secret", secrets_ + "/token",
        std::string("/etc/shadow"), std::string(TIDEGATE_SOURCE_DIR "/CMakeLists.txt")}) {
    ASSERT_TRUE(std::filesystem::exists(place));
    const ProcessResult result = run("cat \"$1\"", place);
    EXPECT_EQ(result.output, "") << place;
    EXPECT_EQ(result.exit_code, place == "/etc/shadow" ? result.exit_code : 1) << place;
  }
  EXPECT_EQ(run("ls -A /run /home /root /srv 2> /dev/null").output, "/run:\n");
  EXPECT_EQ(run("ls " + root_.path()).output, "acme\n");
  EXPECT_EQ(run("ls " + root_ / "acme").output, "live\n");
}

TEST_F(SandboxTest, SeesOnlyItsOwnProcesses) {
  setenv("TIDEGATE_TEST_SECRET", "in the controller's environment", 1);
  const ProcessResult result =
      run("cat /proc/[0-9]*/environ | tr '\\0' '\\n'; ls -d /proc/[0-9]* | wc -l; kill -0 $1",
          std::to_string(getpid() + 1'000'000));
  EXPECT_EQ(result.output.find("TIDEGATE_TEST_SECRET"), std::string::npos);
  EXPECT_NE(result.output.find("PATH="), std::string::npos);
  const std::size_t last = result.output.rfind('\n', result.output.size() - 2) + 1;
  EXPECT_LE(std::stoi(result.output.substr(last)), 5) << result.output;
}

TEST_F(SandboxTest, HasItsUserAndNoPrivileges) {
  const std::string user = std::to_string(geteuid() == 0 ? 65534 : geteuid());
  const std::string group = std::to_string(geteuid() == 0 ? 65534 : getegid());
  const ProcessResult result =
      run("id -u; id -g; grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs)' /proc/self/status; "
          "echo fine > /dev/stdout");
  EXPECT_EQ(result.output, user + "\n" + group +
                               "\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                               "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nfine\n");
}

TEST_F(SandboxTest, PassesVariablesExactlyAndFillsInThree) {
  ProcessRequest request;
  request.argv = {"/usr/bin/env", "-0"};
  request.environment = {{"QUOTES", "it's \"$HOME\" `id` \\"}, {"LINES_2", "one\n\ntwo\n"}};
  const ProcessResult result = run(std::move(request));
  std::vector<std::string> variables;
  for (std::size_t at = 0; at < result.output.size(); at = result.output.find('\0', at) + 1)
    variables.emplace_back(result.output.c_str() + at);
  std::sort(variables.begin(), variables.end());
  EXPECT_EQ(variables, (std::vector<std::string>{
                           "HOME=/tmp", "LANG=C.UTF-8", "LINES_2=one\n\ntwo\n",
                           "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                           "QUOTES=it's \"$HOME\" `id` \\"}));
}

TEST_F(SandboxTest, ALibraryNamedInAVariableIsLoadedByTheCommandAlone) {
  ProcessRequest request;
  request.argv = {"/bin/true"};
  request.environment = {{"LD_PRELOAD", "/no/such/library.so"}};
  const ProcessResult result = run(std::move(request));
  const std::size_t first = result.error_tail.find("cannot be preloaded");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(result.error_tail.find("cannot be preloaded", first + 1), std::string::npos)
      << result.error_tail;
}

TEST_F(SandboxTest, SecretsAreInNoCommandLine) {
  ProcessRequest request = shell("cat /proc/[0-9]*/cmdline; echo; echo go; sleep 60");
  const std::string secret = "secret-" + unique_marker();
  request.environment["TOKEN"] = secret;
  int seen = -1;
  request.on_line = [&](std::string_view line) {
    if (line == "go") seen = count_processes(secret);
  };
  request.cancelled = [&] { return seen >= 0; };
  const ProcessResult result = run(std::move(request));
  EXPECT_EQ(seen, 0);
  EXPECT_EQ(result.output.find(secret), std::string::npos);
}

TEST_F(SandboxTest, AMissingCommandIsNotTakenForAnAnswer) {
  ProcessRequest request;
  request.argv = {"no-such-command"};
  const ProcessResult result = run(request);
  EXPECT_EQ(result.exit_code, 127);
  EXPECT_EQ(result.error_tail, "no such command: no-such-command\n");
  request.argv = {"/etc/passwd"};
  EXPECT_EQ(run(request).exit_code, 126);
}

TEST_F(SandboxTest, APlaceThatIsNotThereIsNotTheSitesDoing) {
  sandbox_.read_only.push_back("/no/such/place");
  const auto result = run_confined(shell("exit 0"), sandbox_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::transient);
  EXPECT_EQ(
      result.error().message,
      "the sandbox could not be set up: bwrap: Can't find source path /no/such/place: No such "
      "file or directory");
}

TEST_F(SandboxTest, ReachesASocketThatItIsGiven) {
  const std::string path = outside_ / "database.sock";
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 8), 0);
  chmod(path.c_str(), 0666);
  const std::string connect =
      "exec perl -MIO::Socket::UNIX -e 'exit(IO::Socket::UNIX->new(Peer => $ARGV[0]) ? 0 : 9)' $1";
  EXPECT_EQ(run(connect, path).exit_code, 9);
  sandbox_.sockets = {path};
  const ProcessResult result = run(connect, path);
  EXPECT_EQ(result.exit_code, 0) << result.error_tail;
}

TEST_F(SandboxTest, HasNoNetworkWhenItIsToHaveNone) {
  sandbox_.network = false;
  const ProcessResult result = run("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '");
  EXPECT_EQ(result.output, "lo\n");
}

TEST_F(SandboxTest, AMemoryBombEnds) {
  sandbox_.memory_max = 64 << 20;
  // tail keeps a line until it ends, and this one does not.
  const ProcessResult result = run("head -c 1000000000 /dev/zero | tail");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.error_tail, "tail: memory exhausted\n");
  EXPECT_EQ(run("cat /proc/self/oom_score_adj").output, "800\n");
}

TEST_F(SandboxTest, AFileBombEnds) {
  sandbox_.file_size_max = 1 << 20;
  sandbox_.temporary_max = 2 << 20;
  run("head -c 10000000 /dev/zero > " + content_ + "/big");
  EXPECT_EQ(std::filesystem::file_size(content_ + "/big"), std::size_t{1} << 20);
  const ProcessResult result = run(
      "for i in 1 2 3 4 5; do head -c 1000000 /dev/zero > /tmp/$i; done; du -skx /tmp | cut -f1");
  EXPECT_LE(std::stoi(result.output), 2048);
}

TEST_F(SandboxTest, AForkBombEnds) {
  const std::string marker = unique_marker();
  sandbox_.processes_max = 50;
  ProcessRequest request = shell("while :; do sh -c 'sleep 60; :' $1 & done", marker);
  int most = 0;
  request.cancelled = [&] { return most = std::max(most, count_processes(marker)), false; };
  const ProcessResult result = run(std::move(request));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.error_tail.find("Cannot fork"), std::string::npos) << result.error_tail;
  EXPECT_LE(most, 50 + 5);  // bwrap, setpriv and sh carry the marker too.
  EXPECT_TRUE(soon_gone(marker));
}

TEST_F(SandboxTest, ADaemonEndsWithItsCommand) {
  const std::string marker = unique_marker();
  const ProcessResult result =
      run("setsid sh -c 'sleep 60; :' $1 > /dev/null 2>&1 < /dev/null & echo started", marker);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "started\n");
  EXPECT_TRUE(soon_gone(marker));
}

TEST_F(SandboxTest, ADeadlineEndsADaemonAndWhatIgnoresIt) {
  const std::string marker = unique_marker();
  ProcessRequest request =
      shell("trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 60; :' $1 & sleep 60; :", marker);
  request.deadline = milliseconds(500);
  const ProcessResult result = run(std::move(request));
  EXPECT_TRUE(result.timed_out);
  EXPECT_LT(result.took, seconds(5));
  EXPECT_TRUE(soon_gone(marker));
}

TEST_F(SandboxTest, EverythingInsideDiesWithTheProcessThatStartedIt) {
  for (int i = 0; i < 8; ++i) {
    const std::string marker = unique_marker();
    const pid_t parent = start_own_test("SandboxHostTest.DISABLED_RunsUntilItIsKilled", marker);
    EXPECT_TRUE(soon_there(marker));
    // At any moment: i times a fraction of what the start of a sandbox takes.
    std::this_thread::sleep_for(milliseconds(i));
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    EXPECT_TRUE(soon_gone(marker));
  }
}

TEST_F(SandboxTest, WithoutIsolationUserAndLimitsStay) {
  sandbox_.enabled = false;
  chmod(root_.path().c_str(), 0755);
  const ProcessResult result = run("id -u; ulimit -p; ulimit -c; pwd; echo $TIDEGATE_TEST_SECRET");
  EXPECT_EQ(result.output,
            std::to_string(geteuid() == 0 ? 65534 : geteuid()) + "\n512\n0\n" + code_ + "\n\n");
}

// Not a test of its own: the process that a test above kills.
TEST(SandboxHostTest, DISABLED_RunsUntilItIsKilled) {
  Sandbox sandbox;
  if (geteuid() == 0) sandbox.user = {65534, 65534};
  (void)run_confined(shell("trap '' TERM HUP; setsid sh -c 'sleep 60; :' $1 & sleep 60; :",
                           getenv("TIDEGATE_TEST_MARKER")),
                     sandbox);
}

std::string refusal(const Sandbox& sandbox, ProcessRequest request) {
  const Result<ProcessRequest> confined = confine(std::move(request), sandbox);
  if (confined) return "not refused";
  EXPECT_EQ(confined.error().kind, ErrorKind::invalid);
  return confined.error().message;
}

TEST(SandboxRefusalTest, RunsNothingAsRootOrAsSomeoneItCannotBe) {
  Sandbox sandbox;
  sandbox.user = {0, 0};
  EXPECT_EQ(refusal(sandbox, shell("")),
            "a site's commands are not run as root: runAs names user 0, group 0");
  sandbox.user.reset();
  if (geteuid() == 0) {
    EXPECT_EQ(refusal(sandbox, shell("")),
              "a site's commands are not run as root: give the Driver a runAs user, or run the "
              "controller as an ordinary user");
  } else {
    sandbox.user = {54321, 54321};
    EXPECT_EQ(refusal(sandbox, shell("")),
              "cannot run as user 54321: the controller runs as user " + std::to_string(geteuid()) +
                  "; only root can change users");
  }
}

TEST(SandboxRefusalTest, FollowsNoLinkThatASiteMayHaveMade) {
  const TestDirectory directory;
  std::filesystem::create_directories(directory / "other/content");
  std::filesystem::create_directories(directory / "code");
  std::filesystem::create_directory_symlink(directory / "other", directory / "code/cache");
  Sandbox sandbox;
  if (geteuid() == 0) sandbox.user = {65534, 65534};
  for (const std::string link : {"code/cache", "code/cache/content"}) {
    sandbox.writable = {directory / link};
    const std::string real = directory / (link == "code/cache" ? "other" : "other/content");
    EXPECT_EQ(refusal(sandbox, shell("")),
              "\"" + directory / link +
                  "\" cannot be shown to a command: it is not absolute, or "
                  "leads over a symbolic link to \"" +
                  real + "\"");
  }
}

TEST(SandboxRefusalTest, RefusesVariablesThatCannotBePassed) {
  Sandbox sandbox;
  if (geteuid() == 0) sandbox.user = {65534, 65534};
  ProcessRequest request = shell("");
  request.environment = {{"A-B", "x"}};
  EXPECT_EQ(refusal(sandbox, request),
            "variable \"A-B\" cannot be passed to a command: names have letters, digits and \"_\"");
  request.environment = {{"A", std::string("x\0y", 3)}};
  EXPECT_EQ(refusal(sandbox, request),
            "variable \"A\" cannot be passed to a command: it has a NUL byte");
}

}  // namespace
}  // namespace tidegate
