#include "controller/process/users.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidegate {
namespace {

TEST(UsersTest, FindsAUserByName) {
  const Result<SystemUser> root = find_user("root");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->uid, 0u);
  EXPECT_EQ(root->gid, 0u);
  EXPECT_EQ(root->home, "/root");
}

TEST(UsersTest, SaysHowToAddAMissingUser) {
  const Result<SystemUser> user = find_user("acme-no-such");
  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().kind, ErrorKind::invalid);
  EXPECT_EQ(user.error().message,
            "there is no system user \"acme-no-such\": useradd --system --no-create-home --shell "
            "/usr/sbin/nologin acme-no-such");
}

TEST(UsersTest, OffersNoCommandForANameNobodyCanHave) {
  for (const std::string& name :
       std::vector<std::string>{"", "-x", "a; rm -rf /", "9lives", std::string(33, 'a')}) {
    const Result<SystemUser> user = find_user(name);
    ASSERT_FALSE(user);
    EXPECT_EQ(user.error().message,
              "there is no system user \"" + name +
                  "\", nor can one be added: names have at most 32 lower-case letters, digits, "
                  "\"_\" and \"-\", and begin with a letter; choose another runAs");
  }
}

}  // namespace
}  // namespace tidegate
