#pragma once
// Who vouches for the manifests that a site is made of.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "schemas/policy.h"
#include "schemas/site.h"

namespace tidegate {

/// Whether a commit of the manifests is signed by one of the list; nothing when it is not known
/// there.
using SignatureQuestion =
    std::function<std::optional<SignatureFact>(const CommitId&, const SecretRef& allowed_signers)>;

/// Whether a rule about this site asks for signed manifests.
bool asks_for_signed_manifests(const Governance& governance);

/// Asks one after the other until one knows the commit.
SignatureQuestion first_answer(std::vector<SignatureQuestion> questions);

/// The site with `manifest_signature` for every list that such a rule names: good when each of its
/// `manifest_commits` is; else what is wrong with the first that is not. The very same pointer when
/// no rule asks.
std::shared_ptr<const Site> with_signatures(std::shared_ptr<const Site> site,
                                            const SignatureQuestion& ask);

}  // namespace tidegate
