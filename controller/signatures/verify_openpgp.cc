#include "controller/signatures/verify_openpgp.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

namespace tidegate {
namespace {

using Words = std::vector<std::string>;

// Numbers of RFC 4880 and its successors.
const std::set<std::string> strong_digests{"8", "9", "10", "11", "12", "14"};  // SHA-2, SHA-3.
const std::set<std::string> rsa{"1", "3"}, elliptic{"19", "22", "27", "28"};
constexpr int rsa_bits_min = 2048;

SignatureFact refused(std::string problem) { return {false, "", std::move(problem)}; }

std::vector<Words> table(const std::string& text, char separator) {
  std::vector<Words> rows;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    Words& row = rows.emplace_back();
    for (std::size_t begin = at; begin <= end;) {
      const std::size_t stop = std::min(text.find(separator, begin), end);
      row.push_back(text.substr(begin, stop - begin));
      begin = stop + 1;
    }
    at = end + 1;
  }
  return rows;
}

std::string at(const Words& words, std::size_t index) {
  return index < words.size() ? words[index] : "";
}

/// What gpg said on its status lines: the words after "[GNUPG:]".
class Status {
 public:
  explicit Status(const std::string& output) {
    for (Words& row : table(output, ' ')) {
      if (at(row, 0) != "[GNUPG:]") continue;
      row.erase(row.begin());
      lines_.push_back(std::move(row));
    }
  }
  /// The only line with this word; nothing when there is none, or more than one.
  std::optional<Words> only(const std::string& word) const {
    return count(word) == 1 ? std::optional(*std::ranges::find(lines_, word, first)) : std::nullopt;
  }
  std::size_t count(const std::string& word) const {
    return static_cast<std::size_t>(std::ranges::count(lines_, word, first));
  }
  bool has(const std::string& word) const { return count(word) > 0; }

 private:
  static std::string first(const Words& words) { return at(words, 0); }
  std::vector<Words> lines_;
};

/// A key of the allowed ones, as gpg lists it.
struct Listed {
  int bits = 0;  ///< Of the key or subkey that signed.
  std::set<std::string> mails;
};

std::string mail_of(const std::string& user_id) {
  const std::size_t begin = user_id.rfind('<'), end = user_id.rfind('>');
  if (begin == user_id.npos) return user_id;
  return end == user_id.npos || end < begin ? "" : user_id.substr(begin + 1, end - begin - 1);
}

Listed listed(const std::string& output, const std::string& signing) {
  Listed out;
  int bits = 0;
  for (const Words& row : table(output, ':')) {
    const std::string kind = at(row, 0);
    if (kind == "pub" || kind == "sub") {
      const std::string text = at(row, 2);
      bits = 0;
      std::from_chars(text.data(), text.data() + text.size(), bits);
    }
    if (kind == "fpr" && at(row, 9) == signing) out.bits = bits;
    const bool counts = at(row, 1).find_first_of("rein") == std::string::npos;
    if (kind == "uid" && counts) out.mails.insert(mail_of(at(row, 9)));
  }
  return out;
}

class Verification {
 public:
  Verification(const SignedText& text, const AllowedSigners& signers, const Workshop& workshop)
      : text_(text), signers_(signers), workshop_(workshop) {}

  Result<SignatureFact> run() {
    auto imported = gpg({"--import"}, signers_.openpgp);
    if (!imported) return std::move(imported.error());
    if (!signers_.openpgp.empty() && !imported->succeeded())
      return Error{ErrorKind::invalid, "the allowed signers hold an OpenPGP key gpg cannot read"};
    auto signature = workshop_.put("signature", text_.signature);
    if (!signature) return std::move(signature.error());
    auto verified = gpg({"--verify", *signature, "-"}, text_.text);
    if (!verified) return std::move(verified.error());
    const Status status(verified->output);
    const auto valid = status.only("VALIDSIG");
    if (!verified->succeeded() || !valid || !status.only("GOODSIG") || !status.only("NEWSIG") ||
        status.has("EXPKEYSIG") || status.has("EXPSIG") || status.has("REVKEYSIG") ||
        status.has("PLAINTEXT"))
      return refused(why_not(status));
    return judge(*valid);
  }

 private:
  Result<ProcessResult> gpg(const Words& words, const std::string& input) const {
    // Nobody's options, agent, keyserver or web of trust: what is in the home is what is allowed.
    std::vector<std::string> argv{"gpg",
                                  "--homedir",
                                  workshop_.path(),
                                  "--no-options",
                                  "--batch",
                                  "--no-tty",
                                  "--no-autostart",
                                  "--trust-model",
                                  "always",
                                  "--disable-dirmngr",
                                  "--no-auto-key-retrieve",
                                  "--no-auto-key-locate",
                                  "--with-subkey-fingerprint",
                                  "--status-fd",
                                  "1"};
    argv.insert(argv.end(), words.begin(), words.end());
    auto result = workshop_.run(std::move(argv), input);
    if (!result && result.error().kind == ErrorKind::invalid)
      return Error{ErrorKind::invalid, "gpg is not installed (apt-get install gnupg)"};
    return result;
  }
  static std::string why_not(const Status& status) {
    const auto with = [](const Words& line) { return "is signed with OpenPGP key " + at(line, 1); };
    if (status.count("NEWSIG") > 1) return "has more than one OpenPGP signature";
    if (auto line = status.only("REVKEYSIG")) return with(*line) + ", which is revoked";
    if (auto line = status.only("EXPKEYSIG")) return with(*line) + ", which has expired";
    if (auto line = status.only("EXPSIG")) return with(*line) + ", and the signature has expired";
    if (auto line = status.only("NO_PUBKEY"))
      return with(*line) + ", which is not among the allowed signers";
    if (status.has("BADSIG")) return "has an OpenPGP signature that does not fit it";
    return "has an OpenPGP signature that cannot be read, or is of an algorithm gpg refuses";
  }
  /// Words: VALIDSIG, fingerprint, date, time, expiry, version, reserved, key's algorithm, digest,
  /// class, primary fingerprint.
  Result<SignatureFact> judge(const Words& valid) const {
    const std::string signing = at(valid, 1), algorithm = at(valid, 7), primary = at(valid, 10);
    const std::string with = "is signed with OpenPGP key " + primary;
    if (signers_.gone.contains(signing) || signers_.gone.contains(primary))
      return refused(with + ", which is revoked");
    if (!strong_digests.contains(at(valid, 8)))
      return refused(with + " over a digest that is too weak");
    auto list = gpg({"--with-colons", "--list-keys", primary}, "");
    if (!list) return std::move(list.error());
    const Listed key = listed(list->output, signing);
    const bool strong =
        elliptic.contains(algorithm) || (rsa.contains(algorithm) && key.bits >= rsa_bits_min);
    if (!strong) return refused(with + ", which is too weak (DSA, or RSA below 2048 bits)");
    if (!key.mails.contains(text_.mail))
      return refused(with + ", which is not of \"" + text_.mail + "\"");
    return SignatureFact{true, text_.mail + " (" + primary + ")", ""};
  }

  const SignedText& text_;
  const AllowedSigners& signers_;
  const Workshop& workshop_;
};

}  // namespace

Result<SignatureFact> verify_openpgp(const SignedText& text, const AllowedSigners& signers,
                                     const Workshop& workshop) {
  return Verification(text, signers, workshop).run();
}

}  // namespace tidegate
