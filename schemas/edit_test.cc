// Edits of manifests change what was asked for, nothing else, and keep how people wrote the rest.

#include "schemas/edit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "schemas/fleet.h"

namespace tidegate {
namespace {

const CommitId old_commit{"9fceb02d0ae598e95dc970b74767f19372d61af8"};
const CommitId new_commit{"8ab17c0e5d3f4b6a9c2e1d0f7b8a6c5d4e3f2a1b"};
const std::string head =
    "apiVersion: tidegate/v1\nkind: Environment\nmetadata: {name: test, site: acme}\n";

/// The text with NEW and OLD replaced by the commits.
std::string with_commits(std::string text) {
  for (const auto& [word, commit] : {std::pair{"NEW", new_commit}, {"OLD", old_commit}}) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word)) {
      text.replace(at, 3, commit.hex);
    }
  }
  return text;
}

std::string told(const Result<std::string>& edited) {
  return edited ? *edited : "refused: " + edited.error().message;
}
std::string commit_in(const std::string& text) {
  return told(with_commit(with_commits(text), "acme", "test", new_commit));
}
std::string content_in(const std::string& text,
                       const ContentSource& source = ContentSource::from("live"),
                       std::uint64_t generation = 8) {
  return told(with_content(text, "acme", "test", source, generation));
}

struct Case {
  const char* name;
  std::string before, after;
};

TEST(EditTest, NamesACommitInEveryStylePeopleWrite) {
  const std::vector<Case> cases{
      {"flow", head + "spec: {code: {commit: OLD}, url: x}\n",
       head + "spec: {code: {commit: NEW}, url: x}\n"},
      {"block", head + "spec:\n  code:\n    commit: OLD\n  url: x\n",
       head + "spec:\n  code:\n    commit: NEW\n  url: x\n"},
      {"comments",
       head +
           "# before\nspec:\n  code: # the code\n    # why\n    commit: OLD   # sprint 14\n# end\n",
       head + "# before\nspec:\n  code: # the code\n    # why\n    commit: NEW   # sprint 14\n# "
              "end\n"},
      {"a branch", head + "spec: {code: {branch: main}}\n", head + "spec: {code: {commit: NEW}}\n"},
      {"a tag in quotes", head + "spec:\n  code:\n    tag: \"v1.0\"  # first\n",
       head + "spec:\n  code:\n    commit: \"NEW\"  # first\n"},
      {"single quotes with quotes inside", head + "spec: {code: {branch: 'it''s'}}\n",
       head + "spec: {code: {commit: 'NEW'}}\n"},
      {"escapes", head + "spec: {code: {branch: \"a\\\"b\"}}\n",
       head + "spec: {code: {commit: \"NEW\"}}\n"},
      {"from", head + "spec: {code: {from: dev}}\n", head + "spec: {code: {commit: NEW}}\n"},
      {"the key in quotes", head + "spec:\n  \"code\":\n    'branch': main\n",
       head + "spec:\n  \"code\":\n    'commit': NEW\n"},
      {"json",
       "{\"kind\":\"Environment\",\"metadata\":{\"name\":\"test\",\"site\":\"acme\"},\"spec\":{"
       "\"code\":{\"branch\":\"main\"}}}",
       "{\"kind\":\"Environment\",\"metadata\":{\"name\":\"test\",\"site\":\"acme\"},\"spec\":{"
       "\"code\":{\"commit\":\"NEW\"}}}"},
      {"json without code",
       "{\"kind\":\"Environment\",\"metadata\":{\"name\":\"test\",\"site\":\"acme\"},\"spec\":{"
       "\"url\":\"x\"}}",
       "{\"kind\":\"Environment\",\"metadata\":{\"name\":\"test\",\"site\":\"acme\"},\"spec\":{"
       "\"url\":\"x\", \"code\": {\"commit\": \"NEW\"}}}"},
      {"no code, block", head + "spec:\n  # where\n  url: x\n",
       head + "spec:\n  # where\n  url: x\n  code: {commit: NEW}\n"},
      {"no code, flow", head + "spec: {url: x}\n", head + "spec: {url: x, code: {commit: NEW}}\n"},
      {"no spec", head, head + "spec: {code: {commit: NEW}}\n"},
      {"an empty code", head + "spec: {code: {}}\n", head + "spec: {code: {commit: NEW}}\n"},
      {"an empty code of several lines", head + "spec:\n  code: { # none yet\n  }\n",
       head + "spec:\n  code: {commit: NEW # none yet\n  }\n"},
      {"flow over lines",
       head + "spec: {\n  url: x, # there\n  code: {\n    branch: main, # follows\n  },\n}\n",
       head + "spec: {\n  url: x, # there\n  code: {\n    commit: NEW, # follows\n  },\n}\n"},
      {"a trailing comma", head + "spec: {url: x, }\n",
       head + "spec: {url: x, code: {commit: NEW}, }\n"},
      {"a comment before the brace", head + "spec: {url: x # a } in it\n  }\n",
       head + "spec: {url: x, code: {commit: NEW} # a } in it\n  }\n"},
      {"an apostrophe in a plain word", head + "spec: {deploy: {note: don't}}\n",
       head + "spec: {deploy: {note: don't}, code: {commit: NEW}}\n"},
      {"lists at the end", head + "spec: {verify: {commands: [\"a ] b\", c ]}}\n",
       head + "spec: {verify: {commands: [\"a ] b\", c ]}, code: {commit: NEW}}\n"},
      {"carriage returns",
       "kind: Environment\r\nmetadata: {name: test, site: acme}\r\nspec:\r\n  url: x\r\n",
       "kind: Environment\r\nmetadata: {name: test, site: acme}\r\nspec:\r\n  url: x\r\n  code: "
       "{commit: NEW}\r\n"},
      {"no newline at the end", head + "spec: {code: {branch: main}}",
       head + "spec: {code: {commit: NEW}}"},
      {"tabs where they are allowed", head + "spec:\n  code:\t# a tab\n    branch:\tmain\t# two\n",
       head + "spec:\n  code:\t# a tab\n    commit:\tNEW\t# two\n"},
      {"other letters before it",
       head + "spec: {deploy: {note: Grüße — \"日本\"}, code: {branch: main}}\n",
       head + "spec: {deploy: {note: Grüße — \"日本\"}, code: {commit: NEW}}\n"},
      {"a byte order mark", "\xEF\xBB\xBFkind: Environment\nmetadata: {name: test, site: acme}\n",
       "\xEF\xBB\xBFkind: Environment\nmetadata: {name: test, site: acme}\nspec: {code: {commit: "
       "NEW}}\n"},
      {"a byte order mark and one line",
       "\xEF\xBB\xBF{kind: Environment, metadata: {name: test, site: acme}, spec: {code: {branch: "
       "main}}}",
       "\xEF\xBB\xBF{kind: Environment, metadata: {name: test, site: acme}, spec: {code: {commit: "
       "NEW}}}"},
      {"several documents",
       "---\n" + head + "spec: {code: {branch: other}}\n---\n" + head +
           "spec: {code: {branch: second}}\n",
       "---\n" + head + "spec: {code: {commit: NEW}}\n---\n" + head +
           "spec: {code: {branch: second}}\n"},
      {"its own document among others",
       "kind: Environment\nmetadata: {name: dev, site: acme}\nspec: {code: {branch: main}}\n---\n" +
           head +
           "spec: {code: {branch: main}}\n---\nkind: Environment\nmetadata: {name: test, site: "
           "other}\nspec: {code: {branch: main}}\n",
       "kind: Environment\nmetadata: {name: dev, site: acme}\nspec: {code: {branch: main}}\n---\n" +
           head +
           "spec: {code: {commit: NEW}}\n---\nkind: Environment\nmetadata: {name: test, site: "
           "other}\nspec: {code: {branch: main}}\n"},
      {"what it says already", head + "spec: {code: {commit: NEW}}\n",
       head + "spec: {code: {commit: NEW}}\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(commit_in(c.before), with_commits(c.after)) << c.name;
}

TEST(EditTest, NamesContentInEveryStylePeopleWrite) {
  const std::vector<Case> cases{
      {"flow", head + "spec: {content: {source: live, generation: 7}}\n",
       head + "spec: {content: {source: live, generation: 8}}\n"},
      {"block",
       head + "spec:\n  content:\n    source: dev\n    # raise me\n    generation: 7 # done\n",
       head + "spec:\n  content:\n    source: live\n    # raise me\n    generation: 8 # done\n"},
      {"no generation, flow", head + "spec: {content: {source: live}, url: x}\n",
       head + "spec: {content: {source: live, generation: 8}, url: x}\n"},
      {"no generation, flow with a comment",
       head + "spec:\n  content: {source: live # {from} live\n  }\n",
       head + "spec:\n  content: {source: live, generation: 8 # {from} live\n  }\n"},
      {"no generation, block",
       head + "spec:\n  content:\n    # from live\n    source: live # always\n",
       head + "spec:\n  content:\n    # from live\n    source: live # always\n    generation: 8\n"},
      {"no source, flow", head + "spec: {content: {include: [files]}}\n",
       head + "spec: {content: {include: [files], source: live, generation: 8}}\n"},
      {"no source, block", head + "spec:\n  content:\n    include:\n      - files\n",
       head +
           "spec:\n  content:\n    include:\n      - files\n    source: live\n    generation: 8\n"},
      {"an empty mapping", head + "spec: {content: {}}\n",
       head + "spec: {content: {source: live, generation: 8}}\n"},
      {"none, flow", head + "spec: {url: x}\n",
       head + "spec: {url: x, content: {source: live, generation: 8}}\n"},
      {"none, block", head + "spec:\n  url: x\n",
       head + "spec:\n  url: x\n  content: {source: live, generation: 8}\n"},
      {"none, beside code", head + "spec:\n  code: {branch: main}\n  url: x\n",
       head +
           "spec:\n  code: {branch: main}\n\n  content: {source: live, generation: 8}\n  url: x\n"},
      {"none, beside a code of several lines",
       head + "spec:\n  # just code\n  code:\n    from: dev\n    # the one below\n\n  # where\n  "
              "url: x\n",
       head + "spec:\n  # just code\n  code:\n    from: dev\n    # the one below\n\n  content: "
              "{source: "
              "live, generation: 8}\n\n  # where\n  url: x\n"},
      {"none, and no newline at the end", head + "spec:\n  code: {branch: main}",
       head + "spec:\n  code: {branch: main}\n\n  content: {source: live, generation: 8}"},
      {"none, after a literal",
       head + "spec:\n  deploy:\n    note: |\n      # one\n\n      two\n# end\n",
       head + "spec:\n  deploy:\n    note: |\n      # one\n\n      two\n  content: {source: live, "
              "generation: 8}\n# end\n"},
      {"none, after a list at the height of its key",
       head + "spec:\n  verify:\n    commands:\n    - a\n    - b # last\n---\nkind: Other\n",
       head + "spec:\n  verify:\n    commands:\n    - a\n    - b # last\n  content: {source: live, "
              "generation: 8}\n---\nkind: Other\n"},
      {"none, after a mapping over lines",
       head + "spec:\n  code: {\n    branch: main\n  }\n  url: x\n",
       head +
           "spec:\n  code: {\n    branch: main\n  }\n\n  content: {source: live, generation: 8}\n  "
           "url: x\n"},
      {"no spec", head, head + "spec: {content: {source: live, generation: 8}}\n"},
      {"refresh stays",
       head + "spec: {content: {source: dev, generation: 7, refresh: {every: 24h}}}\n",
       head + "spec: {content: {source: live, generation: 8, refresh: {every: 24h}}}\n"},
      {"quotes stay", head + "spec: {content: {source: 'dev', \"generation\": 7}}\n",
       head + "spec: {content: {source: 'live', \"generation\": 8}}\n"},
      {"the order stays", head + "spec: {content: {generation: 7, source: dev}}\n",
       head + "spec: {content: {generation: 8, source: live}}\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(content_in(c.before), c.after) << c.name;
}

TEST(EditTest, QuotesANameThatWouldBeSomethingElse) {
  const std::string before = head + "spec: {content: {source: live, generation: 7}}\n";
  EXPECT_EQ(content_in(before, ContentSource::from("on")),
            head + "spec: {content: {source: \"on\", generation: 8}}\n");
  EXPECT_EQ(content_in(before, ContentSource::empty(), 9),
            head + "spec: {content: {source: empty, generation: 9}}\n");
}

TEST(EditTest, QuotesACommitThatWouldBeANumber) {
  const std::string before = head + "spec: {code: {branch: main}}\n";
  for (const std::string hex :
       {"1234567890123456789012345678901234567890", "12345678901234567890123456789012345678e1"}) {
    EXPECT_EQ(told(with_commit(before, "acme", "test", {hex})),
              head + "spec: {code: {commit: \"" + hex + "\"}}\n");
  }
}

TEST(EditTest, RefusesWhatItCannotEditSafely) {
  const std::string by_hand =
      "refused: acme/test is written in a way that cannot be edited; change it by hand";
  const std::string unread = "refused: the document of acme/test cannot be read";
  const std::vector<Case> cases{
      {"not there", "kind: Environment\nmetadata: {name: dev, site: acme}\n", unread},
      {"another kind", "kind: Site\nmetadata: {name: test, site: acme}\n", unread},
      {"broken", head + "spec: {code: {branch: main}\n", unread},
      {"an anchor", head + "spec: {code: {commit: &here OLD}}\n", unread},
      {"an alias", head + "spec: {url: &here x, code: *here}\n", unread},
      {"a tag", head + "spec: {code: {commit: !!str OLD}}\n", unread},
      {"a key twice", head + "spec: {code: {commit: OLD}, code: {branch: main}}\n", unread},
      {"a block scalar", head + "spec:\n  code:\n    commit: |\n      OLD\n  url: x\n", by_hand},
      {"a folded word", head + "spec:\n  code:\n    branch: a\n      b\n  url: x\n", by_hand},
      {"two targets", head + "spec: {code: {commit: OLD, branch: main}}\n", by_hand},
      {"a list", head + "spec: {code: [main]}\n", by_hand},
      {"a word", head + "spec: {code: main}\n", by_hand},
      {"a target without a value", head + "spec: {code: {branch: }}\n", by_hand},
      {"a target that is a list", head + "spec: {code: {branch: [main]}}\n", by_hand},
      {"spec is a word", head + "spec: none\n", by_hand},
      {"an empty code", head + "spec:\n  code:\n  url: x\n",
       "refused: code of acme/test is empty; change it by hand"},
  };
  for (const Case& c : cases) EXPECT_EQ(commit_in(c.before), c.after) << c.name;
}

TEST(EditTest, RefusesContentItCannotEditSafely) {
  const std::vector<Case> cases{
      {"nothing", head + "spec:\n  content: ~\n",
       "refused: content of acme/test is empty; change it by hand"},
      {"a mapping as the source", head + "spec: {content: {source: {archive: x}}}\n",
       "refused: source of acme/test is no plain value; change it by hand"},
      {"a generation over two lines", head + "spec:\n  content:\n    source: a\n      b\n",
       "refused: source of acme/test is no plain value; change it by hand"},
      {"a word", head + "spec: {content: keep}\n",
       "refused: acme/test is written in a way that cannot be edited; change it by hand"},
  };
  for (const Case& c : cases) EXPECT_EQ(content_in(c.before), c.after) << c.name;
  EXPECT_EQ(content_in(head + "spec: {content: {source: live, refresh: {every: 24h}}}\n",
                       ContentSource::empty()),
            "refused: acme/test has content.refresh, which goes with an environment as the source; "
            "remove it first");
}

TEST(EditTest, FindsADocumentBesideABrokenOne) {
  const std::string text = head + "spec: {code: {branch: main}}\n---\nkind: [\n";
  EXPECT_TRUE(holds_environment(text, "acme", "test"));
  EXPECT_FALSE(holds_environment(text, "acme", "live"));
  EXPECT_EQ(commit_in(text), with_commits(head + "spec: {code: {commit: NEW}}\n---\nkind: [\n"));
}

// ---- every style, by chance ----

/// Writes an environment in a style of its own, so that the same values come in many layouts.
class Scribe {
 public:
  explicit Scribe(unsigned seed) : random_(seed) {}

  std::string environment(const std::string& name, const std::string& code,
                          const std::string& content) {
    std::vector<std::pair<std::string, std::string>> spec;
    if (!code.empty()) spec.emplace_back("code", code);
    if (!content.empty()) spec.emplace_back("content", content);
    spec.emplace_back("url", "\"https://" + name + ".example\"");
    if (chance()) spec.emplace_back("deploy", "note=don't");
    if (chance()) spec.emplace_back("verify", "retryFor=\"5s\"");
    std::shuffle(spec.begin(), spec.end(), random_);
    std::string out = "apiVersion: tidegate/v1" + end() + "kind: Environment" + end() +
                      "metadata: {name: " + name + ", site: acme}" + end();
    const bool flow = chance();
    out += flow ? "spec: {" + end(true) : "spec:" + end();
    for (std::size_t i = 0; i < spec.size(); ++i) {
      out += "  " + key(spec[i].first) + ": " + value(spec[i].second, flow);
      if (flow)
        out += i + 1 < spec.size() || chance() ? "," + end(true) : end(true);
      else if (out.back() != '\n')
        out += end();
    }
    return out + (flow ? "  }" + end() : "");
  }

 private:
  bool chance() { return random_() % 2 == 0; }
  std::string key(const std::string& text) { return chance() ? text : "\"" + text + "\""; }
  std::string end(bool flow = false) {
    if (random_() % 4 == 0)
      return std::string(" # it's { a [ \"comment") + (flow ? ", }" : "") + "\n";
    return "\n";
  }
  /// "a=b;c=d" as a mapping.
  std::string value(const std::string& text, bool flow) {
    if (text[0] == '"') return text;
    std::vector<std::string> fields;
    std::istringstream pieces(text);
    for (std::string piece; std::getline(pieces, piece, ';');) {
      const auto at = piece.find('=');
      fields.push_back(key(piece.substr(0, at)) + ": " + piece.substr(at + 1));
    }
    const bool block = !flow && chance();
    std::string out = block ? end() : "{";
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (block)
        out += "    " + fields[i] + end();
      else
        out += (i ? ", " : "") + fields[i];
    }
    return block ? out : out + "}";
  }
  std::mt19937 random_;
};

const std::string rest =
    "apiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: host}\nspec: {host: {root: "
    "/srv/sites}}\n---\n"
    "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: acme}\n"
    "spec: {driver: host, repository: {url: /srv/acme.git}, stages: [dev, test, live], "
    "application: {type: custom}}\n---\n";

std::shared_ptr<const Site> site_of(const std::string& text) {
  const Fleet fleet = Fleet().with({{"fleet.yaml", text}}, "1", "");
  for (const Problem& problem : fleet.problems())
    ADD_FAILURE() << to_string(problem) << "\n" << text;
  return fleet.find("acme");
}

/// Whether two environments differ in nothing but code and content.
bool same_rest(const Environment& left, const Environment& right) {
  return left.url == right.url && left.deploy == right.deploy && left.verify == right.verify &&
         left.variables == right.variables && left.secrets == right.secrets;
}

TEST(EditTest, ReadAgainSaysWhatWasAskedAndNothingElseInAnyStyle) {
  const std::vector<std::string> codes{"branch=main", "commit=" + old_commit.hex,
                                       "commit='" + old_commit.hex + "'", "tag=\"v1\"", "from=dev"};
  const std::vector<std::string> contents{"",
                                          "source=live",
                                          "source=\"live\";generation=7",
                                          "generation=7;source=live",
                                          "source=live;refresh={every: 24h}",
                                          "source=keep"};
  for (unsigned seed = 0; seed < 400; ++seed) {
    Scribe scribe(seed);
    const std::string text =
        rest + scribe.environment("dev", "branch=main", "source=live") + "---\n" +
        scribe.environment("test", codes[seed % codes.size()], contents[seed % contents.size()]) +
        "---\n" + scribe.environment("live", "commit=" + old_commit.hex, "");
    const auto before = site_of(text);
    ASSERT_TRUE(before) << "seed " << seed;
    const auto promoted = with_commit(text, "acme", "test", new_commit);
    ASSERT_TRUE(promoted) << "seed " << seed << ": " << promoted.error().message << "\n" << text;
    const auto both = with_content(*promoted, "acme", "test", ContentSource::from("live"), 8);
    ASSERT_TRUE(both) << "seed " << seed << ": " << both.error().message << "\n" << *promoted;
    const auto after = site_of(*both);
    ASSERT_TRUE(after) << "seed " << seed;
    const Environment& test = after->environments.at("test");
    EXPECT_EQ(test.code, CodeTarget(new_commit)) << "seed " << seed;
    EXPECT_EQ(test.content.source, ContentSource::from("live")) << "seed " << seed;
    EXPECT_EQ(test.content.generation, 8u) << "seed " << seed;
    EXPECT_EQ(test.content.refresh, before->environments.at("test").content.refresh)
        << "seed " << seed;
    EXPECT_TRUE(same_rest(test, before->environments.at("test"))) << "seed " << seed << "\n"
                                                                  << *both;
    for (const char* other : {"dev", "live"}) {
      EXPECT_EQ(after->environments.at(other).digest, before->environments.at(other).digest)
          << "seed " << seed;
    }
    const auto lines = [](const std::string& t) { return std::ranges::count(t, '\n'); };
    EXPECT_LE(lines(*both) - lines(text), 2)
        << "seed " << seed << ": more than a line and a blank\n"
        << *both;
  }
}

}  // namespace
}  // namespace tidegate
