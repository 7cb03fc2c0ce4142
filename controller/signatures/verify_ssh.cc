#include "controller/signatures/verify_ssh.h"

#include <sstream>

#include "controller/signatures/ssh_key.h"

namespace tidegate {
namespace {

/// What git calls its own among all that SSH keys sign.
constexpr const char* name_space = "git";

SignatureFact refused(std::string problem) { return {false, "", std::move(problem)}; }

class Verification {
 public:
  Verification(const SignedText& text, const AllowedSigners& signers, const Workshop& workshop)
      : text_(text), signers_(signers), workshop_(workshop) {}

  Result<SignatureFact> run(const SshKey& key) {
    if (auto written = write(); !written) return std::move(written.error());
    auto fitting = ask({"-Y", "check-novalidate", "-n", name_space}, text_.text);
    if (!fitting) return std::move(fitting.error());
    if (!fitting->succeeded()) return refused("has an SSH signature that does not fit it");
    const std::string fingerprint = last_word(fitting->output);
    const std::string with = "is signed with SSH key " + fingerprint + ", which ";
    if (signers_.gone.contains(fingerprint)) return refused(with + "is revoked");
    std::vector<std::string> question{"-Y", "verify", "-n", name_space,
                                      "-f", allowed_, "-I", text_.mail};
    auto allowed = ask(question, text_.text);
    if (!allowed) return std::move(allowed.error());
    if (!allowed->succeeded()) return why_not_allowed(key, with);
    if (signers_.ssh_gone.empty()) return good(fingerprint);
    question.insert(question.end(), {"-r", revoked_});
    auto kept = ask(question, text_.text);
    if (!kept) return std::move(kept.error());
    return kept->succeeded() ? good(fingerprint) : refused(with + "is revoked");
  }

 private:
  SignatureFact good(const std::string& fingerprint) const {
    return {true, text_.mail + " (" + fingerprint + ")", ""};
  }
  Result<void> write() {
    for (const auto& [name, content, path] :
         {std::tuple("allowed", &signers_.ssh, &allowed_),
          std::tuple("revoked", &signers_.ssh_gone, &revoked_),
          std::tuple("signature", &text_.signature, &signature_)}) {
      auto written = workshop_.put(name, *content);
      if (!written) return std::move(written.error());
      *path = std::move(*written);
    }
    return {};
  }
  Result<ProcessResult> ask(const std::vector<std::string>& question,
                            const std::string& input) const {
    std::vector<std::string> argv{"ssh-keygen"};
    argv.insert(argv.end(), question.begin(), question.end());
    argv.insert(argv.end(), {"-s", signature_});
    auto result = workshop_.run(std::move(argv), input);
    if (!result && result.error().kind == ErrorKind::invalid)
      return Error{ErrorKind::invalid,
                   "ssh-keygen is not installed (apt-get install openssh-client)"};
    return result;
  }
  /// The fit is good and the key is not revoked by its fingerprint: its line is missing, is of
  /// others, or does not count now.
  Result<SignatureFact> why_not_allowed(const SshKey& key, const std::string& with) const {
    if (mentions(signers_.ssh_gone, key.encoded)) return refused(with + "is revoked");
    auto found = ask({"-Y", "find-principals", "-f", allowed_}, "");
    if (!found) return std::move(found.error());
    if (found->succeeded() && !found->output.empty())
      return refused(with + "is not allowed to sign as \"" + text_.mail + "\"");
    if (mentions(signers_.ssh, key.encoded))
      return refused(with + "its line in the allowed signers does not let count now");
    return refused(with + "is not among the allowed signers");
  }
  static bool mentions(const std::string& lines, const std::string& encoded) {
    std::istringstream words(lines);
    for (std::string word; words >> word;)
      if (word == encoded) return true;
    return false;
  }
  /// `Good "git" signature with ED25519 key SHA256:…`.
  static std::string last_word(const std::string& output) {
    std::istringstream words(output);
    std::string word;
    while (words >> word) continue;
    return word;
  }

  const SignedText& text_;
  const AllowedSigners& signers_;
  const Workshop& workshop_;
  std::string allowed_, revoked_, signature_;
};

}  // namespace

Result<SignatureFact> verify_ssh(const SignedText& text, const AllowedSigners& signers,
                                 const Workshop& workshop) {
  const auto key = key_of_signature(text.signature);
  if (!key) return refused("has an SSH signature that cannot be read");
  if (const std::string weak = weakness_of(*key); !weak.empty())
    return refused("is signed with " + weak + ", which is too weak");
  return Verification(text, signers, workshop).run(*key);
}

}  // namespace tidegate
