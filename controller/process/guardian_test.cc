#include "controller/process/guardian.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <memory>
#include <stdexcept>

namespace tidegate {
namespace {

/// A program in a group of its own that waits for its end.
pid_t start_group() {
  const pid_t id = fork();
  if (id == 0) {
    setpgid(0, 0);
    execl("/bin/sleep", "sleep", "60", nullptr);
    _exit(127);
  }
  if (id < 0) throw std::runtime_error("fork");  // -1 would be every process there is.
  setpgid(id, id);
  return id;
}

int ending_signal(pid_t id) {
  int status = 0;
  waitpid(id, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(GuardianTest, EndsWhatItWatchesWhenItsLineEndsAndNothingElse) {
  auto guardian = std::make_unique<Guardian>();
  ASSERT_EQ(guardian->ensure(), 0);
  const pid_t watched = start_group(), released = start_group(), also_watched = start_group();
  for (const pid_t group : {watched, released, also_watched}) EXPECT_TRUE(guardian->watch(group));
  guardian->release(released);
  EXPECT_EQ(waitpid(watched, nullptr, WNOHANG), 0);
  guardian.reset();
  EXPECT_EQ(ending_signal(watched), SIGKILL);
  EXPECT_EQ(ending_signal(also_watched), SIGKILL);
  EXPECT_EQ(waitpid(released, nullptr, WNOHANG), 0);
  kill(released, SIGTERM);
  EXPECT_EQ(ending_signal(released), SIGTERM);
}

TEST(GuardianTest, KeepsNoOpenFileOfTheProcessThatStartsIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Guardian guardian;
  ASSERT_EQ(guardian.ensure(), 0);
  close(ends[1]);
  pollfd end{ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 5000), 1) << "the guardian holds the pipe open";
  EXPECT_TRUE(end.revents & POLLHUP);
  close(ends[0]);
}

TEST(GuardianTest, IsNobodysChildAndIsStartedOnce) {
  Guardian guardian;
  ASSERT_EQ(guardian.ensure(), 0);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  const pid_t group = start_group();
  EXPECT_TRUE(guardian.watch(group));
  EXPECT_EQ(guardian.ensure(), 0);  // Another one would have ended the first, and the group.
  EXPECT_EQ(waitpid(group, nullptr, WNOHANG), 0);
  kill(group, SIGTERM);
  EXPECT_EQ(ending_signal(group), SIGTERM);
}

}  // namespace
}  // namespace tidegate
