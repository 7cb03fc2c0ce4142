// What is told of a machine, with the command that mends it.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "controller/commands/options.h"
#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

class DoctorTest : public testing::Test {
 protected:
  DoctorTest() {
    write_file(directory / "fleet/fleet.yaml", "");
    options.manifests = directory / "fleet";
    options.state = directory / "state.db";
    options.secrets = directory / "secrets";
  }
  /// The line about the secrets directory.
  std::string told() {
    testing::internal::CaptureStdout();
    code = run_doctor(options);
    const std::string text = testing::internal::GetCapturedStdout();
    const auto at = text.find("secrets directory");
    if (at == std::string::npos) return "";
    const auto begin = text.rfind('\n', at) + 1;
    return text.substr(begin, text.find('\n', at) - begin);
  }
  TemporaryDirectory directory;
  Options options;
  int code = -1;
};

TEST_F(DoctorTest, WantsSecretsThatNobodyElseCanReach) {
  const std::string path = directory / "secrets";
  EXPECT_EQ(told(),
            "lacks secrets directory \"" + path + "\": install -d -m 0700 \"" + path + "\"");
  EXPECT_EQ(code, exit_failed);
  std::filesystem::create_directory(path);
  for (const mode_t open : {0755, 0751, 0704}) {
    ::chmod(path.c_str(), open);
    EXPECT_EQ(told(), "lacks secrets directory \"" + path +
                          "\": open to every user of this machine: chmod o= \"" + path + "\"");
    EXPECT_EQ(code, exit_failed);
  }
  for (const mode_t closed : {0700, 0750}) {
    ::chmod(path.c_str(), closed);
    EXPECT_EQ(told(), "ok    secrets directory \"" + path + "\"");
    EXPECT_EQ(code, exit_done);
  }
}

TEST_F(DoctorTest, SaysNothingOfSecretsWhereNoneAreConfigured) {
  options.secrets.clear();
  EXPECT_EQ(told(), "");
}

}  // namespace
}  // namespace tidegate
