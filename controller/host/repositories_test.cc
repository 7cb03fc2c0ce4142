// What is known of code repositories: at once, from a real git, through failures and back.

#include "controller/host/repositories.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>

#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

/// Real time for a Repositories that runs by itself.
class RealClock : public Clock {
 public:
  Timestamp now() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  }
};

class RepositoriesTest : public testing::Test {
 protected:
  RepositoriesTest() : code(directory / "code") {
    code.write("web/uploads/a", "a\n");
    first = code.commit("first");
    site.name = "acme";
    site.repository.url = code.path();
    std::filesystem::create_directories(directory / "sites/.tidegate");  // As in a claimed root.
  }
  std::unique_ptr<Repositories> make(Repositories::Mode mode = Repositories::Mode::refresh) {
    return std::make_unique<Repositories>(Secrets(directory / "secrets"), mode, 1h, clock, nullptr);
  }
  TemporaryDirectory directory;
  WorkTree code;
  CommitId first;
  Site site;
  ManualClock clock;
  std::string mirrors = directory / "sites/.tidegate/mirrors";
};

TEST_F(RepositoriesTest, KnownNeverWaits) {
  const auto repositories = make();
  const KnownRefs known = repositories->known(site, mirrors);
  ASSERT_TRUE(known.refs);
  EXPECT_TRUE(known.refs->empty());
  EXPECT_EQ(known.problem, "repository " + code.path() + " has not been looked up yet");
  EXPECT_FALSE(known.complete);
  EXPECT_EQ(repositories->has(site, mirrors, first), std::nullopt);
  EXPECT_EQ(repositories->tracked(site, mirrors, first, {"web"}), "");
  EXPECT_FALSE(repositories->open(site, mirrors));
  EXPECT_FALSE(std::filesystem::exists(mirrors)) << "asking wrote something";
}

TEST_F(RepositoriesTest, SeesWhatAnotherProcessFetchedIntoTheSameMirror) {
  const auto one = make(), other = make();
  one->look_now(site, mirrors);
  code.write("b", "b");
  const CommitId second = code.commit("second");
  other->look_now(site, mirrors);
  one->look_now(site, mirrors);
  EXPECT_EQ(one->known(site, mirrors).refs->at("refs/heads/main"), second);
}

TEST_F(RepositoriesTest, LooksNowAndKnowsEverythingThen) {
  const auto repositories = make();
  repositories->look_now(site, mirrors);
  KnownRefs known = repositories->known(site, mirrors);
  EXPECT_EQ(known.problem, "");
  EXPECT_TRUE(known.complete);
  EXPECT_EQ(*known.refs, (std::map<std::string, CommitId>{{"refs/heads/main", first}}));
  EXPECT_EQ(repositories->has(site, mirrors, first), true);
  EXPECT_EQ(repositories->has(site, mirrors, {std::string(40, '1')}), false);
  EXPECT_EQ(repositories->tracked(site, mirrors, first, {"var", "web/uploads"}), "web/uploads");
  EXPECT_EQ(repositories->tracked(site, mirrors, first, {"var"}), "");
  code.write("b", "b");
  const CommitId second = code.commit("second");
  code.git("tag -a v1 -m v1");
  EXPECT_EQ(*repositories->known(site, mirrors).refs, *known.refs) << "only a look brings news";
  repositories->look_now(site, mirrors);
  EXPECT_EQ(
      *repositories->known(site, mirrors).refs,
      (std::map<std::string, CommitId>{{"refs/heads/main", second}, {"refs/tags/v1", second}}));
}

TEST_F(RepositoriesTest, LooksOnceForAllSitesOfOneRepository) {
  const auto repositories = make();
  repositories->look_once(site, mirrors);
  code.write("b", "b");
  const CommitId second = code.commit("second");
  Site other = site;
  other.name = "bolt";
  repositories->look_once(other, mirrors);
  EXPECT_EQ(repositories->known(other, mirrors).refs->at("refs/heads/main"), first);
  repositories->look_now(other, mirrors);
  EXPECT_EQ(repositories->known(site, mirrors).refs->at("refs/heads/main"), second);
}

TEST_F(RepositoriesTest, KeepsWhatItKnewWhileUnreachableAndRecovers) {
  const auto repositories = make();
  repositories->look_now(site, mirrors);
  std::filesystem::rename(code.path(), directory / "away");
  repositories->look_now(site, mirrors);
  KnownRefs known = repositories->known(site, mirrors);
  EXPECT_NE(known.problem, "");
  EXPECT_NE(known.problem.find(code.path()), std::string::npos) << known.problem;
  EXPECT_EQ(known.refs->at("refs/heads/main"), first);
  EXPECT_EQ(repositories->has(site, mirrors, first), true);
  EXPECT_EQ(repositories->has(site, mirrors, {std::string(40, '1')}), std::nullopt)
      << "it may have come meanwhile";
  EXPECT_TRUE(repositories->open(site, mirrors));
  std::filesystem::rename(directory / "away", code.path());
  repositories->look_now(site, mirrors);
  EXPECT_EQ(repositories->known(site, mirrors).problem, "");
}

TEST_F(RepositoriesTest, LooksUpWithoutWritingAnything) {
  const auto repositories = make(Repositories::Mode::look_up);
  repositories->look_now(site, mirrors);
  const KnownRefs known = repositories->known(site, mirrors);
  EXPECT_EQ(known.problem, "");
  EXPECT_EQ(known.refs->at("refs/heads/main"), first);
  EXPECT_FALSE(known.complete);
  EXPECT_EQ(repositories->has(site, mirrors, first), true);
  EXPECT_EQ(repositories->has(site, mirrors, CommitId{std::string(40, 'b')}), false);
  EXPECT_TRUE(std::filesystem::is_empty(directory / "sites/.tidegate"));
  // With a mirror that the controller keeps, commits can be told and still nothing is written.
  make()->look_now(site, mirrors);
  const auto before = state_of(directory / "sites");
  code.commit("second");
  repositories->look_now(site, mirrors);
  EXPECT_EQ(repositories->has(site, mirrors, first), true);
  EXPECT_EQ(state_of(directory / "sites"), before);
}

TEST_F(RepositoriesTest, ReadsCommitsThatNoMirrorHasAndKeepsNothingOfThem) {
  const std::string temporary = directory / "tmp";
  std::filesystem::create_directory(temporary);
  ::setenv("TMPDIR", temporary.c_str(), 1);
  make()->look_now(site, mirrors);
  code.write("web/media/b", "b\n");
  const CommitId second = code.commit("second");
  const auto before = state_of(directory / "sites");
  auto repositories = make(Repositories::Mode::look_up);
  EXPECT_EQ(repositories->tracked(site, mirrors, second, {"web/media"}), "") << "not looked up yet";
  repositories->look_now(site, mirrors);
  EXPECT_EQ(repositories->tracked(site, mirrors, second, {"web/media"}), "web/media");
  EXPECT_EQ(repositories->tracked(site, mirrors, first, {"web/media"}), "");
  EXPECT_EQ(state_of(directory / "sites"), before);
  const auto fetched = state_of(temporary);
  EXPECT_TRUE(std::ranges::any_of(fetched, [](const auto& f) {
    return f.first.ends_with(".pack");
  })) << "nothing was fetched";
  repositories.reset();
  ::unsetenv("TMPDIR");
  EXPECT_TRUE(std::filesystem::is_empty(temporary));
}

TEST_F(RepositoriesTest, SaysWhichCredentialsAreMissingAndGoesOnWhenTheyAreThere) {
  site.repository.credentials = SecretRef{"git-token", SecretRef::Scope::site};
  const auto repositories = make();
  repositories->look_now(site, mirrors);
  const std::string problem =
      "credentials of " + code.path() + ": secret \"git-token\": cannot read \"" +
      (directory / "secrets/sites/acme/git-token") + "\": No such file or directory";
  EXPECT_EQ(repositories->known(site, mirrors).problem, problem);
  const auto opened = repositories->open(site, mirrors);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
  EXPECT_EQ(opened.error().message, problem);
  EXPECT_EQ(repositories->has(site, mirrors, first), std::nullopt);
  write_file(directory / "secrets/sites/acme/git-token", "user:token\n");
  repositories->look_now(site, mirrors);
  EXPECT_EQ(repositories->known(site, mirrors).problem, "");
}

TEST_F(RepositoriesTest, AsksBeforeItWritesAnything) {
  std::string asked;
  Repositories repositories(Secrets(""), Repositories::Mode::refresh, 1h, clock, nullptr,
                            [&](const std::string& at) -> Result<void> {
                              asked = at;
                              return Error{ErrorKind::invalid, "not mounted"};
                            });
  repositories.look_now(site, mirrors);
  EXPECT_EQ(asked, mirrors);
  EXPECT_EQ(repositories.known(site, mirrors).problem, "not mounted");
  EXPECT_TRUE(std::filesystem::is_empty(directory / "sites/.tidegate"));
}

/// Looks by itself, in real time, once an hour.
class LookingTest : public RepositoriesTest {
 protected:
  bool wait_until(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 30s, condition);
  }
  RealClock real;
  std::mutex mutex;
  std::condition_variable changed;
  std::multiset<std::string> told;
  Repositories repositories{Secrets(""), Repositories::Mode::refresh, 1h, real,
                            [this](const std::string& name) {
                              std::lock_guard lock(mutex);
                              told.insert(name);
                              changed.notify_all();
                            }};
};

TEST_F(LookingTest, TellsEverySiteThatFollows) {
  Site other = site;
  other.name = "other";
  repositories.known(site, mirrors);
  repositories.known(other, mirrors);
  repositories.run(2);
  const auto both_told = [&](std::size_t count) {
    return [this, count] { return told.count("acme") >= count && told.count("other") >= count; };
  };
  ASSERT_TRUE(wait_until(both_told(1)));
  EXPECT_EQ(repositories.known(site, mirrors).refs->at("refs/heads/main"), first);
  const CommitId second = code.commit("second");
  repositories.wake(site, mirrors);
  ASSERT_TRUE(wait_until(both_told(2))) << "a wake-up is not waited an hour for";
  EXPECT_EQ(repositories.known(other, mirrors).refs->at("refs/heads/main"), second);
  repositories.stop();
}

TEST_F(LookingTest, ACommitThatIsNotThereIsLookedForOnceMoreBeforeItIsMissing) {
  repositories.known(site, mirrors);
  repositories.run(2);
  ASSERT_TRUE(wait_until([this] { return told.size() == 1; }));
  const CommitId second = code.commit("second"), never{std::string(40, '1')};
  EXPECT_EQ(repositories.has(site, mirrors, second), std::nullopt) << "just pushed";
  ASSERT_TRUE(wait_until([this] { return told.size() == 2; })) << "it is not waited an hour for";
  EXPECT_EQ(repositories.has(site, mirrors, second), true);
  EXPECT_EQ(repositories.has(site, mirrors, never), std::nullopt);
  ASSERT_TRUE(wait_until([this] { return told.size() == 3; })) << "nothing came; that is news too";
  EXPECT_EQ(repositories.has(site, mirrors, never), false);
  EXPECT_EQ(repositories.has(site, mirrors, never), false) << "and it is not looked for any more";
  repositories.stop();
}

}  // namespace
}  // namespace tidegate::test
