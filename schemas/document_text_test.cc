#include "schemas/document_text.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

std::string live(const std::string& code, const std::string& end = "\n") {
  return "apiVersion: tidegate/v1\nkind: Environment\nmetadata: {name: live, site: acme}  # Live\n"
         "spec:\n  # what visitors see\n  code: {commit: " +
         code + "}" + end;
}
const std::string site =
    "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: acme}\nspec: {stages: [live]}\n";

std::string replaced(const std::string& text, const std::string& document) {
  auto out = with_document(text, "acme", "live", document);
  return out ? *out : "refused: " + out.error().message;
}

TEST(DocumentTextTest, IsWhatStandsBetweenTheMarkers) {
  EXPECT_EQ(document_text(live("a"), "acme", "live"), live("a"));
  EXPECT_EQ(
      document_text("# fleet\n---\n" + site + "---\n" + live("a") + "---\n" + site, "acme", "live"),
      "\n" + live("a"));
  EXPECT_EQ(document_text("--- # first\r\n" + live("a") + "...\n---\n" + site, "acme", "live"),
            " # first\r\n" + live("a"));
  EXPECT_EQ(document_text("\xEF\xBB\xBF" + live("a"), "acme", "live"), live("a"));
}

TEST(DocumentTextTest, DashesInsideATextAreNoMarker) {
  const std::string note = live("a") + "  deploy:\n    note: 'x'\n  url: \"https://a/---\"\n";
  EXPECT_EQ(document_text(site + "---\n" + note + "--- \n" + site, "acme", "live"), "\n" + note);
}

TEST(DocumentTextTest, AnothersDocumentIsNotTheirs) {
  EXPECT_FALSE(document_text(live("a"), "acme", "test"));
  EXPECT_FALSE(document_text(live("a"), "bolt", "live"));
  EXPECT_FALSE(document_text(site, "acme", "live"));
  EXPECT_FALSE(document_text("kind: [", "acme", "live"));
}

TEST(DocumentTextTest, SaysTheSameHoweverWritten) {
  EXPECT_TRUE(same_document(live("a"), "# moved\n" + live("\"a\"")));
  EXPECT_FALSE(same_document(live("a"), live("b")));
  EXPECT_TRUE(same_text(live("a"), "\n" + live("a") + "\n"));
  EXPECT_FALSE(same_text(live("a"), "# moved\n" + live("a")));
}

TEST(DocumentTextTest, IsPutInThePlaceOfAnotherAndAllElseStays) {
  const std::string before = "# fleet\n" + site + "--- # theirs\n",
                    after = "---\n" + site + "# end";
  EXPECT_EQ(replaced(before + live("b") + after, " # theirs\n" + live("a")),
            before + live("a") + after);
  EXPECT_EQ(replaced(live("b") + after, live("a")), live("a") + after);
  EXPECT_EQ(replaced(live("b"), live("a", "")), live("a", ""));
}

TEST(DocumentTextTest, FitsAPlaceOfAnotherForm) {
  EXPECT_EQ(replaced(site + "---\n" + live("b") + "---\n" + site, live("a", "")),
            site + "---\n" + live("a") + "---\n" + site);
  EXPECT_EQ(replaced(live("b"), "\n" + live("a")), "\n" + live("a"));
}

TEST(DocumentTextTest, RefusesWhatWouldSayAnythingElse) {
  EXPECT_EQ(replaced(site, live("a")), "refused: the document of acme/live is not there");
  const std::string refused = "refused: the document of acme/live cannot be put in its place";
  EXPECT_EQ(replaced(live("b"), live("a") + "---\n" + site), refused);
  EXPECT_EQ(replaced(live("b"), "kind: ["), refused);
}

}  // namespace
}  // namespace tidegate
