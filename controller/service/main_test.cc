// The test program answers to git-transfer as the real program does, so that sources under test
// start real transfers.

#include <gtest/gtest.h>

#include <string_view>

#include "controller/git/transfer.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "git-transfer") {
    return tidegate::transfer_main(argc, argv);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
