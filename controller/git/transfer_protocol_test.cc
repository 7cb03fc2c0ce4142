#include "controller/git/transfer_protocol.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

const std::string oid_a(40, 'a'), oid_b(40, 'b');

TEST(TransferProtocolTest, ARequestComesBackWhole) {
  TransferRequest request{.action = TransferRequest::Action::push};
  request.url = "https://h/a b", request.mirror = "/m", request.password = " two  words ";
  request.reference = "refs/heads/main", request.commit = oid_a;
  const auto text = encode(request);
  ASSERT_TRUE(text);
  const auto read = decode_request(*text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->action, TransferRequest::Action::push);
  EXPECT_EQ(read->url, request.url);
  EXPECT_EQ(read->mirror, "/m");
  EXPECT_EQ(read->password, " two  words ");
  EXPECT_EQ(read->reference, "refs/heads/main");
  EXPECT_EQ(read->commit, oid_a);
  EXPECT_EQ(read->expected, "");
}

TEST(TransferProtocolTest, RefusesAValueThatWouldBecomeALineOfItsOwn) {
  TransferRequest request;
  request.password = "geheim\nurl https://elsewhere/";
  const auto text = encode(request);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, "the password for git has a line break");
}

TEST(TransferProtocolTest, AnAnswerComesBackWhole) {
  TransferAnswer answer;
  answer.references["refs/heads/main"] = {oid_a, ""};
  answer.references["refs/tags/v1"] = {oid_b, oid_a};
  answer.changed = true;
  const auto read = decode_answer(encode(Result<TransferAnswer>(answer)));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->references, answer.references);
  EXPECT_TRUE(read->changed);
}

TEST(TransferProtocolTest, AnErrorComesBackAsItself) {
  const auto read =
      decode_answer(encode(Result<TransferAnswer>(Error{ErrorKind::invalid, "no such thing"})));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::invalid);
  EXPECT_EQ(read.error().message, "no such thing");
}

TEST(TransferProtocolTest, AnAnswerThatWasCutIsNone) {
  TransferAnswer answer;
  answer.references["refs/heads/main"] = {oid_a, ""};
  const std::string whole = encode(Result<TransferAnswer>(answer));
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    const auto read = decode_answer(whole.substr(0, size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().kind, ErrorKind::transient);
    EXPECT_EQ(read.error().message, "the git transfer ended without an answer");
  }
}

}  // namespace
}  // namespace tidegate
