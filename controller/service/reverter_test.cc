#include "controller/service/reverter.h"

#include <gtest/gtest.h>

#include "controller/git/test_repository.h"
#include "controller/loop/test_ports.h"
#include "reconcilers/status.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class HandClock : public Clock {
 public:
  Timestamp now() const override { return at; }
  Timestamp at = *parse_rfc3339("2026-11-20T12:00:00Z");
};

struct Events : SilentChronicle {
  void happened(const Event& event) override { all.push_back(event.type + ": " + event.message); }
  std::vector<std::string> all;
};

const CommitId good{std::string(40, '1')}, bad{std::string(40, '2')}, third{std::string(40, '3')};

/// A bare repository of manifests in which live was asked to run what failed.
class ReverterTest : public testing::Test {
 protected:
  ReverterTest() : tree(directory / "clone") {
    tree.git("init -q --bare -b main " + bare());
    tree.git("remote add origin " + bare());
    made = says(good);
    asked = says(bad);
    auto opened = open_store(directory / "state.db", StoreMode::read_write);
    store = std::move(*opened);
    restart();
  }
  void restart() {
    Mirror mirror(directory / "mirrors", bare(), {}, 30s);
    reverter = std::make_unique<Reverter>(
        std::map<std::string, WritableSource>{
            {"fleet", {"main", "", [mirror] { return Result<Mirror>(mirror); }}}},
        clock, *store, events, [] { return 0.5; },
        Reverter::Wishes{[this] { ++read; }, [this](const std::string& site) { looks += site; },
                         [this](const Revert& revert, const Asked& by, const CommitId& commit,
                                const std::string& reference) {
                           pushes.push_back(revert.site + "/" + revert.environment + ": " +
                                            by.commit.brief() + " is taken back by " +
                                            commit.brief() + " on " + reference);
                         },
                         [this](const Revert& revert, const std::string& type, const std::string&) {
                           outcomes.push_back(revert.failure.operation + " " + type);
                         }});
  }
  std::string bare() const { return directory / "fleet.git"; }
  CommitId says(const CommitId& commit, const std::string& more = "") {
    tree.run("git pull -q --ff-only origin main || true");
    tree.write("sites/acme.yaml",
               "# The fleet.\n---\napiVersion: tidegate/v1\nkind: Environment  # Live\n"
               "metadata: {name: live, site: acme}\nspec:\n  code: {commit: \"" +
                   commit.hex + "\"}\n" + more + "---\nkind: Another\n");
    const CommitId made = tree.commit("live runs " + commit.brief());
    tree.git("push -q origin HEAD:main");
    return made;
  }
  std::string git(const std::string& arguments) const {
    return tree.run("git --git-dir=" + bare() + " " + arguments);
  }
  std::string file(const std::string& reference = "main") const {
    return git("show " + reference + ":sites/acme.yaml");
  }
  Revert wanted(const std::string& operation = "op-7") const {
    Revert out{"acme", "live", good, bad, {"digest", true, "/ answers 500", clock.at, 1}, "", ""};
    out.failure.after_switch = true;
    out.failure.operation = operation;
    return out;
  }
  /// What was told, once it is asked for.
  std::string told(const Revert& revert, const std::string& revision = "") {
    events.all.clear();
    reverter->revert(revert, {"fleet", "sites/acme.yaml", revision.empty() ? asked.hex : revision});
    while (reverter->run_one()) continue;
    std::string out;
    for (const auto& text : events.all) out += text + "\n";
    return out;
  }
  std::string head() const { return git("rev-parse main"); }

  TemporaryDirectory directory;
  WorkTree tree;
  CommitId made, asked;
  HandClock clock;
  Events events;
  std::unique_ptr<Store> store;
  std::unique_ptr<Reverter> reverter;
  int read = 0;
  std::string looks;
  std::vector<std::string> pushes, outcomes;
};

TEST_F(ReverterTest, WritesWhatTheDocumentSaidBefore) {
  const std::string before = file(made.hex);
  const std::string said = told(wanted());
  EXPECT_EQ(said, "ManifestReverted: manifest commit " + asked.brief() +
                      " of Ada Lovelace <ada@example.org> is taken back for acme/live by " +
                      head().substr(0, 7) + " on \"main\"\n");
  EXPECT_EQ(file(), before);
  EXPECT_EQ(git("rev-parse main~1"), asked.hex);
  EXPECT_EQ(git("log -1 --format=%an main"), "Tidegate");
  EXPECT_EQ(git("log -1 --format=%s main"),
            "Revert acme/live to 111111111111: verification failed");
  EXPECT_EQ(read, 1);
}

TEST_F(ReverterTest, WhoKeepsTheAuditIsToldBeforeItIsPushedAndWhatBecameOfIt) {
  told(wanted());
  EXPECT_EQ(pushes, std::vector<std::string>{"acme/live: " + asked.brief() + " is taken back by " +
                                             head().substr(0, 7) + " on refs/heads/main"});
  EXPECT_EQ(outcomes, std::vector<std::string>{"op-7 ManifestReverted"});
  says(third);
  told(wanted("op-8"), asked.hex);
  EXPECT_EQ(pushes.size(), 1u);
  EXPECT_EQ(outcomes.back(), "op-8 RevertLeftAlone");
}

TEST_F(ReverterTest, WritesNothingTwice) {
  told(wanted());
  const std::string written = head();
  EXPECT_EQ(told(wanted()), "");
  restart();
  EXPECT_EQ(told(wanted()), "");
  store = std::move(*open_store(directory / "other.db", StoreMode::read_write));
  restart();
  EXPECT_EQ(told(wanted()), "") << "what git holds decides, without any memory";
  EXPECT_EQ(head(), written);
  asked = says(bad);
  EXPECT_EQ(told(wanted()), "") << "asked for once more, it is a person's to try again";
  EXPECT_EQ(head(), asked.hex);
  EXPECT_NE(told(wanted("op-8")), "") << "it was tried again, and failed again";
  EXPECT_NE(head(), asked.hex);
}

TEST_F(ReverterTest, OtherPeoplesCommitsStay) {
  tree.write("notes.txt", "a note\n");
  const CommitId note = tree.commit("note");
  tree.git("push -q origin HEAD:main");
  told(wanted());
  EXPECT_EQ(git("rev-parse main~1"), note.hex);
  EXPECT_EQ(git("show main:notes.txt"), "a note");
  EXPECT_EQ(file(), file(made.hex));
}

TEST_F(ReverterTest, ADocumentThatMovedOnIsLeftAlone) {
  says(third);
  const std::string left =
      "RevertLeftAlone: git is left alone: the document of acme/live in "
      "\"sites/acme.yaml\" has changed since commit " +
      asked.brief() + "\n";
  EXPECT_EQ(told(wanted()), left);
  EXPECT_EQ(told(wanted()), "") << "once";
  const CommitId commented = says(bad, "  # looked at by Ada\n");
  restart();
  EXPECT_EQ(told(wanted()), left);
  EXPECT_EQ(head(), commented.hex);
}

TEST_F(ReverterTest, WhatItSaidBeforeMustBeWhatRuns) {
  Revert revert = wanted();
  revert.runs = third;
  EXPECT_EQ(told(revert), "RevertLeftAlone: git is left alone: before manifest commit " +
                              asked.brief() +
                              " it named 1111111, and 3333333 is what it went "
                              "back to\n");
  revert = wanted("op-8");
  revert.made_by = head();
  EXPECT_EQ(
      told(revert),
      "RevertLeftAlone: git is left alone: its document says the same since manifest commit " +
          asked.brief() + ", by which it ran well: something else asked for what failed\n");
  EXPECT_EQ(head(), asked.hex);
}

TEST_F(ReverterTest, ANewDocumentIsLeftAlone) {
  EXPECT_EQ(told(wanted(), made.hex),
            "RevertLeftAlone: git is left alone: the document of acme/live in \"sites/acme.yaml\" "
            "has changed since commit " +
                made.brief() + "\n");
  tree.git("rm -q sites/acme.yaml");
  tree.commit("away");
  asked = says(bad);
  EXPECT_EQ(told(wanted()), "RevertLeftAlone: git is left alone: before manifest commit " +
                                asked.brief() + " there was nothing of acme/live to go back to\n");
}

TEST_F(ReverterTest, ProposesItOnABranchOnce) {
  Revert revert = wanted();
  revert.branch = "tidegate/acme-live";
  const std::string said = told(revert);
  const std::string proposed = git("rev-parse tidegate/acme-live");
  EXPECT_EQ(said, "RevertProposed: manifest commit " + asked.brief() +
                      " of Ada Lovelace <ada@example.org> is taken back for acme/live by " +
                      proposed.substr(0, 7) +
                      " on branch \"tidegate/acme-live\"; merge it there, or delete the branch\n");
  EXPECT_EQ(head(), asked.hex);
  store = std::move(*open_store(directory / "other.db", StoreMode::read_write));
  restart();
  EXPECT_EQ(told(revert), "");
  EXPECT_EQ(git("rev-parse tidegate/acme-live"), proposed);
  git("update-ref refs/heads/main " + proposed);  // Merged; and the same thing goes wrong again.
  tree.git("pull -q --ff-only origin main");
  asked = says(bad);
  revert.failure.operation = "op-8";
  EXPECT_NE(told(revert), "");
  EXPECT_EQ(git("rev-parse tidegate/acme-live~1"), asked.hex);
}

TEST_F(ReverterTest, ABranchWithCommitsOfItsOwnIsLeftAlone) {
  for (const CommitId& from : {asked, made}) {
    tree.git("switch -q -C tidegate/acme-live " + from.hex);
    tree.git("commit -q --allow-empty -m mine");
    tree.git("push -q -f origin tidegate/acme-live");
    const std::string mine = git("rev-parse tidegate/acme-live");
    Revert revert = wanted("op on " + from.hex);
    revert.branch = "tidegate/acme-live";
    EXPECT_EQ(told(revert),
              "RevertLeftAlone: git is left alone: branch \"tidegate/acme-live\" has commits that "
              "\"main\" has not; merge or delete it\n");
    EXPECT_EQ(git("rev-parse tidegate/acme-live"), mine);
  }
}

TEST_F(ReverterTest, WhatCannotBeWrittenRestsAndThenItsSiteIsLookedAtAnew) {
  write_file(bare() + "/refs/heads/main.lock", "");
  const std::string said = told(wanted());
  EXPECT_TRUE(said.starts_with("RevertFailed: ")) << said;
  EXPECT_EQ(told(wanted()), "") << "a look does not hurry it";
  EXPECT_EQ(looks, "");
  std::filesystem::remove(bare() + "/refs/heads/main.lock");
  clock.at += 1h;
  EXPECT_TRUE(reverter->run_one());
  EXPECT_EQ(looks, "acme");
  EXPECT_EQ(head(), asked.hex) << "by now it may be well: only a look can tell";
  EXPECT_TRUE(told(wanted()).starts_with("ManifestReverted: "));
}

TEST_F(ReverterTest, OnlyABranchIsWrittenTo) {
  tree.git("push -q origin main:refs/tags/v1");
  const Mirror mirror(directory / "mirrors", bare(), {}, 30s);
  reverter = std::make_unique<Reverter>(
      std::map<std::string, WritableSource>{
          {"fleet", {"v1", "", [mirror] { return Result<Mirror>(mirror); }}}},
      clock, *store, events, [] { return 0.5; }, Reverter::Wishes{});
  EXPECT_EQ(told(wanted()),
            "RevertLeftAlone: git is left alone: \"v1\" of source fleet is no branch\n");
}

}  // namespace
}  // namespace tidegate
