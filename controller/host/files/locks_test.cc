#include "controller/host/files/locks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <stdexcept>

#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

using test::exists;
using test::put;
using test::text_of;

LockState seen(const std::string& path) {
  const auto state = look(path);
  EXPECT_TRUE(state) << state.error().message;
  return state ? *state : LockState{};
}

std::optional<EnvironmentLock> taken(Result<std::optional<EnvironmentLock>> result) {
  EXPECT_TRUE(result) << result.error().message;
  return result ? std::move(*result) : std::nullopt;
}

TEST(LockTest, OneWriterKeepsEverybodyOut) {
  const test::Directory directory;
  const std::string path = directory / "lock";
  auto writer = taken(EnvironmentLock::try_exclusive(path, "controller, pid 812"));
  ASSERT_TRUE(writer);
  EXPECT_FALSE(taken(EnvironmentLock::try_exclusive(path, "apply")));
  EXPECT_FALSE(taken(EnvironmentLock::try_shared(path, "apply")));
  EXPECT_EQ(seen(path), (LockState{true, false, "controller, pid 812"}));
  writer.reset();
  EXPECT_EQ(seen(path), LockState{});
  EXPECT_FALSE(exists(path + ".owner"));
  EXPECT_TRUE(taken(EnvironmentLock::try_exclusive(path, "apply")));
}

TEST(LockTest, ManyReadersKeepAWriterOutUntilTheLastIsGone) {
  const test::Directory directory;
  const std::string path = directory / "lock";
  auto first = taken(EnvironmentLock::try_shared(path, "first"));
  auto second = taken(EnvironmentLock::try_shared(path, "second"));
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(taken(EnvironmentLock::try_exclusive(path, "writer")));
  EXPECT_EQ(seen(path), (LockState{false, true, "second"}));
  first.reset();
  EXPECT_EQ(seen(path), (LockState{false, true, "second"}));
  second.reset();
  EXPECT_EQ(seen(path), LockState{});
  EXPECT_TRUE(taken(EnvironmentLock::try_exclusive(path, "writer")));
}

TEST(LockTest, MovingKeepsItHeldOnce) {
  const test::Directory directory;
  const std::string path = directory / "lock", other = directory / "other";
  auto lock = taken(EnvironmentLock::try_exclusive(path, "one"));
  auto second = taken(EnvironmentLock::try_exclusive(other, "two"));
  ASSERT_TRUE(lock && second);
  EnvironmentLock moved = std::move(*lock);
  lock.reset();
  EXPECT_TRUE(seen(path).exclusive);
  moved = std::move(*second);
  EXPECT_EQ(seen(path), LockState{});
  EXPECT_EQ(seen(other).owner, "two");
}

TEST(LockTest, LookingTakesAndWritesNothing) {
  const test::Directory directory;
  const std::string path = directory / "lock";
  EXPECT_EQ(seen(path), LockState{});
  EXPECT_EQ(seen(directory / "none/lock"), LockState{});
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  taken(EnvironmentLock::try_exclusive(path, "x"));
  put(path + ".owner", "stale, pid 1\n");
  const auto before = test::status_of(directory.path());
  EXPECT_EQ(seen(path), LockState{});
  EXPECT_EQ(test::status_of(directory.path()).st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  EXPECT_EQ(text_of(path + ".owner"), "stale, pid 1\n");
}

TEST(LockTest, NamesTheDirectoryThatIsMissing) {
  const test::Directory directory;
  const auto lock = EnvironmentLock::try_exclusive(directory / "none/lock", "x");
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().message,
            "open lock \"" + (directory / "none/lock") + "\": No such file or directory");
}

/// Runs `body` in a child that then waits to be killed; returns when it has done it.
template <class Body>
pid_t child_that(const Body& body) {
  int ready[2];
  EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    body();
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  if (child < 0) throw std::runtime_error("fork");  // -1 would be every process there is.
  close(ready[1]);
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  return child;
}

void kill_and_wait(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(LockTest, DiesWithItsProcess) {
  const test::Directory directory;
  const std::string path = directory / "lock";
  std::optional<EnvironmentLock> held;
  const pid_t child =
      child_that([&] { held = taken(EnvironmentLock::try_exclusive(path, "the child")); });
  EXPECT_EQ(seen(path), (LockState{true, false, "the child"}));
  EXPECT_FALSE(taken(EnvironmentLock::try_exclusive(path, "me")));
  kill_and_wait(child);
  EXPECT_EQ(seen(path), LockState{});
  const auto mine = taken(EnvironmentLock::try_exclusive(path, "me"));
  ASSERT_TRUE(mine);
  EXPECT_EQ(seen(path), (LockState{true, false, "me"}));
}

TEST(LockTest, LettingGoCountsAlthoughAChildSharesTheDescriptor) {
  const test::Directory directory;
  const std::string path = directory / "lock";
  auto lock = taken(EnvironmentLock::try_exclusive(path, "me"));
  ASSERT_TRUE(lock);
  const pid_t child = child_that([] {});
  lock.reset();
  EXPECT_EQ(seen(path), LockState{});
  kill_and_wait(child);
}

TEST(LockTest, StartedProgramsDoNotInheritIt) {
  const test::Directory directory;
  const std::string path = directory / "lock";
  auto lock = taken(EnvironmentLock::try_exclusive(path, "me"));
  ASSERT_TRUE(lock);
  const std::string command = "ls -l /proc/self/fd | grep -q " + path;
  EXPECT_NE(std::system(command.c_str()), 0);
}

TEST(LockTest, ALockFileRemovedMeanwhileIsNotTheLock) {
  const test::Directory directory;
  const std::string path = directory / "lock";
  auto old = taken(EnvironmentLock::try_exclusive(path, "old"));
  ASSERT_TRUE(old);
  ASSERT_EQ(unlink(path.c_str()), 0);
  const auto mine = taken(EnvironmentLock::try_exclusive(path, "mine"));
  ASSERT_TRUE(mine);
  EXPECT_EQ(seen(path), (LockState{true, false, "mine"}));
  old.reset();
  EXPECT_EQ(seen(path), (LockState{true, false, "mine"}));
}

}  // namespace
}  // namespace tidegate
