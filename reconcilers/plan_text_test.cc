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
      {Declare{Part::databases, "search"}, "create", "create databases \"search\""},
      {Launch{}, "launch", "record the launch"},
      {Recover{"op7"}, "recover", "recover operation op7"}};
  for (const Row& row : rows) {
    EXPECT_STREQ(verb(row.action), row.verb);
    EXPECT_EQ(describe({row.action}), row.words);
  }
  EXPECT_EQ(describe({Promote{c1}, Wipe{Part::files, 3}}),
            "promote 1111111, wipe files (generation 3)");
}

TEST(PlanTextTest, AStampIsToldInWords) {
  auto text = [](ContentSource source, std::uint64_t generation) {
    return stamp_text(Part::files, {std::move(source), generation, {}, {}});
  };
  EXPECT_EQ(text(ContentSource::keep(), 0), "its files are its own");
  EXPECT_EQ(text(ContentSource::empty(), 2), "its files are its own since a wipe (generation 2)");
  EXPECT_EQ(text(ContentSource::from("live"), 7), "its files are of live (generation 7)");
  EXPECT_EQ(text(ContentSource::adopted(), 1), "its files are adopted (generation 1)");
}

}  // namespace
}  // namespace tidegate
