#include "controller/signatures/signatures.h"

#include <optional>

#include "controller/signatures/allowed_signers.h"
#include "controller/signatures/signed_text.h"
#include "controller/signatures/verify_openpgp.h"
#include "controller/signatures/verify_ssh.h"
#include "schemas/digest.h"

namespace tidegate {
namespace {

constexpr Duration verdict_kept = std::chrono::hours(1);
constexpr std::size_t verdicts_max = 100'000;  // About 30 MB.
constexpr std::string_view tags = "refs/tags/";

Result<SignatureFact> verify(const SignedText& text, const AllowedSigners& signers,
                             const std::string& programs) {
  if (text.signature.empty()) return SignatureFact{false, "", "is not signed"};
  if (text.mail.empty())
    return SignatureFact{false, "", "has no e-mail of a committer that could be matched"};
  const bool ssh = text.signature.starts_with("-----BEGIN SSH SIGNATURE-----");
  if (!ssh && !text.signature.starts_with("-----BEGIN PGP SIGNATURE-----"))
    return SignatureFact{false, "", "has a signature that is neither SSH nor OpenPGP"};
  auto workshop = Workshop::make(programs);
  if (!workshop) return std::move(workshop.error());
  return ssh ? verify_ssh(text, signers, *workshop) : verify_openpgp(text, signers, *workshop);
}

/// Errors: what could not be told this time. A refusal is a fact.
class Question {
 public:
  Question(const GitRepository& repository, const CommitId& commit, const AllowedSigners& signers,
           const std::string& programs)
      : repository_(repository), commit_(commit), signers_(signers), programs_(programs) {}

  Result<SignatureFact> of_commit() const {
    auto object = repository_.read_commit(commit_);
    if (!object) return std::move(object.error());
    return judge("commit " + commit_.brief(), read_signed_commit(*object));
  }
  Result<SignatureFact> of_tag(const std::string& name, const TagObject& tag) const {
    auto text = read_signed_tag(tag.object);
    const std::string what = "tag \"" + name + "\"";
    if (text && text->tag != name)
      return SignatureFact{false, "",
                           what + " bears the name \"" + text->tag + "\" where it is signed"};
    return judge(what, std::move(text));
  }

 private:
  Result<SignatureFact> judge(const std::string& what, Result<SignedText> text) const {
    if (!text) return SignatureFact{false, "", what + " " + text.error().message};
    auto fact = verify(*text, signers_, programs_);
    if (!fact) return std::move(fact.error()).within("the signature of " + what);
    if (!fact->valid) fact->problem = what + " " + fact->problem;
    return fact;
  }

  const GitRepository& repository_;
  const CommitId& commit_;
  const AllowedSigners& signers_;
  const std::string& programs_;
};

/// The annotated tag as it is now. Nothing for one that does not lead to this very commit.
std::optional<TagObject> tag_of(const GitRepository& repository, const CommitId& commit,
                                const std::string& full_ref) {
  auto tag = full_ref.starts_with(tags) ? repository.read_tag(full_ref) : std::nullopt;
  return tag && tag->leads_to == commit ? std::move(tag) : std::nullopt;
}

/// The commit's own signature counts, or its tag's; what is told of two that do not is the tag's,
/// unless the tag is merely not signed.
Result<SignatureFact> ask(const GitRepository& repository, const CommitId& commit,
                          const std::string& allowed, const std::string& full_ref,
                          const std::optional<TagObject>& tag, const std::string& programs) {
  auto signers = parse_allowed_signers(allowed);
  if (!signers) return std::move(signers.error());
  const Question question(repository, commit, *signers, programs);
  auto own = question.of_commit();
  if (!tag || (own && own->valid)) return own;
  auto tagged = question.of_tag(full_ref.substr(tags.size()), *tag);
  const bool says_nothing = tagged && tagged->problem.ends_with(" is not signed");
  return says_nothing ? own : tagged;
}

SignatureFact fact_of(Result<SignatureFact> answer) {
  if (answer) return std::move(*answer);
  return {false, "", std::move(answer.error().message)};
}

}  // namespace

SignatureFact verify_commit(const GitRepository& repository, const CommitId& commit,
                            const std::string& allowed_signers, const std::string& tag,
                            const std::string& programs) {
  return fact_of(
      ask(repository, commit, allowed_signers, tag, tag_of(repository, commit, tag), programs));
}

SignatureFact Signatures::of(const GitRepository& repository, const CommitId& commit,
                             const std::string& allowed_signers, const std::string& tag) {
  // The tag may be moved within the hour: a verdict is about the one it rests on.
  const auto object = tag_of(repository, commit, tag);
  std::string key = commit.hex + sha256_hex(allowed_signers);
  if (object) key += tag + sha256_hex(object->object);
  const Timestamp now = clock_.now();
  {
    std::lock_guard lock(mutex_);
    const auto known = known_.find(key);
    // A clock that went back makes a verdict older than an hour look young, so both ends count.
    if (known != known_.end() && now < known->second.until &&
        now >= known->second.until - verdict_kept)
      return known->second.fact;
  }
  auto answer = ask(repository, commit, allowed_signers, tag, object, programs_);
  if (answer) {
    std::lock_guard lock(mutex_);
    if (known_.size() >= verdicts_max) known_.clear();
    known_[key] = {*answer, now + verdict_kept};
  }
  return fact_of(std::move(answer));
}

std::string signature_lack(const std::string& allowed_signers, const std::string& programs) {
  auto signers = parse_allowed_signers(allowed_signers);
  if (!signers) return signers.error().message;
  auto workshop = Workshop::make(programs);
  if (!workshop) return workshop.error().message;
  const auto lacks = [&](const std::string& program, const std::string& package,
                         const std::vector<std::string>& argv) -> std::string {
    auto result = workshop->run(argv, "");
    if (result) return "";
    return program + " is not installed (apt-get install " + package + ")";
  };
  // Without an operation it prints its usage.
  if (!signers->ssh.empty()) {
    const auto lack = lacks("ssh-keygen", "openssh-client", {"ssh-keygen", "-?"});
    if (!lack.empty()) return lack;
  }
  return signers->openpgp.empty() ? "" : lacks("gpg", "gnupg", {"gpg", "--version"});
}

}  // namespace tidegate
