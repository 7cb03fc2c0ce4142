#include "reconcilers/plan_text.h"

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

TEST(PlanTextTest, EveryActionHasItsVerbAndItsWords) {
  const Stamp stamp{ContentSource::from("live"), 6, {}, {}};
  struct Row {
    Action action;
    const char *verb, *words;
  };
  const std::vector<Row> rows{
      {Promote{c1}, "promote", "promote 1111111"},
      {Sync{Part::databases, "live", 7, {}}, "sync", "sync databases from live (generation 7)"},
      {Sync{Part::files, "live", 7, noon}, "sync", "refresh files from live (generation 7)"},
      {Wipe{Part::files, 3}, "wipe", "wipe files (generation 3)"},
      {Wipe{Part::databases, 0}, "create", "create empty databases"},
      {Activate{Part::files, "k", stamp}, "activate", "bring back files of live (generation 6)"},
      {Declare{Part::databases, "search"}, "create", "create database \"search\""},
      {Launch{}, "launch", "record the launch"},
      {Recover{"op7"}, "recover", "recover operation op7"}};
  for (const Row& row : rows) {
    EXPECT_STREQ(verb(row.action), row.verb);
    EXPECT_EQ(describe({row.action}), row.words);
  }
  EXPECT_EQ(describe({Promote{c1}, Wipe{Part::files, 3}}),
            "promote 1111111, wipe files (generation 3)");
}

TEST(PlanTextTest, WhatHappensToBothPartsIsSaidOnce) {
  const Stamp six{ContentSource::from("live"), 6, {}, {}}, wiped{ContentSource::empty(), 2, {}, {}},
      adopted{ContentSource::adopted(), 1, {}, {}};
  auto both = [](auto action) {
    auto other = action;
    action.part = Part::databases, other.part = Part::files;
    return describe({Promote{c1}, action, other});
  };
  EXPECT_EQ(both(Sync{Part::files, "live", 7, {}}),
            "promote 1111111, sync databases and files from live (generation 7)");
  EXPECT_EQ(both(Sync{Part::files, "live", 7, noon}),
            "promote 1111111, refresh databases and files from live (generation 7)");
  EXPECT_EQ(both(Wipe{Part::files, 3}), "promote 1111111, wipe databases and files (generation 3)");
  EXPECT_EQ(both(Wipe{Part::files, 0}), "promote 1111111, create empty databases and files");
  EXPECT_EQ(both(Activate{Part::files, "k", six}),
            "promote 1111111, bring back databases and files of live (generation 6)");
  EXPECT_EQ(both(Activate{Part::files, "k", wiped}),
            "promote 1111111, bring back databases and files of a wipe (generation 2)");
  EXPECT_EQ(both(Activate{Part::files, "k", adopted}),
            "promote 1111111, bring back adopted databases and files (generation 1)");
  EXPECT_EQ(describe({Sync{Part::databases, "live", 7, {}}, Wipe{Part::files, 0}}),
            "sync databases from live (generation 7), create empty files");
  EXPECT_EQ(describe({Sync{Part::databases, "live", 7, {}}, Sync{Part::files, "live", 8, {}}}),
            "sync databases from live (generation 7), sync files from live (generation 8)");
}

TEST(PlanTextTest, ReasonsAreOneSentenceThatSaysEachOnce) {
  EXPECT_EQ(sentence({}), "");
  EXPECT_EQ(sentence({{"it is new"}, {"it is new"}}), "it is new");
  EXPECT_EQ(sentence({{"it is new"}, {"live has none"}, {"live has none"}}),
            "it is new, and live has none");
  EXPECT_EQ(sentence({{"it runs 1111111"}, {"of live", Part::databases}, {"of live", Part::files}}),
            "it runs 1111111, and its databases and files are of live");
  EXPECT_EQ(sentence({{"it runs 1111111"}, {"of live", Part::databases}, {"its own", Part::files}}),
            "it runs 1111111, its databases are of live, and its files are its own");
}

TEST(PlanTextTest, AListEndsWithAnd) {
  EXPECT_EQ(enumerate({}), "");
  EXPECT_EQ(enumerate({"a"}), "a");
  EXPECT_EQ(enumerate({"a", "b"}), "a and b");
  EXPECT_EQ(enumerate({"a", "b", "c"}), "a, b and c");
}

TEST(PlanTextTest, AStampIsToldInWords) {
  EXPECT_EQ(stamp_text({ContentSource::keep(), 0, {}, {}}), "its own");
  EXPECT_EQ(stamp_text({ContentSource::empty(), 2, {}, {}}), "its own since a wipe (generation 2)");
  EXPECT_EQ(stamp_text({ContentSource::from("live"), 7, {}, {}}), "of live (generation 7)");
  EXPECT_EQ(stamp_text({ContentSource::adopted(), 1, {}, {}}), "adopted (generation 1)");
}

}  // namespace
}  // namespace tidegate
