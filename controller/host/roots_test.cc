// Roots are claimed once, remembered, and named in full.

#include "controller/host/roots.h"

#include <gtest/gtest.h>

#include "controller/host/engines.h"
#include "controller/host/files/marks.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

TEST(RootsTest, ClaimsAnEmptyRootAndRemembersIt) {
  TemporaryDirectory directory;
  RememberedRoots memory;
  EXPECT_EQ(root_problem(memory, directory.path()), "");
  ASSERT_TRUE(claim_and_remember(memory, directory.path()));
  ASSERT_TRUE(memory.recall(directory.path()));
  EXPECT_EQ(memory.recall(directory.path()), **root_id(directory.path()));
  EXPECT_TRUE(claim_and_remember(memory, directory.path())) << "again";
  EXPECT_TRUE(claim_and_remember(memory, directory.path() + "/"))
      << "a slash at the end is no link";
}

TEST(RootsTest, RefusesARootOverALinkAndNamesThePathToWrite) {
  TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "real/sites");
  std::filesystem::create_directory_symlink(directory / "real", directory / "link");
  std::filesystem::create_directory_symlink(directory / "real/sites", directory / "last");
  RememberedRoots memory;
  for (const std::string& written :
       {directory / "link/sites", directory / "last", directory / "last/"}) {
    auto claimed = claim_and_remember(memory, written);
    ASSERT_FALSE(claimed) << written;
    EXPECT_EQ(claimed.error().kind, ErrorKind::invalid);
    EXPECT_EQ(claimed.error().message, "root \"" + written +
                                           "\" leads over a symbolic link; write \"" +
                                           (directory / "real/sites") + "\" instead");
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory / "real/sites"));
  EXPECT_TRUE(claim_and_remember(memory, directory / "real/sites"));
}

TEST(RootsTest, SaysWhenARootLostWhatItHeldOrIsAnother) {
  TemporaryDirectory directory;
  RememberedRoots memory;
  const std::string root = directory / "sites";
  std::filesystem::create_directory(root);
  ASSERT_TRUE(claim_and_remember(memory, root));
  std::filesystem::rename(root, directory / "away");
  std::filesystem::create_directory(root);
  const std::string lost = "root \"" + root + "\" lost what it held; is its file system mounted?";
  EXPECT_EQ(root_problem(memory, root), lost);
  auto claimed = claim_and_remember(memory, root);
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().kind, ErrorKind::transient);
  EXPECT_EQ(claimed.error().message, lost);
  EXPECT_TRUE(std::filesystem::is_empty(root));
  RememberedRoots other;
  ASSERT_TRUE(claim_and_remember(other, root));
  EXPECT_EQ(root_problem(memory, root),
            "root \"" + root + "\" is another one than before; is the right file system mounted?");
}

TEST(RootsTest, RefusesWhatItCannotClaim) {
  TemporaryDirectory directory;
  RememberedRoots memory;
  EXPECT_EQ(
      claim_and_remember(memory, directory / "none").error().message,
      "root \"" + (directory / "none") + "\" does not exist: create the directory, or mount it");
  write_file(directory / "photo.jpg", "");
  EXPECT_EQ(claim_and_remember(memory, directory.path()).error().message,
            "root \"" + directory.path() +
                "\" holds \"photo.jpg\", which is not Tidegate's: choose an empty directory");
}

TEST(EnginesTest, MakesAnEngineOnceForEachServer) {
  TemporaryDirectory directory;
  write_file(directory / "secrets/mariadb", "one\n");
  Engines engines{Secrets(directory / "secrets")};
  HostDriverSpec driver;
  driver.name = "host";
  driver.root = directory.path();
  const auto sqlite = engines.of(driver, Engine::sqlite);
  ASSERT_TRUE(sqlite);
  EXPECT_EQ(*engines.of(driver, Engine::sqlite), *sqlite);
  EXPECT_EQ(engines.of(driver, Engine::mariadb).error().message,
            "driver \"host\" says nothing of mariadb; add spec.host.mariadb");
  driver.mariadb = MariaDbServer{"/run/none.sock",
                                 "",
                                 3306,
                                 "tidegate",
                                 SecretRef{"mariadb", SecretRef::Scope::platform},
                                 "tg"};
  const auto first = engines.of(driver, Engine::mariadb);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(*engines.of(driver, Engine::mariadb), *first);
  write_file(directory / "secrets/mariadb", "two\n");
  EXPECT_NE(*engines.of(driver, Engine::mariadb), *first) << "the password changed";
  std::filesystem::remove(directory / "secrets/mariadb");
  const auto missing = engines.of(driver, Engine::mariadb);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "driver host: secret \"mariadb\": cannot read \"" +
                                         (directory / "secrets/mariadb") +
                                         "\": No such file or directory");
}

TEST(EnginesTest, FindsTheUserOfAnEnvironment) {
  HostDriverSpec driver;
  driver.name = "host";
  EXPECT_EQ(*user_of(driver, "acme", "dev"), std::nullopt);
  driver.run_as = "no-such-{site}-{environment}";
  const auto missing = user_of(driver, "acme", "dev");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::invalid);
  EXPECT_TRUE(missing.error().message.starts_with("runAs of driver \"host\": "))
      << missing.error().message;
  EXPECT_NE(missing.error().message.find("no-such-acme-dev"), std::string::npos)
      << missing.error().message;
  driver.run_as = "www-data";
  const auto found = user_of(driver, "acme", "dev");
  if (is_root()) {
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ((**found).first, 33u);
  } else {
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().message,
              "runAs of driver \"host\": only a controller that is root can become \"www-data\"; "
              "run it as root, or leave runAs out");
  }
}

}  // namespace
}  // namespace tidegate::test
