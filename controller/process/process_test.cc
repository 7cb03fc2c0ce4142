#include "controller/process/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "controller/process/descriptor.h"
#include "controller/process/process_test_support.h"

namespace tidegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string error_of(const ProcessRequest& request) {
  const Result<ProcessResult> result = run_process(request);
  if (result) return "no error: " + ending_of(*result);
  const char* kinds[] = {"invalid", "site", "transient"};
  return std::string(kinds[static_cast<int>(result.error().kind)]) + ": " + result.error().message;
}

ProcessRequest command(std::vector<std::string> argv) {
  ProcessRequest request = shell("");
  request.argv = std::move(argv);
  return request;
}

int open_descriptors() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

TEST(ProcessTest, TellsOutputErrorsAndExitCode) {
  const auto result = run_process(shell("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->signal, 0);
  EXPECT_EQ(result->output, "out\n");
  EXPECT_EQ(result->error_tail, "err\n");
  EXPECT_FALSE(result->succeeded());
  EXPECT_EQ(ending_of(*result), "exit code 3");
}

TEST(ProcessTest, TellsTheSignalThatEndedIt) {
  const auto result = run_process(shell("kill -SEGV $$"));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_code, -1);
  EXPECT_EQ(result->signal, SIGSEGV);
  EXPECT_EQ(ending_of(*result), "killed by signal 11 (Segmentation fault)");
}

TEST(ProcessTest, GivesExactlyTheEnvironmentAsked) {
  setenv("TIDEGATE_TEST_SECRET", "do not inherit", 1);
  ProcessRequest request = command({"/usr/bin/env"});
  request.environment = {{"A", "1"}, {"B", "two words\nand a line"}};
  const auto result = run_process(request);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "A=1\nB=two words\nand a line\n");
}

TEST(ProcessTest, LooksTheCommandUpInThePathOfItsOwnEnvironment) {
  const TestDirectory directory;
  write_file(directory / "empty/x", "");
  write_file(directory / "bin/greet", "#!/bin/sh\necho hello\n");
  chmod((directory / "bin/greet").c_str(), 0755);
  ProcessRequest request = command({"greet"});
  request.environment["PATH"] = directory / "empty" + ":" + directory / "bin";
  const auto result = run_process(request);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "hello\n");
}

TEST(ProcessTest, SaysWhyACommandCannotBeRun) {
  const TestDirectory directory;
  write_file(directory / "data", "x");
  write_file(directory / "plain", "echo no first line\n");
  write_file(directory / "lost", "#!/nowhere/php\n");
  chmod((directory / "plain").c_str(), 0755);
  chmod((directory / "lost").c_str(), 0755);
  EXPECT_EQ(error_of(command({"no-such-command"})),
            "invalid: command not found: \"no-such-command\"");
  EXPECT_EQ(error_of(command({"/no/such/command"})),
            "invalid: command not found: \"/no/such/command\"");
  EXPECT_EQ(error_of(command({directory / "data"})),
            "invalid: cannot run \"" + directory / "data" + "\": Permission denied");
  EXPECT_EQ(error_of(command({directory / "plain"})),
            "invalid: cannot run \"" + directory / "plain" +
                "\": not a program; a script begins with a line like \"#!/bin/sh\"");
  EXPECT_EQ(error_of(command({directory / "lost"})),
            "invalid: cannot run \"" + directory / "lost" + "\": its interpreter is missing");
  EXPECT_EQ(error_of(command({})), "invalid: no command given");
  EXPECT_EQ(error_of(command({"echo", std::string("a\0b", 3)})),
            "invalid: an argument of \"echo\" has a NUL byte");
  ProcessRequest nowhere = command({"true"});
  nowhere.directory = "/no/such/directory";
  EXPECT_EQ(error_of(nowhere),
            "transient: cannot enter directory \"/no/such/directory\": No such file or directory");
  ProcessRequest variable = command({"true"});
  variable.environment["A=B"] = "";
  EXPECT_EQ(error_of(variable),
            "invalid: variable \"A=B\" cannot be passed: its name is empty or has \"=\", or there "
            "is a NUL byte");
}

TEST(ProcessTest, StartsInItsDirectory) {
  ProcessRequest request = command({"/bin/pwd"});
  EXPECT_EQ(run_process(request)->output, "/\n");
  request.directory = "/usr/bin";
  EXPECT_EQ(run_process(request)->output, "/usr/bin\n");
}

TEST(ProcessTest, ReadsItsInputOfAnyLengthOrNothing) {
  ProcessRequest request = command({"wc", "-c"});
  EXPECT_EQ(run_process(request)->output, "0\n");
  request.input = std::string(3'000'000, 'x');
  EXPECT_EQ(run_process(request)->output, "3000000\n");
  request.argv = {"true"};  // Reads none of it: nothing blocks, nothing signals.
  EXPECT_EQ(run_process(request)->exit_code, 0);
}

TEST(ProcessTest, HandsOverWhatNeitherArgumentsNorEnvironmentShow) {
  ProcessRequest request = shell("cat <&3; cat /proc/self/fd/3");
  request.handed = "secret\n";
  EXPECT_EQ(run_process(request)->output, "secret\nsecret\n");
}

TEST(ProcessTest, JoinsTwoProgramsByAPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Descriptor read_end(ends[0]), write_end(ends[1]);
  std::thread writer([&] {
    ProcessRequest request = shell("seq 1 100000");
    request.output_fd = write_end.get();
    const auto result = run_process(request);
    EXPECT_TRUE(result && result->exit_code == 0 && result->output.empty());
    write_end.close();
  });
  ProcessRequest request = command({"wc", "-l"});
  request.input_fd = read_end.get();
  const auto result = run_process(request);
  writer.join();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "100000\n");
}

TEST(ProcessTest, KeepsTheBeginningOfAFloodAndReadsTheRest) {
  ProcessRequest request = shell("yes | head -c 5000000; echo end >&2");
  request.output_max = 1000;
  const auto result = run_process(request);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_code, 0);
  EXPECT_EQ(result->output.size(), 1000u);
  EXPECT_TRUE(result->output_cut);
  EXPECT_EQ(result->error_tail, "end\n");
}

TEST(ProcessTest, TellsLinesAsTheyComeAndCutsLongOnes) {
  std::vector<std::string> lines;
  ProcessRequest request = shell(
      "echo one; echo two >&2; printf 'a\\n\\nb'; sleep 0; head -c 10000 /dev/zero | tr '\\0' x; "
      "printf '\\nlast'");
  request.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  ASSERT_TRUE(run_process(request));
  std::erase(lines, "two");  // Its place among the others is free: it came by the other pipe.
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], "one");
  EXPECT_EQ(lines[1], "a");
  EXPECT_EQ(lines[2], "");
  EXPECT_EQ(lines[3], "b" + std::string(line_bytes_max - 1, 'x'));
  EXPECT_EQ(lines[4], "last");
}

TEST(ProcessTest, TellsALineBeforeTheProgramEnds) {
  bool seen = false;
  ProcessRequest request = shell("echo ready; sleep 60");
  request.on_line = [&](std::string_view line) { seen = line == "ready"; };
  request.cancelled = [&] { return seen; };
  const auto result = run_process(request);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->cancelled);
  EXPECT_LT(result->took, seconds(10));
}

TEST(ProcessTest, KeepsTheLastWholeLinesOfErrors) {
  const auto result = run_process(shell("seq -f 'line %g' 1 2000 >&2"));
  ASSERT_TRUE(result);
  EXPECT_LE(result->error_tail.size(), error_tail_bytes_max);
  EXPECT_GT(result->error_tail.size(), error_tail_bytes_max - 20);
  EXPECT_TRUE(result->error_tail.starts_with("line "));
  EXPECT_TRUE(result->error_tail.ends_with("\nline 2000\n"));
  const auto cut = run_process(shell("head -c 6000 /dev/zero | tr '\\0' x >&2"));
  EXPECT_EQ(cut->error_tail, std::string(error_tail_bytes_max - 1, 'x') + "\n");
}

TEST(ProcessTest, ADeadlineEndsGrandchildrenToo) {
  const std::string marker = unique_marker();
  ProcessRequest request = shell("sh -c 'sleep 60; :' $1 & sleep 60; :", marker);
  request.deadline = milliseconds(300);
  const auto result = run_process(request);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->timed_out);
  EXPECT_EQ(result->signal, SIGTERM);
  EXPECT_EQ(ending_of(*result), "deadline passed");
  EXPECT_GE(result->took, milliseconds(300));
  EXPECT_LT(result->took, seconds(4));
  EXPECT_TRUE(soon_gone(marker));
}

TEST(ProcessTest, WhatIgnoresTheRequestToEndIsKilledAfterTheGrace) {
  const std::string marker = unique_marker();
  ProcessRequest request = shell("trap '' TERM; while :; do sleep 0.05; done", marker);
  request.deadline = milliseconds(200);
  request.grace = milliseconds(300);
  const auto result = run_process(request);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->timed_out);
  EXPECT_EQ(result->signal, SIGKILL);
  EXPECT_GE(result->took, milliseconds(500));
  EXPECT_LT(result->took, seconds(10));
  EXPECT_TRUE(soon_gone(marker));
}

TEST(ProcessTest, MayTidyUpDuringTheGrace) {
  ProcessRequest request = shell("trap 'echo tidied; exit 7' TERM; while :; do sleep 0.05; done");
  request.deadline = milliseconds(300);
  const auto result = run_process(request);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->timed_out);
  EXPECT_EQ(result->exit_code, 7);
  EXPECT_EQ(result->output, "tidied\n");
}

TEST(ProcessTest, AFloodDoesNotHoldUpTheDeadline) {
  ProcessRequest request = command({"yes"});
  request.deadline = milliseconds(300);
  const auto result = run_process(request);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->timed_out);
  EXPECT_LT(result->took, seconds(5));
}

TEST(ProcessTest, WhatItLeavesBehindInItsGroupIsKilled) {
  const std::string marker = unique_marker();
  const auto result = run_process(shell("sh -c 'sleep 60; :' $1 & echo done", marker));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_code, 0);
  EXPECT_EQ(result->output, "done\n");
  EXPECT_LT(result->took, seconds(5));
  EXPECT_TRUE(soon_gone(marker));
}

TEST(ProcessTest, OutputHeldOpenByADaemonIsNotWaitedForLong) {
  const TestDirectory directory;
  const auto result = run_process(shell(
      "setsid sh -c 'echo $$; : > $0; exec sleep 20' $1 & until [ -e $1 ]; do sleep 0.01; done",
      directory / "started"));
  ASSERT_TRUE(result);
  kill(std::stoi(result->output), SIGKILL);  // It left the group, as documented.
  EXPECT_GE(result->took, milliseconds(900));
  EXPECT_LT(result->took, seconds(5));
}

TEST(ProcessTest, InheritsNoDescriptorAndNoSignalSetting) {
  Descriptor leaky(open("/etc/passwd", O_RDONLY));  // Not closed by exec, on purpose.
  const auto before = signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, old;
  sigfillset(&blocked);
  pthread_sigmask(SIG_SETMASK, &blocked, &old);
  const auto descriptors = run_process(command({"ls", "/proc/self/fd"}));
  const auto signals = run_process(command({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}));
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  signal(SIGPIPE, before);
  ASSERT_TRUE(descriptors);
  ASSERT_TRUE(signals);
  EXPECT_EQ(descriptors->output, "0\n1\n2\n3\n");  // 3 is the directory that ls reads.
  EXPECT_EQ(signals->output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(ProcessTest, HasASessionWithoutATerminal) {
  const auto result = run_process(shell("ps -o sid= -p $$ | tr -d ' '; echo $$; : < /dev/tty"));
  ASSERT_TRUE(result);
  const std::size_t line = result->output.find('\n');
  EXPECT_EQ(result->output.substr(0, line + 1), result->output.substr(line + 1));
  EXPECT_NE(result->exit_code, 0);
}

TEST(ProcessTest, ManyAtOnceLeaveNoDescriptorAndNoChildBehind) {
  ASSERT_TRUE(run_process(command({"true"})));
  const int before = open_descriptors();
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 40; ++i)
    threads.emplace_back([&right, i] {
      ProcessRequest request =
          i % 4 == 0 ? shell("trap '' TERM; sleep 60; :") : shell("echo $1", std::to_string(i));
      if (i % 4 == 0) request.deadline = request.grace = milliseconds(100);
      const auto result = run_process(request);
      if (result && (i % 4 == 0 ? result->timed_out : result->output == std::to_string(i) + "\n"))
        ++right;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 40);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(ProcessTest, AThrowingCallbackLeavesNothingRunning) {
  const std::string marker = unique_marker();
  ProcessRequest request = shell("echo go; sleep 60; :", marker);
  request.on_line = [](std::string_view) { throw std::runtime_error("thrown"); };
  EXPECT_THROW((void)run_process(request), std::runtime_error);
  EXPECT_TRUE(soon_gone(marker));
}

// Not a test of its own: the process that the test below kills.
TEST(ProcessTest, DISABLED_RunsUntilItIsKilled) {
  (void)run_process(shell("trap '' TERM HUP; sh -c 'sleep 60; :' $1 & sleep 60; :",
                          getenv("TIDEGATE_TEST_MARKER")));
}

TEST(ProcessTest, AllItStartedDiesWithTheProcessThatStartedIt) {
  for (int i = 0; i < 5; ++i) {
    const std::string marker = unique_marker();
    const pid_t parent = start_own_test("ProcessTest.DISABLED_RunsUntilItIsKilled", marker);
    EXPECT_TRUE(soon_there(marker));
    // At any moment: i times the few milliseconds that a start takes.
    std::this_thread::sleep_for(milliseconds(2 * i));
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    EXPECT_TRUE(soon_gone(marker));
  }
}

TEST(ProcessTest, BecomesAnotherUser) {
  ProcessRequest request = shell("id -u; id -g; id -G; echo fine > /dev/stdout");
  request.user = {65534, 65533};
  if (geteuid() != 0) {
    EXPECT_EQ(error_of(request),
              "invalid: cannot run \"sh\" as user 65534, group 65533: Operation not permitted");
    return;
  }
  const auto result = run_process(request);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "65534\n65533\n65533\nfine\n") << result->error_tail;
}

}  // namespace
}  // namespace tidegate
