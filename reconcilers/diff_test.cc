#include "reconcilers/diff.h"

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
const ContentSource live = ContentSource::from("live");

class DiffTest : public SiteAtRest {
 protected:
  EnvironmentDiff of(const std::string& e) { return diff(site, want(e), observed, calendar, now); }
  CodeCause cause(const std::string& e) { return of(e).code.cause; }
  ContentRow row(const std::string& e) { return of(e).content.at(Part::databases).row; }
};

TEST_F(DiffTest, NothingDiffersAtRest) {
  EXPECT_EQ(cause("test"), CodeCause::none);
  EXPECT_EQ(row("test"), ContentRow::satisfied);
  EXPECT_FALSE(of("test").code.rollback);
}

TEST_F(DiffTest, TheFirstCauseIsTold) {
  seen("test").healthy = false;
  EXPECT_EQ(cause("test"), CodeCause::unhealthy);
  seen("test").drifted = true;
  EXPECT_EQ(cause("test"), CodeCause::drift);
  seen("test").wanted_inputs = "new";
  EXPECT_EQ(cause("test"), CodeCause::inputs);
  want("test").code = c2;
  EXPECT_EQ(cause("test"), CodeCause::commit);
  is_missing("test");
  EXPECT_EQ(cause("test"), CodeCause::created);
}

TEST_F(DiffTest, GoingBackIsToACommitThatRanHealthilyHere) {
  want("test").code = c2;
  EXPECT_FALSE(of("test").code.rollback);
  seen("test").proven[c2];
  EXPECT_TRUE(of("test").code.rollback);
  seen("test").commit = c2;
  EXPECT_FALSE(of("test").code.rollback);
}

TEST_F(DiffTest, EachRowOfTheTable) {
  struct Row {
    const char* name;
    ContentSource source;
    std::uint64_t generation;
    Stamp stamp;
    std::uint64_t highest;
    std::vector<KeptContent> kept;
    ContentRow row;
  };
  const Stamp live6{live, 6, {}, {}}, live7{live, 7, {}, {}},
      wiped7{ContentSource::empty(), 7, {}, {}};
  const Stamp adopted1{ContentSource::adopted(), 1, {}, {}}, own{};
  const std::vector<Row> rows{
      {"keep", ContentSource::keep(), 0, live7, 7, {}, ContentRow::satisfied},
      {"same", live, 7, live7, 7, {}, ContentRow::satisfied},
      {"same, though more was done since", live, 7, live7, 9, {}, ContentRow::satisfied},
      {"adopted", live, 1, adopted1, 1, {}, ContentRow::satisfied},
      {"other source", ContentSource::from("test"), 7, live7, 7, {}, ContentRow::used},
      {"wipe at a used generation", ContentSource::empty(), 7, live7, 7, {}, ContentRow::used},
      {"copy at a wiped generation", live, 7, wiped7, 7, {}, ContentRow::used},
      {"first copy", live, 1, own, 0, {}, ContentRow::bring},
      {"above", live, 8, live7, 7, {}, ContentRow::bring},
      {"far above", ContentSource::empty(), 80, live7, 7, {}, ContentRow::bring},
      {"above what is there, not above what was done", live, 8, live7, 8, {}, ContentRow::lost},
      {"back", live, 6, live7, 7, {{"k", live6}}, ContentRow::come_back},
      {"back to adopted", live, 1, live7, 7, {{"k", adopted1}}, ContentRow::come_back},
      {"forth again", live, 7, live6, 7, {{"k", live7}}, ContentRow::come_back},
      {"back to another source",
       ContentSource::from("test"),
       6,
       live7,
       7,
       {{"k", live6}},
       ContentRow::lost},
      {"back to what is not kept", live, 5, live7, 7, {{"k", live6}}, ContentRow::lost}};
  for (const Row& r : rows) {
    want_content("test", r.source, r.generation);
    part("test", Part::databases) = {"1", r.stamp, r.highest, r.kept, {{"main", "sqlite"}}};
    EXPECT_EQ(row("test"), r.row) << r.name;
  }
}

TEST_F(DiffTest, APartThatIsNotIncludedIsSatisfied) {
  want_content("test", live, 8);
  want("test").content.databases = false;
  EXPECT_EQ(row("test"), ContentRow::satisfied);
  EXPECT_EQ(of("test").content.at(Part::files).row, ContentRow::bring);
}

TEST_F(DiffTest, EveryIsCountedFromWhenItWasTaken) {
  Refresh refresh;
  refresh.every = 2h;
  std::optional<Timestamp> next;
  EXPECT_EQ(last_due(refresh, noon, calendar, noon, &next), std::nullopt);
  EXPECT_EQ(next, noon + 2h);
  EXPECT_EQ(last_due(refresh, noon, calendar, noon + 2h, &next), noon + 2h);
  EXPECT_EQ(next, noon + 4h);
  EXPECT_EQ(last_due(refresh, noon, calendar, noon + 5h, &next), noon + 4h);
  EXPECT_EQ(next, noon + 6h);
}

TEST_F(DiffTest, AScheduleIsDueOnceItsTimeHasCome) {
  Refresh refresh;
  refresh.schedule = "0 3 * * *";
  std::optional<Timestamp> next;
  EXPECT_EQ(last_due(refresh, noon, calendar, noon + 15h - 1ms, &next), std::nullopt);
  EXPECT_EQ(next, noon + 15h);
  EXPECT_EQ(last_due(refresh, noon, calendar, noon + 15h, &next), noon + 15h);
  EXPECT_EQ(next, noon + 39h);
  EXPECT_EQ(last_due(refresh, noon, calendar, noon + 24h * 400, &next), noon + 15h + 24h * 399);
}

TEST_F(DiffTest, AScheduleOfLongAgoIsFoundWithoutWalkingThroughAllOfIt) {
  struct Counting : SmallCalendar {
    mutable int asked = 0;
    std::optional<Timestamp> next(const std::string& cron, const std::string& zone,
                                  Timestamp after) const override {
      ++asked;
      return SmallCalendar::next(cron, zone, after);
    }
  } counting;
  Refresh refresh;
  refresh.schedule = "0 * * * *";
  EXPECT_EQ(last_due(refresh, noon, counting, noon + 24h * 3650, nullptr), noon + 24h * 3650);
  EXPECT_LT(counting.asked, 10);
}

TEST_F(DiffTest, TheLaterOfTwoDueTimesAndTheSoonerNextOneCount) {
  Refresh refresh;
  refresh.schedule = "0 3 * * *";
  refresh.every = 10h;
  std::optional<Timestamp> next;
  EXPECT_EQ(last_due(refresh, noon, calendar, noon + 16h, &next), noon + 15h);
  EXPECT_EQ(next, noon + 20h);
}

TEST_F(DiffTest, AClockThatStepsBackMakesNothingDue) {
  Refresh refresh;
  refresh.every = 1h;
  refresh.schedule = "0 * * * *";
  std::optional<Timestamp> next;
  EXPECT_EQ(last_due(refresh, noon, calendar, noon - 10h, &next), std::nullopt);
  EXPECT_EQ(next, noon + 1h);
}

TEST_F(DiffTest, ADigestChangesWithWhateverAStepIsMadeOf) {
  auto digest = [&] { return step_digest(site, want("dev"), seen("dev"), c1); };
  const std::string before = digest();
  EXPECT_EQ(digest(), before);
  want("dev").suspend = Suspend{};
  EXPECT_EQ(digest(), before);
  EXPECT_NE(step_digest(site, want("dev"), seen("dev"), c2), before);
  site.digest = "x";
  EXPECT_NE(digest(), before);
  site.digest = "site";
  want("dev").digest = "x";
  EXPECT_NE(digest(), before);
  want("dev").digest = "dev";
  seen("dev").wanted_inputs = "x";
  EXPECT_NE(digest(), before);
}

TEST_F(DiffTest, ContentHasADigestOfItsOwnWhichItsDueTimeChanges) {
  auto digest = [&](std::optional<Timestamp> due) {
    return content_digest(site, want("dev"), seen("dev"), c1, due);
  };
  EXPECT_EQ(digest({}), digest({}));
  EXPECT_NE(digest({}), step_digest(site, want("dev"), seen("dev"), c1));
  EXPECT_NE(digest(noon), digest({}));
  EXPECT_NE(digest(noon), digest(noon + 1s));
  EXPECT_TRUE(is_of_content({digest(noon), false, "", noon, 1}));
  EXPECT_FALSE(
      is_of_content({step_digest(site, want("dev"), seen("dev"), c1), false, "", noon, 1}));
}

}  // namespace
}  // namespace tidegate
