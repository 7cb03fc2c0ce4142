// The line that people read of a command that failed.

#include "controller/host/failure_reason.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tidegate {
namespace {

std::string reason(const std::string& output) {
  FailureReason out;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) out.line(line);
  return out.text();
}

TEST(FailureReasonTest, IsTheLastLineThatIsNotBlank) {
  EXPECT_EQ(reason("one\ntwo\n\n  \n"), "two");
  EXPECT_EQ(reason("  indented  \n"), "indented");
  EXPECT_EQ(reason(""), "");
}

TEST(FailureReasonTest, IsWhatPhpSaysAndNotWhereItWasThrown) {
  EXPECT_EQ(reason("migrating\n"
                   "PHP Fatal error:  Uncaught Exception: no such table in /site/update.php:3\n"
                   "Stack trace:\n"
                   "#0 /site/update.php(9): migrate()\n"
                   "#1 {main}\n"
                   "  thrown in /site/update.php on line 3\n"),
            "PHP Fatal error:  Uncaught Exception: no such table in /site/update.php:3");
  EXPECT_EQ(reason("\nFatal error: Uncaught TypeError: bad in /a.php:1\nStack trace:\n#0 {main}\n\n"
                   "Next RuntimeException: worse in /a.php:2\nStack trace:\n#0 {main}\n"
                   "thrown in /a.php on line 2\n"),
            "Fatal error: Uncaught TypeError: bad in /a.php:1")
      << "what the others came from";
  EXPECT_EQ(reason("it broke\nStack trace:\n#0 {main}\n  thrown in /a.php on line 2\n"),
            "it broke");
}

TEST(FailureReasonTest, IsTheFirstOfSeveralErrorsInARow) {
  EXPECT_EQ(reason("PHP Fatal error:  Uncaught Error: boom in /a.php:1\n#0 {main}\n"
                   "Error: There has been a critical error on this website.\n"),
            "PHP Fatal error:  Uncaught Error: boom in /a.php:1");
}

TEST(FailureReasonTest, KnowsTheErrorsOfOtherTools) {
  EXPECT_EQ(reason("ERROR 1064 (42000) at line 1: You have an error\n"),
            "ERROR 1064 (42000) at line 1: You have an error");
  EXPECT_EQ(reason("/a.js:1\nthrow new TypeError('x')\n^\n\nTypeError: x\n    at main (/a.js:1)\n"
                   "\nNode.js v18.19.0\n"),
            "TypeError: x");
  EXPECT_EQ(reason("Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: x\n"),
            "ValueError: x");
  EXPECT_EQ(reason(" [error]  Update failed: node_update_9001\n [notice] 3 done\n"),
            "[error]  Update failed: node_update_9001");
}

TEST(FailureReasonTest, AnErrorAfterWhichItWentOnIsNoReason) {
  EXPECT_EQ(reason("Error: no cache\nTrying without\nimport stopped at row 7\n"),
            "import stopped at row 7");
  EXPECT_EQ(reason("2 errors found\nerrors are in the report\n"), "errors are in the report");
}

TEST(FailureReasonTest, IsCutWhereItIsLong) {
  EXPECT_EQ(reason("Error: " + std::string(1000, 'x') + "\n").size(), 300U);
}

}  // namespace
}  // namespace tidegate
