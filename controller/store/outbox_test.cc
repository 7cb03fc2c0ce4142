// What is still to be delivered, in a real file.

#include "controller/store/outbox.h"

#include "controller/store/store_fixture.h"

namespace tidegate {
namespace {

class OutboxTest : public StoreFixture {
 protected:
  std::unique_ptr<Outbox> outbox() {
    auto opened = Outbox::open(path_);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  static std::string first(Outbox& outbox, const std::string& receiver) {
    const auto found = outbox.first(receiver);
    EXPECT_TRUE(found);
    return found && *found ? (*found)->id + " " + (*found)->body : "";
  }
  static OutboxMessage message(const std::string& receiver, const std::string& id) {
    return {receiver, id, noon, "{" + id + "}"};
  }
};

TEST_F(OutboxTest, KeepsMessagesInTheirOrderUntilTheyAreDelivered) {
  {
    const auto open = outbox();
    ASSERT_TRUE(open->put("acme", {}, {message("a", "1"), message("b", "1"), message("a", "2")}));
  }
  const auto open = outbox();
  EXPECT_EQ(first(*open, "a"), "1 {1}");
  const auto found = open->first("a");
  EXPECT_EQ((*found)->at, noon);
  ASSERT_TRUE(open->remove((*found)->sequence));
  EXPECT_EQ(first(*open, "a"), "2 {2}");
  EXPECT_EQ(first(*open, "b"), "1 {1}");
  EXPECT_EQ(first(*open, "c"), "");
}

TEST_F(OutboxTest, KnowsOfASiteWhatWasPutLast) {
  const auto open = outbox();
  ASSERT_TRUE(open->put("acme", {{"test", "x"}, {"live", "y"}}, {}));
  ASSERT_TRUE(open->put("shop", {{"", "z"}}, {}));
  ASSERT_TRUE(open->put("acme", {{"live", "w"}}, {}));
  const auto known = outbox()->unrest();
  ASSERT_TRUE(known);
  EXPECT_EQ(*known,
            (std::map<std::string, UnrestTexts>{{"acme", {{"live", "w"}}}, {"shop", {{"", "z"}}}}));
  ASSERT_TRUE(open->put("acme", {}, {}));
  EXPECT_EQ(open->unrest()->size(), 1U);
}

TEST_F(OutboxTest, ForgetsReceiversThatAreNotThereAnyMore) {
  const auto open = outbox();
  ASSERT_TRUE(open->put("acme", {}, {message("a", "1"), message("b", "1"), message("b", "2")}));
  const auto gone = open->keep_only({"a"});
  ASSERT_TRUE(gone);
  EXPECT_EQ(*gone, 2U);
  EXPECT_EQ(first(*open, "a"), "1 {1}");
  EXPECT_EQ(first(*open, "b"), "");
}

}  // namespace
}  // namespace tidegate
